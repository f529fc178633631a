"""The image of the sandbox's Python, for tests that run code."""

from tests.unit.unikernel.conftest import python_image

__all__ = ["python_image"]

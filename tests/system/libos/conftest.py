"""What tests of real guests share with those of sandboxes."""

from tests.unit.unikernel.conftest import nothing_left

__all__ = ["nothing_left"]

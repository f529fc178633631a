"""What is said of the modules of guests is so."""

from __future__ import annotations

import pytest

from nexus.core.errors import MissingPartError
from nexus.unikernel.images import Image
from nexus.unikernel.imports import BUILT_IN, library_modules
from nexus.unikernel.limits import Limits
from nexus.unikernel.sandbox import Sandbox


def test_what_is_said_to_be_built_in_is_in_guests(python_image: Image) -> None:
    try:
        guest = Sandbox(image=python_image, limits=Limits(wall=60, cpu=60))
        names = sorted(BUILT_IN | library_modules(python_image.library))
        code = "\ntry:\n    __import__({0!r})\nexcept ImportError:\n    print({0!r})"
        done = guest.run("".join(map(code.format, names)))
    except MissingPartError as error:
        pytest.skip(f"no guest can be run here: {error}")
    assert (done.ok, done.stdout.decode().split()) == (True, [])

"""The guests in C that the tests of LibOS share: tests/system/unikernel/guests, built once in a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nexus.core.errors import MissingPartError
from nexus.unikernel.builder import build_c
from nexus.unikernel.images import Image
from nexus.unikernel.toolchain import Toolchain

GUESTS = Path(__file__).resolve().parent / "system" / "unikernel" / "guests"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Image]:
    """Gives the image of a guest by its name; skips where there is no compiler."""
    try:
        Toolchain.find()
    except MissingPartError as error:
        pytest.skip(str(error))
    images: dict[str, Image] = {}

    def build(name: str) -> Image:
        if name not in images:
            images[name] = build_c(GUESTS / f"{name}.c", tmp_path_factory.mktemp(name))
        return images[name]

    return build

"""The language, number by number and text by text: what a guest prints is what CPython prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Same

CASES = sorted((Path(__file__).parent / "behaviour").glob("*.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_guest_prints_what_cpython_prints(case: Path, same: Same) -> None:
    same(case.read_text(encoding="utf-8"))

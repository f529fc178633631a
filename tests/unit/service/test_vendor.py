"""The vendored files are the ones that were looked at, with their licence beside them."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

import nexus.service.dashboard

VENDOR = Path(nexus.service.dashboard.__file__).parent / "static" / "vendor"


def libraries() -> list[dict[str, Any]]:
    table = tomllib.loads((VENDOR / "VENDOR.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = table["library"]
    return found


def differences(folder: Path, wanted: dict[str, str]) -> list[str]:
    """The files that are not what VENDOR.toml says."""
    return [
        name
        for name, digest in wanted.items()
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest
    ]


@pytest.mark.parametrize("library", libraries(), ids=lambda library: library["name"])
def test_a_library_is_unchanged_and_has_its_licence(library: dict[str, Any]) -> None:
    assert library["version"]
    assert library["licence"]
    assert any("LICENSE" in name for name in library["files"])
    assert differences(VENDOR, library["files"]) == []


def test_no_file_lies_here_unnamed() -> None:
    named = {name for library in libraries() for name in library["files"]}
    assert {path.name for path in VENDOR.iterdir()} == named | {"VENDOR.toml"}


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    for library in libraries():
        for name, digest in library["files"].items():
            (tmp_path / name).write_bytes((VENDOR / name).read_bytes() + b" ")
            assert differences(tmp_path, {name: digest}) == [name]


def test_the_licence_is_the_one_that_is_named() -> None:
    text = (VENDOR / "htmx.LICENSE.txt").read_text(encoding="utf-8")
    assert [library["licence"] for library in libraries()] == ["0BSD"]
    assert text.startswith("Zero-Clause BSD")

"""What a guest reads of granted files and folders, and how it is refused the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.unikernel.grants import Grants
from nexus.unikernel.images import Image
from nexus.unikernel.sandbox import Sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\n")
    (tmp_path / "sub" / "big.txt").write_text("x" * 100 + "\n" + "é" * 70000 + "\nend", encoding="utf-8")
    return tmp_path


def said(image: Image, folder: Path, code: str) -> str:
    result = Sandbox(image=image, grants=Grants(files=(folder,))).run(f"g = {str(folder)!r}\n" + code)
    assert result.ok, result.stderr.decode() + result.detail
    return result.stdout.decode()


def test_a_granted_folder_is_read(python_image: Image, folder: Path) -> None:
    code = """
import os
from pathlib import Path
print(open(g + "/a.txt").readlines(), open(g + "/a.txt", "rb").read())
big = g + "/sub/big.txt"
print([len(line) for line in open(big)], len(open(big).read()), len(open(big).read(70000)))
print(sorted(os.listdir(g)), [p.name for p in sorted(Path(g).rglob("*.txt"))], os.path.isdir(g + "/sub"))
"""
    assert said(python_image, folder, code).splitlines() == [
        r"['one\n', 'two\n'] b'one\r\ntwo\n'",
        "[101, 70001, 3] 70105 70000",
        "['a.txt', 'sub'] ['a.txt', 'big.txt'] True",
    ]


def test_what_is_not_there_or_not_granted_is_told_apart(python_image: Image, folder: Path) -> None:
    code = """
for path, mode in ((g + "/no", "r"), (g, "r"), ("/etc/passwd", "r"), ("/home/x", "w"), (g + "/a.txt", "a")):
    try:
        open(path, mode)
    except OSError as error:
        print(type(error).__name__, str(error).replace(g, "G"))
"""
    lines = said(python_image, folder, code).splitlines()
    assert lines[:2] == [
        "FileNotFoundError [Errno 2] No such file or directory: 'G/no'",
        "IsADirectoryError [Errno 21] Is a directory: 'G'",
    ]
    assert all(line.startswith("PermissionError") for line in lines[2:]), lines
    assert "--read /etc/passwd" in lines[2]
    assert "not granted for writing" in lines[3]
    assert "not granted for writing" in lines[4]

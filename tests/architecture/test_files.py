"""What a file of this house may be called, how long it may be, and what may not stand in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LONGEST = 400  # lines; beyond it a file has two nouns
COUNTED = {".py", ".pyi", ".c", ".h", ".cc", ".cpp", ".hpp", ".js", ".sh"}
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "stuff", "lib"}

# Put together from halves, so that this file does not match itself.
FORBIDDEN = {
    "a package registry's host": re.compile(
        "|".join(
            re.escape(first + second)
            for first, second in (
                ("pypi", ".org"),
                ("python", "hosted.org"),
                ("registry.np", "mjs.org"),
                ("registry.yarnpkg", ".com"),
                ("deb.debian", ".org"),
                ("security.debian", ".org"),
                ("archive.ubuntu", ".com"),
            )
        )
    ),
    "a path of somebody's machine": re.compile(
        r"(?<![\w.~-])/(?:" + "|".join(("work", "farm", "opt/wheels", "opt/pypi", "tmp/w")) + r")/"
        r"|(?<![\w.~-])/(?:home|Users)/(?!(?:user|you|me|ada|alice|bob)\b)[a-z]\w*/"
    ),
    "an array file that may run code": re.compile(r"allow_pickle\s*=\s*" + "True"),
}


def files(root: Path) -> list[Path]:
    """What git tracks below `root`, and what it would track."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [root / name for name in listing.split("\0") if name and (root / name).is_file()]


def violations(root: Path) -> list[str]:
    """What is wrong with the files below `root`, one line each."""
    found = []
    for path in files(root):
        name = path.relative_to(root).as_posix()
        if "vendor" in path.parts:
            continue
        data = path.read_bytes()
        if path.suffix in COUNTED:
            lines = data.count(b"\n")
            if lines > LONGEST:
                found.append(f"{name} has {lines} lines, more than {LONGEST}")
            if path.stem in NAMELESS:
                found.append(f"{name}: the name says nothing about what is inside")
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            found += [
                f"{name}:{number} names {what}" for what, rule in FORBIDDEN.items() if rule.search(line)
            ]
    return found


def test_every_file_keeps_the_rules() -> None:
    assert files(ROOT)
    assert violations(ROOT) == []


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("long.py", "x = 1\n" * 401),
        ("long.c", "int x;\n" * 401),
        ("utils.py", ""),
        ("common.h", ""),
        ("lock.txt", "https://files.python" + "hosted.org/x\n"),
        ("Makefile", "pip install -i https://pypi" + ".org/simple x\n"),
        ("a.md", "see /wo" + "rk/main/x\n"),
        ("a.md", "see /ho" + "me/somebody/x\n"),
        ("a.py", "numpy.load(p, allow_pickle=" + "True)\n"),
    ],
)
def test_a_breach_is_caught(repository: Path, name: str, text: str) -> None:
    (repository / name).write_text(text)
    found = violations(repository)
    assert len(found) == 1
    assert found[0].startswith(name)


def test_vendored_and_ignored_files_are_let_be(repository: Path) -> None:
    (repository / "vendor").mkdir()
    (repository / "vendor" / "big.js").write_text("x\n" * 1000)
    (repository / ".gitignore").write_text("made/\n")
    (repository / "made").mkdir()
    (repository / "made" / "utils.py").write_text("")
    (repository / "exactly.py").write_text("x = 1\n" * 400)
    assert violations(repository) == []

"""What docs/reference/sandbox-python.md says of the differences is so, in guests and in CPython."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from nexus.core.errors import MissingPartError
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.sandbox import Sandbox
from tests.docs.markdown import ROOT

PAGE = ROOT / "docs" / "reference" / "sandbox-python.md"
_ROW = re.compile(r"^\| `(?P<code>[^`]+)` \| `(?P<guest>[^`]+)` \| `(?P<cpython>[^`]+)` \|$", re.MULTILINE)
# For each piece of code on standard input: its value, what it prints, or the name of its exception.
_ASKING = """
import json, sys
for code in json.loads(sys.stdin.readline()):
    names = {"__name__": "__main__"}
    try:
        try:
            compile(code, "row", "eval")
        except SyntaxError:
            exec(compile(code, "row", "exec"), names)
        else:
            print(eval(code, names), end="")
    except Exception as error:
        print(type(error).__name__, end="")
    print("\\x1e", end="")
"""


def rows() -> list[tuple[str, str, str]]:
    """(code, what guests answer, what CPython answers); "ran" is an answer without words."""
    section = PAGE.read_text(encoding="utf-8").partition("## Differences")[2].partition("\n## ")[0]
    return [
        (row["code"].replace("\\n", "\n"), row["guest"], row["cpython"]) for row in _ROW.finditer(section)
    ]


def answers(output: str) -> list[str]:
    return [text.strip() or "ran" for text in output.split("\x1e")[:-1]]


def test_there_are_differences_to_check() -> None:
    assert len(rows()) > 10


def test_guests_differ_as_said(python_image: Image) -> None:
    asked = json.dumps([code for code, _, _ in rows()]).encode() + b"\n"
    try:
        done = Sandbox(image=python_image, limits=Limits(wall=60, cpu=60)).run(_ASKING, stdin=asked)
    except MissingPartError as error:
        pytest.skip(f"no guest can be run here: {error}")
    assert done.ok, done.stderr.decode()
    said = [(code, guest) for code, guest, _ in rows()]
    assert list(zip([code for code, _ in said], answers(done.stdout.decode()), strict=True)) == said


def test_cpython_answers_as_said() -> None:
    asked = json.dumps([code for code, _, _ in rows()]) + "\n"
    done = subprocess.run(
        [sys.executable, "-c", _ASKING], input=asked, capture_output=True, text=True, check=True, timeout=60
    )
    said = [(code, cpython) for code, _, cpython in rows()]
    assert list(zip([code for code, _ in said], answers(done.stdout), strict=True)) == said


def test_a_future_import_is_no_reason_to_leave_the_sandbox(python_image: Image) -> None:
    try:
        done = Sandbox(image=python_image).run("from __future__ import annotations\nprint(1)")
    except MissingPartError as error:
        pytest.skip(f"no guest can be run here: {error}")
    assert (done.ok, done.stdout) == (True, b"1\n")

"""Code run twice: by CPython and in a guest."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.sandbox import Sandbox

Same = Callable[[str], None]


@pytest.fixture(scope="session")
def same(python_image: Image) -> Same:
    """Asserts that code prints in a guest what it prints in CPython, and ends as it does there."""
    sandbox = Sandbox(limits=Limits(wall=60, cpu=60), image=python_image)

    def compare(code: str) -> None:
        code = textwrap.dedent(code)
        mine = sandbox.run(code)
        theirs = subprocess.run([sys.executable, "-I", "-"], input=code.encode(), capture_output=True)
        said = mine.stdout.decode(), mine.status
        assert said == (theirs.stdout.decode(), theirs.returncode), mine.stderr.decode() + mine.detail

    return compare

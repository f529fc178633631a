"""The manual page, as the system's own formatter shows it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from nexus.cli.command_tree import commands
from tests.docs.markdown import ROOT

PAGE = ROOT / "share" / "man" / "man1" / "nexus.1"


def test_every_command_and_option_is_shown_and_nothing_is_wrong_with_the_page() -> None:
    if not shutil.which("groff"):
        pytest.skip("groff is not installed; install it with: sudo apt-get install groff")
    # -rLL: lines so long that none is broken; -P-c -P-bou: plain text, without bold by overstriking.
    words = ["groff", "-man", "-Tutf8", "-ww", "-rLL=1000n", "-P-c", "-P-bou", str(PAGE)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    headings = re.findall(r"^   nexus (.*)", done.stdout, re.MULTILINE)
    for command in commands()[1:]:
        assert any(f"{heading} ".startswith(" ".join(command.path) + " ") for heading in headings)
        for option in command.options[:-1]:
            assert all(re.search(rf"^ +(\S+, )*{name}\b", done.stdout, re.M) for name in option.names)

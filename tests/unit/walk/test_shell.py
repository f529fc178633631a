"""A shell at a terminal: it goes on from command to command, is answered, and gets Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.walk.shell import Shell, StuckError


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell({"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb"}, tmp_path)
    yield shell
    shell.close()


def test_folder_and_variables_stay(shell: Shell, tmp_path: Path) -> None:
    assert shell.run("mkdir a; cd a; X=5", 10).status == 0
    assert shell.run("pwd; echo $X", 10).output.split() == [str(tmp_path / "a"), "5"]
    assert shell.run("false", 10).status == 1
    assert shell.run("test -t 0 && test -t 1", 10).status == 0


def test_a_question_is_answered(shell: Shell) -> None:
    assert "got y" in shell.run("read -p 'Do it? ' said; echo got $said", 20, answer="y").output


def test_what_asks_nothing_is_not_answered(shell: Shell) -> None:
    assert shell.run("echo nothing to ask; sleep 2", 20, answer="exit 3").status == 0
    assert shell.run("echo on", 10).output.strip() == "on"


def test_what_does_not_end_gets_ctrl_c_and_the_shell_goes_on(shell: Shell) -> None:
    ran = shell.run(
        "echo up; exec 5<&0; (trap 'echo bye; exit 7' INT; while :; do sleep .1; done)", 30, endless=True
    )
    assert (ran.status, "bye" in ran.output) == (7, True)
    assert shell.run("echo on", 10).output.strip() == "on"


def test_what_does_not_end_in_its_time_is_told_with_what_it_said(shell: Shell) -> None:
    with pytest.raises(StuckError, match=r"no end after 1 s; it had said:\s*wait"):
        shell.run("echo wait; sleep 60", 1)


def test_a_shell_that_is_left_says_so(shell: Shell) -> None:
    with pytest.raises(StuckError, match="has ended"):
        shell.run("exit 3", 10)

"""`nexus run`: what it takes, what it refuses, and that it becomes the command."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

import nexus.agentmem
from nexus.agentmem.registration import agents_folder
from nexus.cli.entry import main

NEXUS = [sys.executable, "-c", "from nexus.cli.entry import main; main()", "run"]


def nexus_run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*NEXUS, *words], capture_output=True, text=True, check=False)


def test_the_command_keeps_its_arguments_input_and_status(home):
    done = subprocess.run(
        [*NEXUS, "--", "sh", "-c", 'cat; echo "$@"; exit 7', "sh", "--name", "-- x"],
        input="in\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (7, "in\n--name -- x\n", "")


def test_two_dashes_are_not_needed_before_a_command(home):
    assert nexus_run("--name=x", "echo", "--idle").stdout == "--idle\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no command"),
        (("--",), "no command"),
        (("--importance", "101", "true"), "'101' is no number from 0 to 100"),
        (("--importance", "many", "true"), "'many' is no number"),
        (("--idle", "-1", "true"), "'-1' is no number"),
        (("--idle", "nan", "true"), "'nan' is no number"),
        (("--idle",), "wants a value"),
        (("--mrege", "true"), "no option --mrege"),
        (("--merge=yes", "true"), "no option --merge"),
        (("--name", "12", "true"), "cannot be an agent's name"),
        (("--name", "a\x1b[2J", "true"), "cannot be an agent's name"),
        (("--name", "n" * 65, "true"), "cannot be an agent's name"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(home, words, said):
    done = nexus_run(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("nexus: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("command", "status"), [("no-such-program", 127), ("/etc", 126)])
def test_a_command_that_cannot_be_started_leaves_nothing(home, command, status):
    done = nexus_run("--", command)
    assert (done.returncode, command in done.stderr) == (status, True)
    assert list(agents_folder(home).iterdir()) == []


def test_a_home_that_is_not_there_is_made_for_the_owner_only(tmp_path, monkeypatch):
    monkeypatch.setenv("NEXUS_HOME", str(tmp_path / "deep" / "home"))
    assert nexus_run("true").returncode == 0
    for folder in ("", "run", "run/agents"):
        assert stat.S_IMODE((tmp_path / "deep" / "home" / folder).stat().st_mode) == 0o700


def test_merging_is_inherited_by_the_command(home):
    done = nexus_run("--merge", "--", sys.executable, "-c", _MERGES)
    if "does not merge" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.stdout == "1\n"
    if Path("/sys/kernel/mm/ksm/run").read_text() == "0\n":
        assert "nexus tune" in done.stderr


_MERGES = "import ctypes; print(ctypes.CDLL(None).prctl(68, 0, 0, 0, 0))"


def test_it_loads_next_to_nothing(home):
    report = "import sys; sys.argv = ['nexus', 'run', '--', sys.executable, '-c', '']; "
    code = report + "import os; os.execvp = lambda *_: print(*sys.modules); "
    done = subprocess.run(
        [sys.executable, "-c", code + "from nexus.cli.entry import main; main()"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert "nexus.cli.run" in loaded
    heavy = {"typer", "click", "rich", "pydantic", "ctypes", "subprocess", "asyncio", "socket"}
    assert loaded & {*heavy, "nexus.agentmem.store", "nexus.agentmem.broker", "nexus._agentmem"} == set()


def test_all_that_the_package_offers_is_there_when_asked_for():
    for name in nexus.agentmem.__all__:
        assert getattr(nexus.agentmem, name).__name__ == name
    with pytest.raises(AttributeError, match="absent"):
        _ = nexus.agentmem.absent


def test_its_help_is_the_command_lines_own(home, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["nexus", "run", "--help"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert "--importance" in capsys.readouterr().out

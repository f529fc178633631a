"""`nexus agents demo` as a newcomer runs it: what it prints, its status, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.agentmem.broker import find_broker
from nexus.agentmem.demo.performance import Kind, Moment, Outcome
from nexus.agentmem.process_tree import processes, tree
from nexus.cli.demo import show
from tests.agentmem_store import short_folder, skip_where_it_is_not_built, wait_until

COMMAND = [sys.executable, "-m", "nexus", "agents", "demo", "--agents", "4"]


@pytest.fixture
def folder() -> Iterator[Path]:
    skip_where_it_is_not_built()
    with short_folder() as made:
        yield made


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *options],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A suite that runs in the background of a script ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def started_processes(child: subprocess.Popen[str]) -> set[tuple[int, int]]:
    return {(process.pid, process.start) for process in tree(child.pid, processes())}


def test_it_compares_everything_and_leaves_nothing(folder: Path) -> None:
    child = start(folder, "--json")
    out, errors = child.communicate(timeout=240)
    assert child.returncode == 0, errors
    assert errors == ""
    found = json.loads(out)
    assert (found["agents"], found["different"], found["wrong"]) == (4, 0, [])
    assert found["compared"]["bytes"] > found["logical_bytes"]
    assert list(found["moments"]) == ["working", "paused", "resumed"]
    assert found["moments"]["paused"]["stored_bytes"] < found["moments"]["working"]["stored_bytes"]
    assert all(moment["broker_pss_bytes"] > 0 for moment in found["moments"].values())
    assert set(found["types"]) == {"conversation", "system_prompt", "tool_def", "tool_result"}
    assert sum(of["logical_bytes"] for of in found["types"].values()) == found["logical_bytes"]
    assert found["players"].get("Node", 0) > 0 or found["without_node"]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
@pytest.mark.parametrize("until", ["4 agents work", "all pause"])
def test_however_it_ends_no_process_and_no_folder_is_left(
    folder: Path, number: signal.Signals, until: str
) -> None:
    child = start(folder)
    assert child.stderr
    for line in child.stderr:
        if line.startswith(until):
            break
    everybody = started_processes(child)
    assert len(everybody) >= 5  # itself, the keeper, the broker, players
    child.send_signal(number)
    child.communicate()
    assert child.returncode == (130 if number == signal.SIGINT else -number)

    def gone() -> bool:
        now = {(process.pid, process.start) for process in processes().values()}
        return not now & everybody and list(folder.iterdir()) == []

    wait_until(gone, f"left behind: {everybody}, {list(folder.iterdir())}")


def test_the_status_is_1_when_bytes_differ(folder: Path) -> None:
    child = start(folder)
    assert child.stderr
    next(line for line in child.stderr if line.startswith("reading every byte back"))
    (texts,) = folder.glob("*/texts")
    with texts.open("r+b") as file:  # what the store is compared with
        was = file.read(10_000)
        file.seek(0)
        file.write(bytes(byte ^ 1 for byte in was))
    out, errors = child.communicate(timeout=240)
    assert child.returncode == 1, errors
    assert "DIFFER" in out
    assert list(folder.iterdir()) == []


def test_what_is_kept_runs_until_it_is_interrupted(folder: Path) -> None:
    child = start(folder, "--keep")
    assert child.stderr
    said = next(line for line in child.stderr if "runs until Ctrl-C" in line)
    socket = Path(said.rsplit(" ", 1)[1].strip())
    looked = subprocess.run(
        [str(find_broker()), "--stats", str(socket)], capture_output=True, text=True, check=True
    )
    assert "developer-000" in looked.stdout
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=240)
    assert child.returncode == 0
    assert "all equal" in out
    assert list(folder.iterdir()) == []


def test_what_differs_is_shown_and_data_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tiers = {name: {"stored_bytes": 1000, "units": 1} for name in ("hot", "warm", "cold")}
    moments = [Moment(name, tiers, {}, 5, 6) for name in ("working", "paused", "resumed")]
    outcome = Outcome(4, "made texts", {"Python": 2}, "node is not installed", 1.0)
    outcome.kinds = [Kind("conversation", 9, 9000, 0, 2000, 1000)]
    outcome.moments, outcome.different = moments, 1
    outcome.wrong = ["developer-000: unit \x1b[2J of 5 bytes has others"]
    show(outcome)
    out = capsys.readouterr().out
    assert "1 DIFFER" in out
    assert "\\x1b[2J of 5 bytes" in out
    assert "Without Node: node is not installed." in out
    done = subprocess.run([*COMMAND, "--data", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no transcripts below" in done.stderr

"""KSM in this machine's own kernel: what agents mark is merged, nothing else; off when it does not pay.

Everything is set by `nexus tune` and put back as it was, also after a kill -9. Needs root.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus.agentmem.ksm import FOLDER, PAGE, Ksm, marked_in
from nexus.agentmem.ksm_governor import KsmGovernor
from nexus.agentmem.ksm_trial import touched
from nexus.agentmem.machine import Machine
from nexus.core.settings import AgentsSettings
from tests.system.test_pause import NEXUS, RECORD, nexus, until

KSM = Path(FOLDER)
AGENT = Path(__file__).parent / "data" / "agent_that_marks.py"
MIB = 2**20
SIZE = 24  # MiB that each agent marks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: KSM is the whole machine's"),
    pytest.mark.skipif(not (KSM / "run").exists(), reason="this kernel has no KSM"),
    pytest.mark.skipif(RECORD.exists(), reason=f"{RECORD} exists: `nexus tune` is in use on this machine"),
]


def value(name: str) -> str:
    return (KSM / name).read_text().strip()


def values() -> dict[str, str]:
    machine = Machine()
    return {name: machine.read(name) for name in [*touched(machine), f"{FOLDER}/max_page_sharing"]}


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """KSM off before, and every value exactly as before afterwards."""
    if value("run") == "1" or value("pages_sharing") != "0":
        pytest.skip("somebody uses KSM on this machine")
    before, owner = values(), (KSM / "run").stat().st_uid
    try:
        yield
    finally:
        nexus("tune", "--revert")
    assert values() == before
    assert (KSM / "run").stat().st_uid == owner
    assert not RECORD.exists()
    assert not Path("/run/nexusos/ksm.json").exists()


@pytest.fixture
def agents() -> Iterator[list[subprocess.Popen[str]]]:
    """Two, which hold the same text."""
    words = [sys.executable, str(AGENT), str(SIZE)]
    pipe = subprocess.PIPE
    running = [subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    try:
        for process in running:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


@pytest.fixture
def tend() -> Iterator[Callable[..., None]]:
    """`nexus agents tend`, with a window and a threshold; one at a time."""
    running: list[subprocess.Popen[bytes]] = []

    def end() -> None:
        while running:
            process = running.pop()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)

    def start(least: float, minutes: float = 0.05) -> None:
        end()
        # A suite that runs in the background of a script ignores SIGINT, and so would its children.
        running.append(
            subprocess.Popen(
                [*NEXUS, "agents", "tend"],
                env={
                    **os.environ,
                    "NEXUS_AGENTS_MERGE_LEAST_MB": str(least),
                    "NEXUS_AGENTS_MERGE_WINDOW_MINUTES": str(minutes),
                },
                stderr=subprocess.DEVNULL,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        )

    yield start
    end()


def apply(trial: float = 0.4) -> str:
    return nexus("tune", "--apply", "--yes", "--only", "ksm", "--trial", str(trial))


def merged(process: subprocess.Popen[str]) -> int:
    lines = Path(f"/proc/{process.pid}/ksm_stat").read_text().splitlines()
    return int(dict(line.split()[:2] for line in lines)["ksm_merging_pages"]) * PAGE


def answer(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdin
    assert process.stdout
    process.stdin.write(word + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_what_agents_mark_is_merged_and_nothing_else_and_every_byte_stays(agents):
    said = apply()
    assert "<- chosen" in said or "not measured" in said
    until(lambda: all(merged(agent) > 0.9 * SIZE * MIB for agent in agents), "both copies are one")
    for agent in agents:
        # Each holds the text twice; the copy that it has not marked is not among what is merged.
        assert merged(agent) <= SIZE * MIB
        marked, regions = marked_in(Path(f"/proc/{agent.pid}/smaps").read_bytes().splitlines())
        assert (marked, regions) == (SIZE * MIB, 1)
    assert Ksm(Machine()).profit() > 0.8 * SIZE * MIB
    assert f"marked: {SIZE} MB of python" in nexus("tune")
    assert answer(agents[0], "write") == "True"
    assert answer(agents[1], "read") == "True"  # the other's is untouched
    assert answer(agents[0], "read") == "True"


def test_it_goes_off_where_it_does_not_pay_says_why_and_can_be_turned_on_again(agents, tend, home):
    apply(0)
    until(lambda: all(merged(agent) > 0.9 * SIZE * MIB for agent in agents), "both copies are one")
    tend(0.001)
    time.sleep(12)  # three windows in which it pays
    assert value("run") == "1"
    tend(100_000)
    until(lambda: value("run") == "0", "it is off")  # 0 and not 2: what is merged stays
    assert all(merged(agent) > 0.9 * SIZE * MIB for agent in agents)
    said = nexus("tune")
    assert "KSM was turned off at " in said
    assert " s of CPU in " in said
    assert "threshold 100000 MB for each second" in said
    tend(0.001)
    apply(0)
    assert value("run") == "1"
    assert "turned off" not in nexus("tune")
    assert [answer(agent, "read") for agent in agents] == ["True", "True"]


def governed_by(user: int) -> str:
    """What a governor says that has the rights of this user only; it runs until it has something to say."""
    reading, writing = os.pipe()
    child = os.fork()  # not a new program: its user may not be allowed to read our Python
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            governor = KsmGovernor(AgentsSettings(merge_least_mb=100_000, merge_window_minutes=0.05))
            deadline = time.monotonic() + 120
            while not governor.says and time.monotonic() < deadline:
                governor.look()
                time.sleep(0.5)
            os.write(writing, governor.says.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        said = file.read()
    os.waitpid(child, 0)
    return said


def test_the_service_of_who_said_sudo_may_turn_it_off_and_nobody_elses(agents):
    user, stranger = 65534, 65533
    subprocess.run(
        [*NEXUS, "tune", "--apply", "--yes", "--only", "ksm", "--trial", "0"],
        env={**os.environ, "SUDO_UID": str(user)},
        check=True,
    )
    until(lambda: all(merged(agent) > 0.9 * SIZE * MIB for agent in agents), "both copies are one")
    assert "should have been turned off" in governed_by(stranger)
    assert value("run") == "1"
    said = governed_by(user)
    assert "KSM was turned off at " in said
    assert value("run") == "0"
    assert said in nexus("tune")


def test_killed_in_the_middle_of_a_trial_it_is_put_back_all_the_same():
    process = subprocess.Popen(
        [*NEXUS, "tune", "--apply", "--yes", "--only", "ksm", "--trial", "20"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: value("run") == "1", "the trial has begun")
    finally:
        process.kill()
        process.wait()
    assert RECORD.exists()
    nexus("tune", "--revert")  # the fixture compares


def test_compressors_are_measured_in_the_kernel(tmp_path):
    zswap = Path("/sys/module/zswap/parameters")
    if not zswap.is_dir():
        pytest.skip("this kernel has no zswap")
    if len(Path("/proc/swaps").read_text().splitlines()) > 1:
        pytest.skip("this machine swaps already")
    before = {path.name: path.read_text() for path in zswap.iterdir()}
    words = ("--only", "swap,zswap", "--swap-size", "256", "--swap-folder", str(tmp_path / "swap"))
    try:
        said = nexus("tune", "--apply", "--yes", *words)
        if "cannot be turned" in said:
            pytest.skip(said)
        assert "times smaller" in said
        chosen = next(line for line in said.splitlines() if "<- chosen" in line)
        assert chosen.split()[1].rstrip(":") == (zswap / "compressor").read_text().strip()
        assert 1.2 < float(chosen.split()[2]) < 20
    finally:
        nexus("tune", "--revert")
    assert {path.name: path.read_text() for path in zswap.iterdir()} == before

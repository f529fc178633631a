"""Agents that know nothing of us leave RAM while nobody uses them, and wake with all they had.

Real Node processes on real pseudo-terminals, a real swap file and zswap, which `nexus tune` sets up and takes
away again. Needs root.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nexus.agentmem.pageout import meminfo
from nexus.agentmem.process_tree import process_of, processes, tree
from tests.running import Service

NEXUS = [sys.executable, "-m", "nexus"]
SCRIPT = Path(__file__).parent / "data" / "agent_with_a_heap.js"
RECORD = Path("/var/lib/nexusos/tune.json")
ZSWAP = Path("/sys/module/zswap/parameters")
MIB = 2**20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a swap file and zswap are set up"),
    pytest.mark.skipif(not shutil.which("node"), reason="node is not installed: apt-get install nodejs"),
    pytest.mark.skipif(RECORD.exists(), reason=f"{RECORD} exists: `nexus tune` is in use on this machine"),
]


def until(true: Callable[[], object], what: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.2)


def nexus(*words: str, status: int = 0) -> str:
    done = subprocess.run([*NEXUS, *words], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr + done.stdout
    return done.stdout + done.stderr


def knobs() -> dict[str, str]:
    values = {path.name: path.read_text() for path in ZSWAP.iterdir()}
    return values | {"swaps": "".join(re.findall(r"^\S+", Path("/proc/swaps").read_text(), re.MULTILINE))}


@pytest.fixture(scope="module", autouse=True)
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A swap file and zswap, by the command; all as it was afterwards."""
    if not ZSWAP.is_dir():
        pytest.skip("this kernel has no zswap")
    before, folder = knobs(), tmp_path_factory.mktemp("swap")
    words = ("--only", "swap,zswap", "--swap-size", "1536", "--swap-folder", str(folder))
    said = nexus("tune", "--apply", "--yes", *words)
    if "cannot be turned" in said:
        nexus("tune", "--revert")
        pytest.skip(said)
    try:
        yield
    finally:
        nexus("tune", "--revert")
        assert knobs() == before
        assert not list(folder.iterdir())


class Agent:
    """A Node process behind `nexus run`, on a terminal of its own."""

    def __init__(self, heap_mb: int, *options: str, child: bool = False) -> None:
        command = [*NEXUS, "run", *options, "--", "node", str(SCRIPT), str(heap_mb), *["child"][: int(child)]]
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        assert "ready" in self.heard()

    def press(self, key: str) -> str:
        os.write(self._terminal, key.encode())
        return self.heard()

    def heard(self, seconds: float = 180) -> str:
        text, deadline = b"", time.monotonic() + seconds
        while b"\n" not in text:
            left = deadline - time.monotonic()
            assert left > 0, f"nothing but {text!r}"
            if select.select([self._terminal], [], [], left)[0]:
                text += os.read(self._terminal, 4096)
        return text.decode()

    def end(self) -> None:
        with suppress(ProcessLookupError):
            for process in reversed(tree(self.pid, processes())):
                os.kill(process.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        os.close(self._terminal)


@pytest.fixture
def start() -> Iterator[Callable[..., Agent]]:
    agents: list[Agent] = []

    def run(*words: Any, **more: Any) -> Agent:
        agents.append(Agent(*words, **more))
        return agents[-1]

    yield run
    for agent in agents:
        agent.end()


@pytest.fixture
def watcher(home: object) -> Iterator[subprocess.Popen[bytes]]:
    """`nexus agents tend`: what the service does, alone."""
    process = subprocess.Popen(
        [*NEXUS, "agents", "tend"],
        stderr=subprocess.PIPE,
        # A suite that runs in the background of a script ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    yield process
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


def shown() -> dict[str, dict[str, Any]]:
    return {agent["name"]: agent for agent in json.loads(nexus("agents", "--json"))["agents"]}


def paused(*names: str) -> bool:
    agents = shown()
    return all(agents[name]["state"] == "paused" for name in names)


def own(agents: dict[str, dict[str, Any]], *names: str) -> int:
    """What is theirs alone, in bytes; the program's own file in the page cache is everybody's."""
    return sum(agents[name]["private_bytes"] for name in names)


def test_two_idle_agents_are_paused_by_the_service_and_a_key_wakes_each(home, models_folder, start):
    service = Service(home.root, models_folder)
    service.start()
    try:
        ada = start(250, "--name", "ada", "--idle", "0.05")
        bob = start(250, "--name", "bob", "--idle", "0.05", "--importance", "9")
        answers = ada.press("a"), bob.press("b")
        before = shown()
        assert own(before, "ada", "bob") > 500 * MIB
        until(lambda: paused("ada", "bob"), "both are paused")
        after = shown()
        # 5 % is the promise; what is left is a few pages that the kernel was just moving.
        assert own(after, "ada", "bob") <= 0.05 * own(before, "ada", "bob")
        pss = [sum(agents[name]["pss_bytes"] for name in ("ada", "bob")) for agents in (before, after)]
        assert pss[1] <= 0.1 * pss[0]
        assert sum(after[name]["swapped_bytes"] for name in ("ada", "bob")) > 500 * MIB
        for agent in after.values():
            assert 0 < agent["compressed_estimate_bytes"] < agent["swapped_bytes"]
        with service.client() as http:
            wanted = {"running": 2, "paused": 2, "problem": "", "merging": ""}
            until(lambda: http.get("/api/status").json()["agents"] == wanted, "the status says it")
        table = nexus("agents")
        assert re.search(r"ada +\d+ +paused ", table)
        assert "2 in all" in table
        assert (ada.press("a"), bob.press("b")) == answers
        assert "broken" not in "".join(answers)
        until(lambda: paused("ada", "bob"), "they are paused again")
        assert ada.press("a") == answers[0]
        nexus("agents", "kill", "ada", "bob")
        assert shown() == {}
    finally:
        service.stop()


def test_a_frozen_agent_wakes_by_a_key_and_when_its_watcher_is_killed(watcher, start):
    agent = start(60, "--name", "ice", "--idle", "0.05", "--freeze")
    answer = agent.press("k")
    until(lambda: shown()["ice"]["frozen"], "it is frozen")
    assert agent.press("k") == answer
    until(lambda: shown()["ice"]["frozen"], "it is frozen again")
    watcher.kill()
    assert agent.press("k") == answer


def test_without_a_service_the_command_pauses_resumes_and_sets(home, start):
    agent = start(60, "--name", "one", "--never-pause", child=True)
    answer = agent.press("x")
    before = shown()["one"]
    assert before["processes"] == 2
    said = nexus("agents", "pause", "one")
    assert "paused one" in said
    after = shown()["one"]
    assert after["state"] == "paused"
    assert after["private_bytes"] <= 0.05 * before["private_bytes"]
    in_cache = meminfo()["SwapCached"]
    nexus("agents", "resume", str(agent.pid))
    # Back in RAM, and given to the process when it touches them.
    until(lambda: meminfo()["SwapCached"] - in_cache > 0.3 * before["private_bytes"], "its pages are back")
    assert shown()["one"]["state"] != "paused"
    assert agent.press("x") == answer
    assert "importance 5, paused after 3 idle minutes" in nexus(
        "agents", "set", "one", "--importance", "5", "--idle", "3"
    )
    assert (shown()["one"]["importance"], shown()["one"]["idle_minutes"]) == (5, 3.0)


def test_the_whole_tree_is_ended_one_that_does_not_listen_too(home, start):
    agent = start(30, "--name", "tree", child=True)
    members = tree(agent.pid, processes())
    assert len(members) == 2
    stubborn = subprocess.Popen(
        [*NEXUS, "run", "--name", "deaf", "--", "sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done"],
        stdout=subprocess.PIPE,
    )
    assert stubborn.stdout
    stubborn.stdout.readline()
    try:
        nexus("agents", "kill", "tree", "deaf", "--grace", "0.5")
        assert stubborn.wait(30) == -signal.SIGKILL
        for member in members:
            assert process_of(member.pid) is None
        assert "no agent 'tree'" in nexus("agents", "kill", "tree", status=5)
    finally:
        stubborn.kill()
        stubborn.communicate()


def test_an_agent_that_dies_while_it_is_paused_is_no_error(home, start):
    agent = start(200, "--name", "brief")
    pausing = subprocess.Popen(
        [*NEXUS, "agents", "pause", "brief", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: shown().get("brief", {}).get("swapped_bytes", 0) > MIB, "it is being paged out")
    os.kill(agent.pid, signal.SIGKILL)
    os.waitpid(agent.pid, 0)
    out, error = pausing.communicate(timeout=120)
    if pausing.returncode:
        assert (pausing.returncode, "has ended" in error) == (5, True)
    else:
        assert json.loads(out)[0]["name"] == "brief"
    assert shown() == {}


def test_what_is_used_meanwhile_is_not_paused(watcher, start):
    agent = start(30, "--name", "busy", "--idle", "0.25")
    until_then, looks = time.monotonic() + 30, 0
    while time.monotonic() < until_then:
        agent.press("y")
        pressed, state = time.monotonic(), shown()["busy"]["state"]
        # On a machine that stands still for so long it may be paused.
        if time.monotonic() - pressed < 10:
            looks += 1
            assert state != "paused"
    assert looks
    until(lambda: paused("busy"), "it is paused when left alone")

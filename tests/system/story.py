"""The house of `test_story.py`: one running service, the commands of its user, and what lives beside it.

Everything is done by the commands of the guides; what the dashboard shows is read where its page reads it.
Invariant: what was started here ends with it, also after a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from nexus.agentmem.pageout import swap_bytes
from nexus.memexfs.launch import serving
from tests import warm_nexus
from tests.memex_mounts import take_away
from tests.running import Service
from tests.system.test_pause import RECORD

_T = TypeVar("_T")
# A busy machine is slow; nothing here is about speed.
PATIENCE = 900.0
# An agent as far as memory goes: something of its own, and an answer to every line that proves it whole.
AGENT = """
import hashlib, sys
own = bytearray().join(hashlib.sha256(b"%d" % n).digest() for n in range(1 << 20))
right = hashlib.sha256(own).hexdigest()
print("ready", right, flush=True)
for line in sys.stdin:
    print(line.strip(), hashlib.sha256(own).hexdigest(), flush=True)
"""
OWN_BYTES = 32 << 20


def until(condition: Callable[[], _T | None], what: str, seconds: float = PATIENCE) -> _T:
    """What `condition` gives as soon as that is something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.2)
    return found


class House:
    """A service with a home of its own, its documents, its mount and an agent that `nexus run` started."""

    def __init__(self, root: Path, models: Path) -> None:
        self.root = root
        self.documents = root / "documents"
        self.mount = root / "memex"
        self.service = Service(
            root / "home",
            models,
            NEXUS_ENGINE_KIND="local",
            NEXUS_ENGINE_CONTEXT="16384",
            # Less than the long conversation has, so that its pages come from the disk.
            NEXUS_ENGINE_RAM_MIB="80",
            XDG_RUNTIME_DIR=str(root / "run"),
        )
        (root / "run").mkdir(mode=0o700)
        self.service.run = warm_nexus.run
        self.agent: subprocess.Popen[str] | None = None
        self.sandboxes = self.mounted = False  # what this machine can do, once it was seen to
        self._swap: Path | None = None

    def start(self) -> None:
        """`nexus up`, and wait until it is ready."""
        self.service.start(PATIENCE)

    def nexus(self, *words: str, status: int = 0, **more: Any) -> str:
        """What a command says."""
        done = self.service.cli(*words, **more)
        assert done.returncode == status, f"nexus {words}: {done.stdout}\n{done.stderr}\n{self.service.log()}"
        return done.stdout + done.stderr

    def told(self, *words: str) -> Any:
        """What a command says with `--json`."""
        done = self.service.cli(*words, "--json")
        assert done.returncode == 0, f"nexus {words}: {done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """What the dashboard's page reads."""
        with self.service.client() as http:
            return http.request(method, path, json=body).raise_for_status().json()

    def recalled(self, question: str, *kinds: str) -> str:
        """What a search finds, as the page shows it."""
        body = {"query": question, "kinds": list(kinds)} if kinds else {"query": question}
        return json.dumps(self.api("POST", "/api/recall", body)["results"])

    def shown_as_files(self, question: str) -> list[Path]:
        """What the folder of a question lists."""
        return sorted((self.mount / "search" / question).iterdir())

    def start_agent(self, name: str) -> str:
        """`nexus run -- PROGRAM`; gives what it says of its memory."""
        command = [sys.executable, "-m", "nexus", "run", "--name", name, "--"]
        self.agent = subprocess.Popen(
            [*command, sys.executable, "-I", "-S", "-c", AGENT],
            env=self.service.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.agent.stdout
        word, _, digest = self.agent.stdout.readline().strip().partition(" ")
        assert word == "ready"
        return digest

    def ask_agent(self, word: str) -> str:
        """What the agent says of its memory when it is spoken to."""
        assert self.agent
        assert self.agent.stdin
        assert self.agent.stdout
        self.agent.stdin.write(word + "\n")
        self.agent.stdin.flush()
        said, _, digest = self.agent.stdout.readline().strip().rpartition(" ")
        assert said == word
        return digest

    def make_swap(self) -> str:
        """Somewhere for paused memory to go, by `nexus tune`; "" or why there can be none."""
        if os.geteuid() != 0:
            return "only root may page out others' memory without more rights (sudo nexus tune --apply)"
        if swap_bytes()[1] > 2 * OWN_BYTES:
            return ""
        if RECORD.exists():
            return f"there is no free swap, and {RECORD} exists: `nexus tune` is in use on this machine"
        self._swap = self.root / "swap"
        self._swap.mkdir()
        words = ("--only", "swap", "--swap-size", "256", "--swap-folder", str(self._swap), "--trial", "0")
        said = self.nexus("tune", "--apply", "--yes", *words)
        return "" if swap_bytes()[1] > 2 * OWN_BYTES else said

    def end(self) -> None:
        """Everything that was started, whatever has happened; the last that was begun is the first to go."""
        found = serving(self.service.root)
        with ExitStack() as ends:
            ends.callback(shutil.rmtree, self.root / "run", ignore_errors=True)
            for pid in (found.worker, found.pid) if found else ():
                ends.callback(_killed, pid)
            if self.service.process:
                ends.callback(self.service.stop)
            ends.callback(take_away, self.mount)
            if self._swap:
                ends.callback(self.nexus, "tune", "--revert")
            if self.agent:
                ends.callback(self.agent.communicate, timeout=60)
                ends.callback(self.agent.kill)


def _killed(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)

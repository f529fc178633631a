"""What the processes of a home take, every few seconds: memory, open files, threads; and its disk.

Finds them by their NEXUS_HOME and by their parents, so it sees those that outlive the service. Linux only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

# By what stands in the command line, the first that fits.
KINDS = {
    "nexus.engine.worker": "model",
    "nexus.training.learner_process": "learner",
    "nexus.cortex.grammar_process": "grammars",
    "nexus-agentmemd": "broker",
    "nexus.memexfs.supervisor": "mount supervisor",
    "nexus.memexfs.worker": "mount",
    "nexus-tender": "sandbox",
    "extract_process": "reader",
    " up": "service",
}
_MB = 1e6


class Sample(NamedTuple):
    """One process at one moment (monotonic): PSS and that part of it which is in no file, in MB."""

    at: float
    kind: str
    life: tuple[int, float]
    pss: float
    anonymous: float
    files: int
    threads: int


class Sampler:
    """A thread of its own. `home` is the folder that is looked at."""

    def __init__(self, home: Path, seconds: float, disk: Callable[[], int]) -> None:
        self.samples: list[Sample] = []
        self.disk: list[tuple[float, float]] = []
        self._home, self._seconds, self._disk_bytes = home, seconds, disk
        self._known: dict[tuple[int, float], str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Those that live now, by kind; the first of a kind is the oldest."""
        found: dict[str, list[psutil.Process]] = {}
        ours: set[int] = set()
        for process in sorted(psutil.process_iter(), key=lambda one: one.pid):
            with suppress(psutil.Error, OSError):
                # A sandbox has no environment: it is told by its parent.
                kind = self._kind(process, process.ppid() in ours)
                if kind:
                    ours.add(process.pid)
                    found.setdefault(kind, []).append(process)
        return found

    def _kind(self, process: psutil.Process, child: bool) -> str:
        life = (process.pid, process.create_time())
        if life not in self._known:
            ours = child or process.environ().get("NEXUS_HOME") == str(self._home)
            kind = _kind(" ".join(process.cmdline())) if ours else ""
            if time.time() - life[1] < 2 * self._seconds:
                return kind  # between fork and exec it is still what its parent is: look again
            self._known[life] = kind
        return self._known[life]

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            at = time.monotonic()
            for kind, group in self.processes().items():
                for process in group:
                    with suppress(psutil.Error, OSError):
                        self.samples.append(_sample(at, kind, process))
            with suppress(OSError):
                self.disk.append((at, self._disk_bytes() / _MB))


def _kind(command: str) -> str:
    return next((kind for word, kind in KINDS.items() if word in command), "other")


def _sample(at: float, kind: str, process: psutil.Process) -> Sample:
    fields = dict(_rollup(process.pid))
    return Sample(
        at,
        kind,
        (process.pid, process.create_time()),
        fields["Pss"] / _MB,
        fields.get("Pss_Anon", 0) / _MB,
        sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir()),
        process.num_threads(),
    )


def _rollup(pid: int) -> Iterator[tuple[str, int]]:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        yield name, int(rest.split()[0]) * 1024

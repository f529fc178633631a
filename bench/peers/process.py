"""A peer that runs: started in its environment, called by JSON lines, ended with the block."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60 * 60.0  # seconds that a call may take
# A peer is not to call home, and to find no settings of the user.
QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "BASIC_MEMORY_NO_PROMOS": "1",
    "HF_HUB_OFFLINE": "1",
    "MEM0_TELEMETRY": "False",
    "ORT_DISABLE_TELEMETRY": "1",
    "PYTHONDONTWRITEBYTECODE": "",
    "TOKENIZERS_PARALLELISM": "false",
}


class PeerError(Exception):
    """Why a peer could not do what it was asked to."""


class Told(NamedTuple):
    """What a call gave, and the seconds it took."""

    gave: Any
    wall: float
    cpu: float


class Running:
    """One process."""

    def __init__(self, name: str, child: subprocess.Popen[str], log: Path, patience: float) -> None:
        self.name, self._child, self._log, self._patience = name, child, log, patience

    def call(self, what: str, **arguments: Any) -> Told:
        """Do it. Raises `PeerError` with the peer's own words."""
        assert self._child.stdin
        assert self._child.stdout
        try:
            self._child.stdin.write(json.dumps({"call": what, "with": arguments}) + "\n")
            self._child.stdin.flush()
            # An answer is one line, so nothing of it waits in our buffer.
            if not select.select([self._child.stdout], [], [], self._patience)[0]:
                raise PeerError(f"{self.name} did not end {what!r} in {self._patience / 60:.0f} minutes")
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise PeerError(f"{self.name} ended during {what!r}: {self._last_words()}")
        told = json.loads(line)
        if "error" in told:
            raise PeerError(f"{self.name} refused {what!r}: {told['error']}")
        return Told(told["gave"], told["wall"], told["cpu"])

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


@contextmanager
def running(
    name: str, python: Path, module: str, models: Path, embedder: str = "", patience: float = PATIENCE
) -> Iterator[Running]:
    """`module` in `python`, with a home and a working folder that go with the block."""
    with tempfile.TemporaryDirectory(prefix=f"peer-{name}-") as folder:
        home, work, log = Path(folder) / "home", Path(folder) / "work", Path(folder) / "stderr"
        home.mkdir()
        work.mkdir()
        path = os.pathsep.join([str(ROOT / "bench"), str(ROOT / "src")])
        env = {**os.environ, **QUIET, "HOME": str(home), "PYTHONPATH": path, "PEERS_EMBEDDER": embedder}
        with log.open("w") as stderr:
            child = subprocess.Popen(
                [python.absolute(), "-m", module, models.resolve(), work],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=env,
                cwd=work,
            )
        try:
            yield Running(name, child, log, patience)
        finally:
            child.terminate()
            child.communicate()

"""Launcher: starts a broker for a folder, waits until it answers, ends it.

For tests, demos, and the service. Does not know what a broker does. Invariant: it ends only the process that
it started.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from nexus.agentmem.native import MEND
from nexus.agentmem.socket_path import LONGEST, NAME
from nexus.core.errors import ConfigError, MissingPartError, StorageError

PROGRAM = "nexus-agentmemd"


def find_broker() -> Path:
    """The broker's program, or `MissingPartError`.

    NEXUS_AGENTMEMD where set, else beside this Python, else on the PATH.
    """
    named = os.environ.get("NEXUS_AGENTMEMD", "")
    beside = Path(sys.executable).parent / PROGRAM
    found = named or (str(beside) if beside.is_file() else shutil.which(PROGRAM))
    if not found or not Path(found).is_file():
        raise MissingPartError(f"{named or PROGRAM} is missing: no broker can be started", hint=MEND)
    return Path(found)


class Launcher:
    """One broker process for one folder. A context manager.

    `options` are the broker's own (`nexus-agentmemd --help`), such as ["--hot", "64M", "--cold", "0"].
    """

    def __init__(self, folder: Path, *, socket: Path | None = None, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self.socket = socket if socket is not None else folder / NAME
        self.options = list(options)
        self.log = folder / "agentmemd.log"
        self._process: subprocess.Popen[bytes] | None = None
        if len(os.fsencode(self.socket)) > LONGEST:
            raise ConfigError(
                f"the socket's path is longer than {LONGEST} bytes: {self.socket}",
                hint="give a shorter folder or a socket elsewhere",
            )

    @property
    def pid(self) -> int | None:
        """Of the process that was started; the broker itself may be a child of it. None when none runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, timeout: float = 60.0) -> None:
        """Start it and return when it answers.

        Raises `MissingPartError`, or `StorageError` with its last words.
        """
        if self.pid is not None:
            return
        program = find_broker()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [str(program), "--foreground", "--socket", str(self.socket), "--folder", str(self.folder)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait(timeout)

    def wait(self, timeout: float = 60.0) -> None:
        """Until a connection is taken. Raises `StorageError` when the process ends or the time is over."""
        until = time.monotonic() + timeout
        while not self.answers():
            status = self._process.poll() if self._process is not None else None
            if status is not None or time.monotonic() > until:
                self.stop()
                what = (
                    f"ended with status {status}"
                    if status is not None
                    else f"did not answer in {timeout:g} s"
                )
                raise StorageError(f"{PROGRAM} {what}", hint=self.last_words() or f"see {self.log}")
            time.sleep(0.01)

    def answers(self) -> bool:
        """Whether somebody takes connections on the socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            try:
                probe.connect(os.fspath(self.socket))
            except OSError:
                return False
            return True

    def last_words(self) -> str:
        """The end of its log."""
        try:
            return self.log.read_text(errors="replace")[-2000:].strip()
        except OSError:
            return ""

    def stop(self, timeout: float = 60.0) -> None:
        """Ask it to end and wait; kill it when it does not. Nothing happens when none runs."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Launcher:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

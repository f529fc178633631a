"""One life of the worker, seen from the parent: from its start to its end, with the reason.

Does not know when to start another. Invariant: when `run` has returned, the process is gone and
has been waited for.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import IO, Any

import psutil

from nexus.core.errors import NexusError, revived
from nexus.engine.worker_settings import WorkerSettings

LOG_LINES = 50
LOG_LINE_CHARS = 500
STOP_SECONDS = 3.0


class WorkerProcess:
    """`ended` is set once the process is gone; `exit_code` is negative for a signal."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.ended = Event()
        self.exit_code: int | None = None
        self.error: str | None = None
        self.error_kind = ""
        self.refusal: NexusError | None = None
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._process: subprocess.Popen[str] | None = None
        self._stop_asked = False

    @property
    def pid(self) -> int | None:
        """The process id while it lives."""
        process = self._process
        return process.pid if process is not None and not self.ended.is_set() else None

    @property
    def rss_bytes(self) -> int | None:
        """Resident memory, the mapped weights included; None when it does not run."""
        pid = self.pid
        if pid is None:
            return None
        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return None

    def run(self, on_ready: Callable[[], None]) -> None:
        """Start the process, call `on_ready` when the model is loaded, return at its end.

        The calling thread must live as long as the process: the kernel kills the child when the
        *thread* that made it ends, not only when its process does.
        """
        try:
            process = subprocess.Popen(
                # -P: the working folder must not be searched for modules.
                [sys.executable, "-P", "-m", "nexus.engine.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                # Ctrl-C in the terminal is for the service, which then stops the worker in order.
                start_new_session=True,
            )
        except OSError as error:
            self.error, self.error_kind = f"cannot start a process: {error.strerror}", "start"
            self.ended.set()
            return
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        log = Thread(target=self._keep_log, args=(process.stderr,), name="engine-log", daemon=True)
        log.start()
        with suppress(OSError, ValueError):  # it died at once (exit_code says why) or was stopped
            process.stdin.write(self.settings.to_json() + "\n")
            process.stdin.flush()
        if self._stop_asked:
            process.kill()
        while line := process.stdout.readline(65536):
            answer = _object(line)
            if "error" in answer:
                self.error, self.error_kind = str(answer["error"]), str(answer.get("kind", ""))
                if self.error_kind == "refused":
                    self.refusal = revived(str(answer.get("code")), self.error, str(answer.get("hint") or ""))
            elif answer.get("ready"):
                on_ready()
        self.exit_code = process.wait()
        # A grandchild could hold stderr open; the last lines are not worth waiting for it.
        log.join(1.0)
        self.ended.set()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                stream.close()

    def stop(self) -> None:
        """Ask the process to end, kill it after `STOP_SECONDS`. `run` then returns."""
        self._stop_asked = True
        process = self._process
        if process is None:
            return
        with suppress(OSError, ValueError):
            if process.stdin:
                process.stdin.close()
        if not self.ended.wait(STOP_SECONDS):
            process.kill()

    def kill(self) -> None:
        """End the process without asking."""
        self._stop_asked = True
        if self._process is not None:
            self._process.kill()

    def ending(self) -> str:
        """Why the process is gone, in words: `signal 9, SIGKILL`."""
        code = self.exit_code
        if code is None:
            return self.error or "not started"
        if code < 0:
            try:
                return f"signal {-code}, {signal.Signals(-code).name}"
            except ValueError:
                return f"signal {-code}"
        return f"exit status {code}" + (f": {self.log[-1]}" if self.log else "")

    def load_error(self) -> str:
        """What the loader found wrong with the model file; empty when that was not the trouble."""
        for line in self.log if self.error_kind == "load" else ():
            _, found, reason = line.partition("error loading model:")
            if found:
                return reason.strip()
        return ""

    def _keep_log(self, stream: IO[str]) -> None:
        while line := stream.readline(65536):
            text = line.strip()
            if text:
                self.log.append(text[:LOG_LINE_CHARS])
        stream.close()


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}

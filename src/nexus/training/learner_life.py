"""One life of the learner's process, seen from the service: from its start to its end, with the reason.

Does not know when to start another. Invariant: when `run` has returned, the process is gone and has been
waited for, and its threads have ended.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any, Final

from nexus.training.learner_settings import LearnerSettings
from nexus.training.messages import Messages

LOG_LINES: Final = 50
LOG_LINE_CHARS: Final = 500


class LearnerLife:
    """`ended` is set once the process says no more; `exit_code` is negative for a signal."""

    def __init__(self, settings: LearnerSettings) -> None:
        self.settings = settings
        self.ended = Event()
        self.exit_code: int | None = None
        self.error = ""
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        self._stop_asked = False

    @property
    def pid(self) -> int | None:
        """The process, while it lives."""
        process = self._process
        return process.pid if process is not None and self.exit_code is None else None

    def run(
        self,
        next_message: Callable[[LearnerLife], dict[str, Any] | None],
        heard: Callable[[LearnerLife, dict[str, Any]], None],
    ) -> None:
        """Start it, send what `next_message` gives, pass on what it says, return at its end.

        The calling thread must live on: the kernel kills the child when the *thread* that made it ends.
        """
        ours, its = socket.socketpair()
        try:
            self._process = process = subprocess.Popen(
                # -P: the working folder must not be searched for modules.
                [sys.executable, "-P", "-m", "nexus.training.learner_process", str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[its.fileno()],
                # It computes in one thread; others would only take memory.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the service, which then ends the learner in order
            )
        except OSError as error:
            self.error = f"cannot start a process: {error.strerror}"
            ours.close()
            self.ended.set()
            return
        finally:
            its.close()
        if self._stop_asked:
            process.kill()
        messages = Messages(ours)
        assert process.stderr is not None
        log = Thread(target=self._keep_log, args=(process.stderr,), name="learner-log", daemon=True)
        sender = Thread(
            target=self._send_on, args=(messages, next_message), name="learner-orders", daemon=True
        )
        log.start()
        sender.start()
        for event in messages.receive():
            heard(self, event)
        self.ended.set()
        heard(self, {})  # whoever waits for a message looks again
        messages.close()
        sender.join()
        self.exit_code = process.wait()
        log.join(1.0)

    def kill(self) -> None:
        """End it without asking."""
        self._stop_asked = True
        if self._process is not None:
            self._process.kill()

    def hurry(self) -> None:
        """Let it end as fast as others work: on a busy machine the last class takes minutes to save.

        Who may not (that takes root, or a limit of nice) waits longer.
        """
        pid = self.pid
        with suppress(OSError, AttributeError):  # it is gone, or another system
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))

    def ending(self) -> str:
        """Why it is gone, in words: `signal 9, SIGKILL`."""
        code = self.exit_code
        if code is None:
            return self.error or "not started"
        if code < 0:
            with suppress(ValueError):
                return f"signal {-code}, {signal.Signals(-code).name}"
            return f"signal {-code}"
        return f"exit status {code}" + (f": {self.log[-1]}" if self.log else "")

    def _send_on(
        self, messages: Messages, next_message: Callable[[LearnerLife], dict[str, Any] | None]
    ) -> None:
        with suppress(OSError):  # it is gone; `run` hears of it too
            messages.send(asdict(self.settings))
            while (message := next_message(self)) is not None:
                if message:
                    messages.send(message)

    def _keep_log(self, stream: IO[bytes]) -> None:
        while line := stream.readline(65536):
            text = line.decode("utf-8", "replace").strip()
            if text:
                self.log.append(text[:LOG_LINE_CHARS])
        stream.close()

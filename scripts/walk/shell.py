"""A shell at a terminal of its own, which keeps its folder and variables from one command to the next.

Knows nothing of pages. Invariant: `run` returns only when the shell waits for its next command, or raises.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The prompt tells the last status between two bytes that no program prints.
_PROMPT = r"\036$?\036"
_DONE = re.compile(rb"\x1e(\d+)\x1e")
_QUIET_SECONDS = 3.0  # so long after its last word a command that does not end is taken to be at work
_SILENT_SECONDS = 15.0  # and so long one that says nothing
_COLUMNS, _ROWS = 200, 50


@dataclass(frozen=True)
class Ran:
    """What a command left: its status, its output, how long it took."""

    status: int
    output: str
    seconds: float


class StuckError(Exception):
    """A command that did not end in its time; the text is what it had printed."""


class Shell:
    """One bash."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._terminal, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        settings = termios.tcgetattr(end)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(end, termios.TCSANOW, settings)
        # What is typed comes from a file, so that it may have any length and any number of lines.
        with tempfile.NamedTemporaryFile("w", prefix="typed-", delete=False) as file:
            self._typed = Path(file.name)
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "--noediting", "-i"],
            stdin=end,
            stdout=end,
            stderr=end,
            env={**environment, "PS1": _PROMPT, "HISTFILE": "/dev/null"},
            cwd=folder,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(end)
        self._heard(5)

    def run(self, command: str, timeout: float, answer: str = "", endless: bool = False) -> Ran:
        """Type it and wait for its end. `endless`: let it work until it is quiet, then Ctrl-C."""
        self._typed.write_text(command + "\n", encoding="utf-8")
        os.write(self._terminal, f" . {self._typed}\n".encode())
        return self._heard(timeout, answer, endless)

    def _heard(self, timeout: float, answer: str = "", endless: bool = False) -> Ran:
        """What is printed up to the next prompt."""
        began = heard = time.monotonic()
        output = b""
        while not (done := _DONE.search(output)):
            now = time.monotonic()
            if now - began > timeout:
                raise StuckError(f"no end after {timeout:.0f} s; it had said:\n{_text(output)}")
            # A question waits at the end of its line; a command that does not ask is not answered.
            if answer and output and not output.endswith(b"\n") and now - heard > 1:
                os.write(self._terminal, answer.encode() + b"\n")
                answer = ""
            if endless and now - heard > (_QUIET_SECONDS if output else _SILENT_SECONDS):
                os.write(self._terminal, b"\x03")
                endless = False
            if select.select([self._terminal], [], [], 0.1)[0]:
                try:
                    more = os.read(self._terminal, 65536)
                except OSError:
                    more = b""
                if not more:
                    raise StuckError(f"the shell has ended; it had said:\n{_text(output)}")
                output += more
                heard = time.monotonic()
        return Ran(int(done[1]), _text(output[: done.start()]), time.monotonic() - began)

    def close(self) -> None:
        """End the shell and what still runs at its terminal."""
        self._typed.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGHUP)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._terminal)


def _take_terminal() -> None:
    # A walk that was started in the background ignores these, and so would all that is typed.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace")

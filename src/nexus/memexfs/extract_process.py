"""The process that reads documents, kept apart because their libraries may crash, hang, eat all memory or do
what a hostile document tells them.

It gets an open descriptor and answers with text; it is confined (`confinement`), slow by `nice`, and serves
all callers, one document after the other. It starts with the first document and ends when nobody has asked
for a minute, with its parent, or when asked. What kills it or outlives its time is unreadable, and the next
document gets a new process. Invariant: no document makes a call raise, and none outlives its time.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from nexus.core.errors import MissingPartError
from nexus.memexfs import texts
from nexus.memexfs.budget import Budget, Read
from nexus.memexfs.documents import read

_LENGTH = struct.Struct("<I")
_REQUEST = 4096


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What one document may cost. After `until_seconds` a reader that can gives what it has."""

    characters: int = 2_000_000
    memory_bytes: int = 1536 * 2**20
    cpu_seconds: int = 30
    until_seconds: float = 20.0
    wall_seconds: float = 120.0
    idle_seconds: float = 60.0
    documents: int = 200
    """So many are read by one process; the next has nothing that the libraries leave behind."""


class ExtractProcess:
    """What documents say, asked of a child process."""

    def __init__(self, limits: ProcessLimits | None = None) -> None:
        self._limits = limits or ProcessLimits()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self.confinement: tuple[str, ...] = ()
        """What holds the last process in: `limits`, `files` (Landlock), `calls` (seccomp)."""

    @property
    def pid(self) -> int | None:
        """The process that is ready now."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def read(self, descriptor: int, reader: str) -> Read:
        """The document in `descriptor`, which has to be open for reading; its position is moved.

        Raises `MissingPartError` when the process does not start, which no document can be blamed for.
        """
        with self._lock:
            for last in (False, True):
                try:
                    return self._ask(descriptor, reader)
                except TimeoutError:
                    self._end()
                    return Read(problem=f"reading took longer than {self._limits.wall_seconds:g} seconds")
                except (OSError, EOFError):
                    status = self._end()
                    # It ended by itself, idle or after its last document, as the request was under way; or
                    # somebody else killed it, for which no document is blamed before the second time.
                    if last or status not in (0, -signal.SIGKILL):
                        return Read(problem=_death(status))
            raise AssertionError("the last turn returns")

    def close(self) -> None:
        """End the process. It starts again when it is needed."""
        with self._lock:
            self._end()

    def _ask(self, descriptor: int, reader: str) -> Read:
        deadline = time.monotonic() + self._limits.wall_seconds
        channel = self._running(deadline)
        os.lseek(descriptor, 0, os.SEEK_SET)
        socket.send_fds(channel, [json.dumps({"reader": reader}).encode()], [descriptor])
        return _answer(_receive(channel, deadline, 6 * self._limits.characters + 2**16))

    def _running(self, deadline: float) -> socket.socket:
        if self._channel is not None and self._child is not None and self._child.poll() is None:
            return self._channel
        self._end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs, _unnamed() as complaint:
            # -P: without it a module of the current folder would be imported first.
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-B", "-m", "nexus.memexfs.extract_process", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaint,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
            theirs.close()
            # So that one which ends by itself does not stay in the list of processes.
            threading.Thread(target=self._child.wait, name="extract-reaper", daemon=True).start()
            self._channel = ours
            try:
                ours.sendall(_framed(json.dumps(asdict(self._limits)).encode()))
                self.confinement = tuple(json.loads(_receive(ours, deadline, _REQUEST)))
            except (OSError, EOFError):
                self._end()
                complaint.seek(0)
                said = complaint.read(20_000).decode("utf-8", "replace").strip().rpartition("\n")[2]
                raise MissingPartError(
                    f"the process that reads documents does not start: {said or 'it says nothing'}",
                    hint="nexus doctor says what is missing",
                ) from None
        return ours

    def _end(self) -> int:
        """How the process ended: its exit status, a signal as a negative number; 0 when there was none."""
        child, self._child = self._child, None
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
        if child is None:
            return 0
        if child.poll() is None:
            # A process that has closed its end is about to end: its status tells more than our signal.
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(0.5)
            child.kill()
        return child.wait()


def _unnamed() -> IO[bytes]:
    """A file for what the process complains of; a confined service may have no folder to put it in."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("complaint", os.MFD_CLOEXEC), "w+b")
    return tempfile.TemporaryFile()


def _death(status: int) -> str:
    if status == -signal.SIGXCPU:
        return "reading took more processor time than is allowed"
    if status < 0:
        return f"it kills its reader ({signal.Signals(-status).name})"
    return f"it ends its reader (status {status})"


def _framed(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


def _answer(data: bytes) -> Read:
    """What the child says, which a document may have taken over: only what has the right form is believed."""
    try:
        found = Read(**json.loads(data))
        strings = (found.text, found.title, found.author, found.language, found.problem)
        sound = all(isinstance(part, str) for part in strings) and isinstance(found.pages, int)
        found.text, found.problem = texts.clean(found.text), texts.line(found.problem, 300)
        found.title, found.author = texts.line(found.title), texts.line(found.author)
        found.language = texts.line(found.language, 35)
    except (ValueError, TypeError, AttributeError):
        sound = False
    return found if sound else Read(problem="its reader answers what makes no sense")


def _receive(channel: socket.socket, deadline: float, most: int) -> bytes:
    size = _LENGTH.unpack(_exactly(channel, _LENGTH.size, deadline))[0]
    if size > most:
        raise EOFError
    return _exactly(channel, size, deadline)


def _exactly(channel: socket.socket, size: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([channel], [], [], left)[0]:
            raise TimeoutError
        part = channel.recv(min(size - len(data), 2**20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


_SHARED = ExtractProcess()
atexit.register(_SHARED.close)


def shared() -> ExtractProcess:
    """The one of this process."""
    return _SHARED


# ---- the child ---------------------------------------------------------------------------------


def serve(channel: socket.socket) -> None:
    """Answer until the other end is closed, nobody asks any more, or enough was read."""
    import gc
    import resource
    import warnings

    from nexus.memexfs.confinement import confine

    start = time.monotonic() + 60
    limits = ProcessLimits(**json.loads(_receive(channel, start, _REQUEST)))
    warnings.simplefilter("ignore")
    os.nice(10)
    parts = confine(limits.memory_bytes, [Path(__file__).parent])
    channel.sendall(_framed(json.dumps(parts).encode()))
    for _ in range(limits.documents):
        if not select.select([channel], [], [], limits.idle_seconds)[0]:
            return
        request, descriptor = _request(channel)
        if descriptor is None:
            return
        # Both end it also where nothing reads the other end any more.
        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used) + limits.cpu_seconds + 1, hard))
        signal.alarm(int(limits.wall_seconds) + 5)
        budget = Budget(limits.characters, time.monotonic() + limits.until_seconds)
        with os.fdopen(descriptor, "rb") as file:
            answer = read(json.loads(request)["reader"], file, budget).as_json().encode()
        signal.alarm(0)
        channel.sendall(_framed(answer))
        del answer
        gc.collect()


def _request(channel: socket.socket) -> tuple[bytes, int | None]:
    """A request with its descriptor; None at the end."""
    space = socket.CMSG_SPACE(array.array("i").itemsize)
    data, extra, _, _ = channel.recvmsg(_REQUEST, space)
    for level, kind, payload in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            return data, struct.unpack("i", payload[:4])[0]
    return data, None


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

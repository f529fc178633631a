"""The process that parses source code, kept apart because grammars may crash, hang or eat all memory.

One process serves all callers, one file after the other; it starts with the first file and ends with its
parent, or when asked. A file that kills it, or takes longer than `PATIENCE` allows, has no definitions:
it is cut by its outline instead, and the next file gets a new process. Invariant: no input makes a call
raise, and none outlives its patience.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time

from nexus.cortex.grammars import GRAMMARS, Definition, Findings

PATIENCE = 3.0
"""Seconds for a file, and as many more for each megabyte of it. Real code takes a fifth of one."""

_MEMORY = 2**30
_HEAD = struct.Struct("<II")
_REPLY = struct.Struct("<I")


class GrammarProcess:
    """What files define, asked of a child process."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def find(self, text: str, suffix: str) -> Findings | None:
        """As `grammars.find`; None for a language without a grammar, and for what kills."""
        if suffix not in GRAMMARS:
            return None
        source = text.encode("utf-8", "replace")
        with self._lock:
            reply = self._ask(suffix.encode(), source)
        if reply is None:
            return None
        found, broken = json.loads(reply)
        return Findings([Definition(a, b, tuple(path), holds) for a, b, path, holds in found], broken)

    def close(self) -> None:
        """End the process. It starts again when it is needed."""
        with self._lock:
            self._end()

    def _ask(self, suffix: bytes, source: bytes) -> bytes | None:
        try:
            child = self._running()
            deadline = time.monotonic() + self._patience * (1 + len(source) / 2**20)
            message = _HEAD.pack(len(suffix), len(source)) + suffix + source
            assert child.stdin is not None  # both are pipes
            assert child.stdout is not None
            os.set_blocking(child.stdin.fileno(), False)
            while message:
                if not _ready(child.stdin.fileno(), deadline, write=True):
                    raise TimeoutError
                message = message[os.write(child.stdin.fileno(), message[: 2**20]) :]
            size = _REPLY.unpack(_read(child.stdout.fileno(), _REPLY.size, deadline))[0]
            return _read(child.stdout.fileno(), size, deadline)
        except (OSError, EOFError):  # TimeoutError is one of the first
            self._end()
            return None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            # -P: without it a module of the folder that is being read would be imported first.
            command = [sys.executable, "-P", "-m", "nexus.cortex.grammar_process"]
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
            )
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def _ready(descriptor: int, deadline: float, *, write: bool) -> bool:
    left = max(0.0, deadline - time.monotonic())
    wanted = [descriptor]
    return bool(select.select([] if write else wanted, wanted if write else [], [], left)[write])


def _read(descriptor: int, size: int, deadline: float) -> bytes:
    parts: list[bytes] = []
    while size:
        if not _ready(descriptor, deadline, write=False):
            raise TimeoutError
        part = os.read(descriptor, min(size, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


_SHARED = GrammarProcess()
atexit.register(_SHARED.close)


def shared() -> GrammarProcess:
    """The one of this process."""
    return _SHARED


# ---- the child ---------------------------------------------------------------------------------


def serve() -> None:
    """Answer until the pipe is closed."""
    import resource
    import signal

    from nexus.cortex import grammars

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while head := _exactly(_HEAD.size):
        suffix, source = _HEAD.unpack(head)
        name = _exactly(suffix).decode()
        # Ends the process in the middle of a file when its parent is gone and cannot.
        signal.alarm(int(4 * PATIENCE * (1 + source / 2**20)))
        try:
            found = grammars.find(_exactly(source), name)
        except MemoryError:
            found = grammars.Findings([], True)
        signal.alarm(0)
        reply = json.dumps(found).encode()
        sys.stdout.buffer.write(_REPLY.pack(len(reply)) + reply)
        sys.stdout.buffer.flush()


def _exactly(size: int) -> bytes:
    """So many bytes of the standard input, or none when its other end is gone."""
    data = sys.stdin.buffer.read(size)
    return data if len(data) == size else b""


if __name__ == "__main__":
    serve()

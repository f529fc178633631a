"""What a frozen agent would wake for: whatever arrives at its terminal, pipes, sockets and timers.

Its own descriptors are duplicated (pidfd_getfd) and waited for with epoll, edge-triggered: nothing is ever
read from them. They are let go of as soon as it wakes or ends, since a peer sees the end of a connection only
when all duplicates are closed. Knows nothing of pausing. Invariant: either everything of an agent that can be
waited for is, or `add` says False and it must not be frozen.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nexus.agentmem.process_tree import Process

# The same number on every architecture, as all that came after Linux 5.1.
_PIDFD_GETFD = 438
_MOST = 1024  # descriptors of one agent
_EVENTS = select.EPOLLIN | select.EPOLLPRI | select.EPOLLRDHUP | select.EPOLLET


class Waking:
    """The descriptors of all frozen agents, by the agent's key. Any thread may use it."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._epoll = select.epoll()
        self._lock = threading.Lock()
        self._held: dict[str, list[int]] = {}
        self._inner: dict[int, tuple[str, select.epoll]] = {}  # one for each agent, by its descriptor

    def add(self, key: str, tree: Sequence[Process]) -> bool:
        """Watch all descriptors of these processes. False, and nothing is watched, where one cannot be."""
        held: list[int] = []
        inner = select.epoll()
        try:
            for process in tree:
                handle = os.pidfd_open(process.pid)
                held.append(handle)  # readable when the process ends
                for number in _descriptors(process.pid):
                    copy = self._copy(handle, number)
                    if copy is not None:
                        held.append(copy)
                if len(held) > _MOST:
                    raise OSError(errno.EMFILE, "too many descriptors")
            for descriptor in held:
                with suppress(PermissionError):  # a plain file: nothing arrives there
                    inner.register(descriptor, _EVENTS)
        except OSError:
            inner.close()
            for descriptor in held:
                os.close(descriptor)
            return False
        # What was there before is no reason to wake: the agent has seen it and left it.
        inner.poll(0, len(held))
        with self._lock:
            self._held[key] = held
            self._inner[inner.fileno()] = key, inner
            self._epoll.register(inner.fileno(), select.EPOLLIN)
        return True

    def remove(self, key: str) -> None:
        """Let go of an agent's descriptors. Harmless where there are none."""
        with self._lock:
            for descriptor in self._held.pop(key, ()):
                os.close(descriptor)
            for number in [number for number, (owner, _) in self._inner.items() if owner == key]:
                self._epoll.unregister(number)
                self._inner.pop(number)[1].close()

    def wait(self, seconds: float) -> set[str]:
        """The agents at which something has arrived, within `seconds`."""
        events = self._epoll.poll(seconds)
        with self._lock:
            return {self._inner[number][0] for number, _ in events if number in self._inner}

    def close(self) -> None:
        """Let go of everything."""
        for key in list(self._held):
            self.remove(key)
        self._epoll.close()

    def _copy(self, handle: int, number: int) -> int | None:
        copy = self._libc.syscall(_PIDFD_GETFD, handle, number, 0)
        if copy < 0:
            if ctypes.get_errno() == errno.EBADF:  # closed meanwhile
                return None
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        os.set_inheritable(copy, False)
        return int(copy)


def signalled(tree: Sequence[Process], proc: Path = Path("/proc")) -> bool:
    """Whether a signal waits for one of these: a frozen process cannot take it (Ctrl-C, a changed window)."""
    for process in tree:
        try:
            text = (proc / str(process.pid) / "status").read_text()
        except OSError:
            return True
        for line in text.splitlines():
            if line.startswith(("SigPnd:", "ShdPnd:")) and int(line.split()[1], 16):
                return True
    return False


def _descriptors(pid: int) -> list[int]:
    """Of what is waited for; other epolls are left out, as what is in them is watched itself."""
    folder = f"/proc/{pid}/fd"
    found = []
    for name in os.listdir(folder):  # noqa: PTH208
        with suppress(OSError):
            target = os.readlink(f"{folder}/{name}")  # noqa: PTH115
            plain = target.startswith("/") and not target.startswith("/dev/")
            if not plain and target != "anon_inode:[eventpoll]":
                found.append(int(name))
    return found

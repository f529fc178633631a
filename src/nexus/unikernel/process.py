"""A running tender: its process id, its output, its channel.

Knows nothing of what the guest asks or of limits. Invariant: after `close`, or when the object goes, the
process is dead and waited for, its descriptors are closed and its temporary files are gone; this holds where
an exception, KeyboardInterrupt too, comes anywhere between. A copy of the object in a forked child touches
neither the process nor its files.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import signal
import threading
import time
from _socket import socketpair

from nexus.core.errors import BusyError, MissingPartError
from nexus.unikernel.channel import Channel
from nexus.unikernel.descriptors import Descriptors, none_left
from nexus.unikernel.spawn import spawn
from nexus.unikernel.tender import Launch

_NULL = os.O_RDWR | os.O_CLOEXEC


class Process:
    """Starts `launch`. Only the thread that runs it calls its methods, but for `stop`.

    A tender dies with the thread that started it (PR_SET_PDEATHSIG), so that thread has to outlive the guest.
    Raises `BusyError` where the system has no descriptors, memory or processes left, `MissingPartError` where
    the program is not there. Standard input is `stdin`, or what `give_input` gives later, where `stdin`
    is None.
    """

    def __init__(self, launch: Launch, stdin: bytes | None = b"") -> None:
        self.launch = launch
        self.stopped = False  # by `stop`, from another thread
        self._owner = os.getpid()
        self._pid = ctypes.c_int(0)
        self._status: int | None = None
        self._own = Descriptors()
        self._lock = threading.RLock()
        self._channel: Channel | None = None
        self._input: int | None = None
        try:
            self._start(stdin)
        except BaseException:
            self.close()
            raise

    def _start(self, stdin: bytes | None) -> None:
        own = self._own
        theirs = Descriptors()
        try:
            self.stdout, out = own.pipe()
            self.stderr, err = own.pipe()
            try:
                # Not socket.socketpair: it makes another object of each, and an interrupt between loses it.
                ours, channel = socketpair()
            except OSError as error:
                raise (none_left() if error.errno in (errno.EMFILE, errno.ENFILE) else error) from error
            try:
                self._channel = Channel(ours)
                given = {
                    0: self._standard_input(theirs, stdin),
                    # Who answers all frames ends up with nothing to say on its own standard output.
                    1: out if self.launch.frames == "forwarded" else theirs.one(os.open, os.devnull, _NULL),
                    2: err,
                    self.launch.channel_fd: channel.fileno(),
                }
                self._spawn(given)
            finally:
                channel.close()
            own.close(out, err)
        finally:
            theirs.close_all()
        self.descriptor = own.one(os.pidfd_open, self.pid)
        os.set_blocking(self.stdout, False)
        os.set_blocking(self.stderr, False)
        self.poll = select.poll()
        for descriptor in (self.stdout, self.stderr, self.channel.descriptor, self.descriptor):
            self.poll.register(descriptor, select.POLLIN)

    def _standard_input(self, theirs: Descriptors, stdin: bytes | None) -> int:
        if stdin == b"":
            return theirs.one(os.open, os.devnull, _NULL)
        # A file in memory, all there at once: no pipe to feed while the guest runs.
        descriptor = self._own.one(os.memfd_create, "stdin", os.MFD_CLOEXEC)
        self._input = descriptor
        if stdin is not None:
            self.give_input(stdin)
        return descriptor

    def _spawn(self, given: dict[int, int]) -> None:
        try:
            # Tenders that answer themselves keep but a few system calls; others are whole programs.
            spawn(self._pid, self.launch.argv, given, session=self.launch.frames == "all")
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ENOMEM):
                raise BusyError(
                    f"no process can be started for a sandbox: {error.strerror}",
                    hint="run fewer at once, or allow more: `ulimit -u`, TasksMax and MemoryMax of the unit",
                ) from error
            if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOEXEC):
                raise MissingPartError(
                    f"{self.launch.argv[0]} cannot be started: {error.strerror}",
                    hint="build NexusOS again with `make up`",
                ) from error
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._pid.value

    @property
    def channel(self) -> Channel:
        """Our end of its channel."""
        assert self._channel is not None
        return self._channel

    def give_input(self, stdin: bytes) -> None:
        """What it reads from now on; what it has not read is gone. Only if started with `stdin` None."""
        assert self._input is not None
        # The place where the next read begins is one for both processes: they share the open file.
        at = os.lseek(self._input, 0, os.SEEK_END)
        rest = memoryview(stdin)
        while rest:
            written = os.pwrite(self._input, rest, at)
            rest, at = rest[written:], at + written

    def cpu(self) -> float:
        """Seconds of CPU time it has used; of the past where it is dead."""
        if self._status is not None:
            return 0.0
        try:
            # clock_getcpuclockid(3): the clock of another process is its number, turned over.
            return time.clock_gettime((~self.pid << 3) | 2)
        except OSError:
            return 0.0

    def dead(self, within: float = 0) -> bool:
        """Whether it has ended, or does `within` so many seconds; waited for or not."""
        if self._status is not None:
            return True
        look = select.poll()
        look.register(self.descriptor, select.POLLIN)
        return bool(look.poll(within * 1000))

    def stop(self) -> None:
        """Ends it from any thread; whoever serves it sees it die."""
        self.stopped = True
        self.kill()

    def kill(self) -> None:
        """SIGKILL to it and to what it may have started."""
        with self._lock:
            if self.pid and self._status is None and os.getpid() == self._owner:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Waits for its end; the status as waitpid(2) gives it. -1 where somebody else has waited for it."""
        if self._status is None:
            with contextlib.suppress(ChildProcessError):
                # Not yet taken from the system, so that `kill` cannot meet another process of this number.
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                try:
                    self._status = os.waitpid(self.pid, 0)[1]
                except ChildProcessError:
                    self._status = -1
        return self._status

    def close(self) -> None:
        """Ends it if it runs, and gives back all it held. May be called again."""
        if os.getpid() == self._owner:
            if self.pid:
                self.kill()
                self.wait()
            for path in self.launch.files:
                path.unlink(missing_ok=True)
        if self._channel is not None:
            self._channel.close()
        self._own.close_all()

    def __del__(self) -> None:
        self.close()

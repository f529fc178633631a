"""The process that keeps a mount: it holds the descriptor, starts the worker, and the next one when it dies.

    python -m nexus.memexfs.supervisor --home HOME --point FOLDER [--detach] -- WORKER COMMAND

Small and of the standard library, so that nothing in it fails. Knows mounts and processes, no files. It ends
with the unmount; SIGTERM unmounts, a second one lazily, a third at once. Its own death ends nothing: the
worker starts another supervisor (`nexus.memexfs.guardian`).

Invariant: while the mount is there, so is a worker, or the next one is about to be; what the dead one was
asked is asked again. A worker that dies over and over ends the mount: programs would wait for ever.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from nexus.core import atomic
from nexus.core.errors import AlreadyRunningError, InvalidInputError, NexusError, StorageError
from nexus.memexfs.inherited import Inherited, inherited
from nexus.memexfs.legacy import answers
from nexus.memexfs.mount import abort, mount, unmount
from nexus.memexfs.mount_table import place
from nexus.memexfs.protocol import Init
from nexus.memexfs.session import begin

_log = logging.getLogger(__name__)

LOCK: Final = "memexfs.lock"
STATE: Final = "memexfs.json"
LOG: Final = "memexfs.log"
_WAITS: Final = (0.0, 0.2, 0.5, 1.0, 2.0)  # seconds before the next worker, by deaths in a row at the start
_OFTEN, _MINUTE, _SLOWER = 60, 60.0, 1.0  # deaths in so many seconds, and the wait from then on
_PATIENCE: Final = 30.0  # seconds without any answer, beyond which a mount is given up
_ADOPTING: Final = 30.0  # seconds until another supervisor must have let go


class Supervisor:
    """Of one mount. `worker` where one lives already, which is then no child of ours."""

    def __init__(self, own: Inherited, *, worker: int | None = None) -> None:
        self._own = own
        self._point = Path(own.point)
        self._state = Path(own.home) / "run" / STATE
        self._worker = worker
        self._child: subprocess.Popen[bytes] | None = None
        self._restarts = 0
        self._since = time.time()
        self._asked = 0  # how often we were asked to end
        self._signals, wake = os.pipe()
        for end in (self._signals, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Until the mount is gone; what is raised ends it. Calls `ready` once there is a worker."""
        try:
            self._run(ready)
        except BaseException:
            self._give_up()
            raise

    def _run(self, ready: Callable[[], None]) -> None:
        if self._worker is not None:
            with suppress(OSError, ValueError, KeyError):
                before = json.loads(self._state.read_text())
                self._since, self._restarts = before["since"], before["restarts"]
        begun, answered, said, sound = 0, answers(self._own.table), False, time.monotonic()
        deaths: deque[float] = deque(maxlen=_OFTEN)
        while not self._is_gone():
            started = time.monotonic()
            if self._worker is None:
                self._start()
            self._say()
            if not said:
                ready()
                said = True
            self._wait(self._worker)
            self._worker = None
            if self._is_gone():
                break
            now = time.monotonic()
            before, answered = answered, answers(self._own.table)
            if answered > before:
                begun, sound = 0, now
            else:
                begun += 1
            # At first nobody depends on it; later it may be whoever kills that is at fault, not the worker.
            if begun > len(_WAITS) and (answered == 0 or now - sound > _PATIENCE):
                raise StorageError(
                    f"{begun} workers in a row ended before they answered; {self._point} is given up",
                    hint=f"see {self._state.with_name(LOG)}",
                )
            _log.warning("the worker died after %.1f s; starting the next one", now - started)
            if not self._own.negotiated.resend:
                self._mount_anew()
                answered = 0
            self._restarts += 1
            if begun:
                self._pause(_WAITS[min(begun, len(_WAITS)) - 1])
            elif len(deaths) == _OFTEN and now - deaths[0] < _MINUTE:
                self._pause(_SLOWER)
            deaths.append(now)
        with suppress(OSError):
            self._state.unlink()
        _log.info("%s is unmounted", self._point)

    def _start(self) -> None:
        """A worker of its own session: a Ctrl-C at our terminal is ours alone."""
        reading, _ = pipe = os.pipe()
        try:
            self._child = subprocess.Popen(
                self._own.command,
                env=replace(self._own, alive=reading).environment(),
                pass_fds=(self._own.fuse, self._own.log, self._own.table, reading),
                stdin=subprocess.DEVNULL,
                stdout=2,
                start_new_session=True,
            )
        except OSError as error:
            os.close(pipe[1])
            raise InvalidInputError(f"cannot start {self._own.command[0]}: {error.strerror}") from error
        finally:
            os.close(reading)
        with suppress(OSError):
            os.close(self._own.alive)
        self._own = replace(self._own, alive=pipe[1], again=True)
        self._worker = self._child.pid

    def _wait(self, worker: int | None) -> None:
        """Until the worker is dead; meanwhile, do what signals ask for."""
        assert worker is not None
        try:
            watched = os.pidfd_open(worker)
        except ProcessLookupError:  # one that we adopt died before we came
            return
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        poll.register(self._signals, select.POLLIN)
        try:
            while watched not in dict(poll.poll()):
                self._signalled()
        finally:
            os.close(watched)
            if self._child is not None and self._child.pid == worker:
                self._child.wait()

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._signals], [], [], left)[0]:
                self._signalled()

    def _signalled(self) -> None:
        """SIGTERM unmounts, the second time lazily; the third time nobody is waited for."""
        with suppress(BlockingIOError):
            os.read(self._signals, 64)
        self._asked += 1
        if self._asked > 2:
            self._give_up()
            return
        try:
            unmount(self._point, lazy=self._asked == 2)
        except NexusError as error:
            _log.warning("%s", error)

    def _is_gone(self) -> bool:
        """Asked of the descriptor, not of the folder: that could wait for the worker. Only while there is
        none, because a descriptor that is polled wakes us with every request."""
        if self._own.fuse < 0:
            return True
        poll = select.poll()
        poll.register(self._own.fuse, 0)
        return bool(poll.poll(0))

    def _give_up(self) -> None:
        """End the mount whatever it is doing."""
        with suppress(NexusError):
            abort(self._point)
        if self._worker is not None:
            with suppress(ProcessLookupError):
                os.kill(self._worker, signal.SIGKILL)
        if self._own.fuse >= 0:
            os.close(self._own.fuse)  # the last one: with it goes the kernel's end
            self._own = replace(self._own, fuse=-1)

    def _mount_anew(self) -> None:
        """Before Linux 6.9 what the dead worker was asked would wait for ever: it fails, and a fresh mount is
        put in the old one's place."""
        with suppress(NexusError):
            abort(self._point)
        for descriptor in (self._own.fuse, self._own.log, self._own.table):
            os.close(descriptor)
        fresh = mounted(self._own, without=Init.HAS_RESEND)
        self._own = replace(fresh, alive=self._own.alive)

    def _say(self) -> None:
        """The state file: who serves what since when."""
        atomic.write_text(
            self._state,
            json.dumps(
                {
                    "pid": os.getpid(),
                    "worker": self._worker,
                    "point": self._own.point,
                    "since": self._since,
                    "restarts": self._restarts,
                }
            )
            + "\n",
        )


def mounted(own: Inherited, *, without: int = 0) -> Inherited:
    """Mount at `own.point` and agree with the kernel; the rest of `own` is kept.

    `without`: flags of `protocol.Init` that are not used. Raises as `nexus.memexfs.mount.mount`.
    """
    fuse = mount(Path(own.point), clean=True)
    try:
        agreed = begin(fuse, passthrough=own.passthrough, without=without)
    except OSError as error:
        with suppress(NexusError):
            unmount(Path(own.point), lazy=True)
        os.close(fuse)
        raise StorageError(f"the kernel does not mount {own.point}: {error.strerror}") from error
    log, table = (os.memfd_create(f"memexfs-{what}", os.MFD_CLOEXEC) for what in ("log", "table"))
    return replace(own, fuse=fuse, log=log, table=table, minor=agreed.minor, flags=agreed.flags, again=False)


def locked(home: Path, *, seconds: float = 0.0) -> int:
    """The lock that only one supervisor of a home has. Raises `AlreadyRunningError` after so many seconds."""
    folder = home / "run"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError.from_os(error, folder / LOCK) from error
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
        os.close(fd)
        where = ""
        with suppress(OSError, ValueError, KeyError):
            where = f" at {json.loads((folder / STATE).read_text())['point']}"
        raise AlreadyRunningError(
            f"the memory in {home} is mounted already{where}", hint="unmount it first: nexus umount"
        )


def main(arguments: list[str] | None = None) -> int:
    """The command line above. One line of JSON on stdout says `{"pid": ...}`, or what was wrong."""
    parser = argparse.ArgumentParser(prog="nexus.memexfs.supervisor")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--point", type=Path)
    parser.add_argument("--detach", action="store_true", help="go on alone, as nobody's child")
    parser.add_argument("--no-passthrough", action="store_true")
    parser.add_argument("--no-resend", action="store_true", help="as on a kernel before 6.9")
    parser.add_argument("--adopt", type=int, help="the worker that goes on; the rest is inherited")
    parser.add_argument("command", nargs="*")
    given = parser.parse_args(arguments)
    if given.detach and os.fork():
        os._exit(0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s supervisor: %(message)s")
    try:
        if given.adopt is not None:
            own = replace(inherited(), again=True)
            lock = locked(Path(own.home), seconds=_ADOPTING)
            Supervisor(own, worker=given.adopt).run()
        else:
            if given.home is None or given.point is None or not given.command:
                parser.error("--home, --point and a worker's command are needed")
            lock = locked(given.home)
            own = mounted(
                Inherited(
                    *(-1, -1, -1, -1, 0, 0),
                    passthrough=os.geteuid() == 0 and not given.no_passthrough,
                    again=False,
                    home=str(given.home.resolve()),
                    point=str(place(given.point)),
                    command=tuple(given.command),
                ),
                without=Init.HAS_RESEND if given.no_resend else 0,
            )
            Supervisor(own).run(_ready)
        os.close(lock)
        return 0
    except NexusError as error:
        _log.error("%s", error)
        if given.adopt is None:
            with suppress(OSError):
                print(
                    json.dumps({"code": error.code, "message": error.message, "hint": error.hint}), flush=True
                )
        return error.exit_status


def _ready() -> None:
    """Say so, and let go of the pipe: whoever started us does not wait any more, nor for our workers."""
    with suppress(OSError):
        print(json.dumps({"pid": os.getpid()}), flush=True)
    os.dup2(2, 1)


if __name__ == "__main__":
    sys.exit(main())

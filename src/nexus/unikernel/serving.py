"""One run of one guest: answers what it asks, keeps what it prints, ends it at its limits.

All happens in the caller's thread, in one poll(2) over output, channel, process and deadline; only host
functions run elsewhere (`calls`). Knows nothing of how a guest is started or kept. Invariant: `serve` returns
a `Result` whatever the guest and its tender do, at the latest when the wall limit is over; if it raises
instead (the tender could not begin, `on_output` raised, KeyboardInterrupt), or the run did not end at a
FETCH, the process has to be closed by the caller, and nothing of the run is left but what `calls` says.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable

from nexus.unikernel.abi import Errno, Op
from nexus.unikernel.calls import Calls
from nexus.unikernel.channel import ChannelError, Request
from nexus.unikernel.console import OPS, Console
from nexus.unikernel.ending import FAULTED, Ended, SandboxError, of_process, stopped
from nexus.unikernel.functions import failed
from nexus.unikernel.host import Host
from nexus.unikernel.limits import Limits
from nexus.unikernel.process import Process
from nexus.unikernel.result import Result

OnOutput = Callable[[int, bytes], None]

_PIECE = 65536
_DYING = 0.2  # seconds
_CANCEL_LOOK = 0.1  # seconds between looks at `cancel`
_OWN_MOST = 4096  # bytes kept of what a tender of the frames "all" says on its own standard error


class Run:
    """Of `began` (time.monotonic()) until its end. `stdin` is for tenders of the frames "all".

    `cancel`, set by any thread, ends it as "stopped".
    """

    def __init__(
        self,
        process: Process,
        host: Host,
        limits: Limits,
        backend: str,
        *,
        began: float,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self._process = process
        self._host = host
        self._limits = limits
        self._backend = backend
        self._began = began
        self._on_output = on_output
        self._cancel = cancel
        self._deadline = began + limits.wall
        self._cpu_before = process.cpu()
        # CPU time cannot pass faster than time: it is looked at when it could have been used up.
        self._cpu_look = time.monotonic() + limits.cpu
        self._all = process.launch.frames == "all"
        self._console = Console(stdin, self._keep) if self._all else None
        self._calls = Calls()
        self._replying = threading.Lock()  # held while the thread of `calls` answers; guards the next two
        self._waiting = False  # for a host function
        self._over = False
        self._awake: float | None = None  # when a guest that sleeps gets its answer
        self._kept: dict[int, list[bytes]] = {1: [], 2: []}
        self._room = limits.output
        self._own = b""
        self._fault: bytes | None = None
        self._ended: Ended | None = None
        self.fetch: Request | None = None  # what a guest that runs more code waits in, at the end
        host.begin(self._deadline)

    def serve(self, fetched: Request | None = None, *, resident: bool = False) -> Result:
        """Serves until the end. `resident`: a FETCH for which the host has no code is the end, with its
        status; the guest goes on waiting, in `fetch`. `fetched`: it waits already, from the run before.

        Raises `SandboxError` where the tender could not begin, and whatever `on_output` raises.
        """
        self._resident = resident
        try:
            if fetched is not None:
                self._answer(fetched)
            while self._ended is None:
                self._turn()
            assert self._ended is not None
            if self.fetch is None:
                self._process.kill()
                self._process.wait()
        except BaseException:
            self._process.kill()
            raise
        finally:
            # After the kill: then an answer that nobody takes fails at once, and gives the lock back.
            with self._replying:
                self._over = True
                waiting = self._waiting
            self._calls.close(give_up=waiting)
        return Result(
            self._ended.ending,
            self._ended.status,
            b"".join(self._kept[1]),
            b"".join(self._kept[2]),
            time.monotonic() - self._began,
            self._backend,
            self._ended.detail,
        )

    def _turn(self) -> None:
        process = self._process
        left = self._left()
        if left <= 0:
            return
        for descriptor, _ in process.poll.poll(left * 1000 + 1):
            if self._ended is not None:
                return
            if descriptor == process.stdout:
                self._read(process.stdout, 1)
            elif descriptor == process.stderr:
                self._read(process.stderr, 2)
            elif descriptor == process.channel.descriptor:
                self._receive()
            else:
                self._gone()

    def _left(self) -> float:
        """Seconds until there is something to do without the guest; 0: it was done."""
        now = time.monotonic()
        if self._cancel is not None and self._cancel.is_set():
            self._end(stopped("stopped", "it was stopped"))
            return 0
        if now >= self._deadline:
            self._end(stopped("wall", f"it ran longer than {self._limits.wall:g} s"))
            return 0
        if now >= self._cpu_look:
            used = self._process.cpu() - self._cpu_before
            if used >= self._limits.cpu:
                self._end(stopped("cpu", f"it used more than {self._limits.cpu:g} s of CPU time"))
                return 0
            self._cpu_look = now + self._limits.cpu - used
        until = min(self._deadline, self._cpu_look)
        if self._awake is not None:
            if now >= self._awake:
                self._awake = None
                self._reply(0, b"")
                return 0
            until = min(until, self._awake)
        if self._cancel is not None:
            until = min(until, now + _CANCEL_LOOK)
        return until - now

    # ---- output

    def _read(self, descriptor: int, stream: int) -> bool:
        """Keeps what is there; False: it is closed, or nothing is there."""
        try:
            piece = os.read(descriptor, _PIECE)
        except BlockingIOError:
            return False
        if not piece:
            self._deaf(descriptor)
        elif self._all:
            self._own = (self._own + piece)[-_OWN_MOST:]
        else:
            self._keep(stream, piece)
        return len(piece) == _PIECE

    def _keep(self, stream: int, piece: bytes) -> None:
        over = len(piece) > self._room
        piece = piece[: self._room]
        self._room -= len(piece)
        if piece:
            self._kept[stream].append(piece)
            if self._on_output is not None:
                self._on_output(stream, piece)
        if over:
            self._end(stopped("output", f"it printed more than {self._limits.output} bytes"))

    def _deaf(self, descriptor: int) -> None:
        """Listens no more to what was closed at the other end."""
        with contextlib.suppress(KeyError):
            self._process.poll.unregister(descriptor)

    def _drain(self) -> None:
        """What was printed before a moment that is known to be over."""
        for descriptor, stream in ((self._process.stdout, 1), (self._process.stderr, 2)):
            while self._ended is None and self._read(descriptor, stream):
                pass

    # ---- the channel

    def _receive(self) -> None:
        channel = self._process.channel
        try:
            if channel.receive() == 0:
                self._deaf(channel.descriptor)
            while self._ended is None and (request := channel.request()) is not None:
                self._answer(request)
        except ChannelError as error:
            self._broken(str(error))

    def _broken(self, how: str) -> None:
        # Where it was killed or fell over inside a frame, that is the reason; a living one broke the rules.
        # A process that ends closes its descriptors some time before it is seen to have ended.
        if self._process.dead(within=_DYING):
            self._gone()
        else:
            self._end(stopped("crashed", f"its tender broke the protocol: {how}"))

    def _answer(self, request: Request) -> None:
        op = request.op
        if op == Op.FAULT:
            self._fault = request.data
        elif self._waiting or self._awake is not None:
            self._end(
                stopped("crashed", "its tender broke the protocol: a call before the answer to the last")
            )
        elif op == Op.FETCH and self._resident and not self._host.codes:
            self._drain()
            if self._ended is None:
                self.fetch = request
                self._end(Ended("exited", request.arg & 0xFF))
        elif self._all and op == Op.EXIT:
            self._end(Ended("exited", min(request.arg, 255)))
        elif self._all and op == Op.SLEEP:
            self._awake = time.monotonic() + request.arg / 1e9
        elif self._console is not None and op in OPS:
            self._reply(*self._console.answer(op, request.arg, request.data, request.out_cap))
        elif refused := self._host.refuses(op, request.data):
            self._end(stopped("calls", refused))
        elif answer := self._host.at_once(op, request.arg, request.data, request.out_cap):
            self._reply(*answer)
        else:
            self._elsewhere(request)

    def _reply(self, result: int, data: bytes) -> None:
        # Where it is not taken, the process is gone or the time is over: both are seen in the next turn.
        self._process.channel.reply(result, data, self._deadline)

    def _elsewhere(self, request: Request) -> None:
        """Answers from another thread, which this one does not wait for."""
        self._waiting = True
        why = self._calls.submit(functools.partial(self._work, request))
        if why:
            self._waiting = False
            answer = failed(why, "BusyError", request.out_cap)
            self._reply(len(answer), answer) if request.op == Op.CALL else self._reply(-Errno.EIO, b"")

    def _work(self, request: Request) -> None:
        result, data = self._host.answer(request.op, request.arg, request.data, request.out_cap)
        with self._replying:
            if not self._over:
                self._waiting = False
                self._reply(result, data)

    # ---- the end

    def _end(self, ended: Ended) -> None:
        if self._ended is None:
            self._ended = ended

    def _gone(self) -> None:
        """The process has ended: reads what it left and why."""
        process = self._process
        self._drain()
        if self._ended is not None:
            return
        self._last_frames()
        if self._ended is not None:
            return
        if process.stopped:
            self._end(stopped("stopped", "it was stopped"))
            return
        ended = of_process(process.wait(), self._fault, b"".join(self._kept[2]), self._backend)
        if self._all and ended.ending == "exited":
            own = self._own.decode(errors="replace").strip()
            if ended.status or own:
                raise SandboxError(
                    f"{self._backend} ended with status {ended.status} before its guest did: {own}"
                )
            # A machine that was reset: what a fault is where nothing but hardware sees it (pvh.h).
            ended = Ended("crashed", FAULTED, "a fault, and the machine was reset; where is not known")
        self._end(ended)

    def _last_frames(self) -> None:
        """A fault told just before the end, or (frames "all") the guest's exit."""
        channel = self._process.channel
        waiting, self._waiting, self._awake = self._waiting, False, None
        try:
            while channel.receive():  # 0: closed; None: nothing more, though somebody else holds it open
                while self._ended is None and (request := channel.request()) is not None:
                    if request.op in (Op.FAULT, Op.EXIT, Op.WRITE):
                        self._answer(request)
        except ChannelError:
            pass  # it ended in the middle of a frame
        self._waiting = waiting

"""A guest that was started: its process, what it may ask, and where it stands.

Knows nothing of who keeps it (`sandbox`, `session`, `pool`). Invariant: after `close`, or when the object
goes, nothing of it is left: no process, thread, descriptor or file.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nexus.core.errors import InvalidInputError
from nexus.unikernel import abi
from nexus.unikernel.channel import Request
from nexus.unikernel.descriptors import Descriptors
from nexus.unikernel.grants import Grants
from nexus.unikernel.host import Host
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.process import Process
from nexus.unikernel.result import Result
from nexus.unikernel.serving import OnOutput, Run
from nexus.unikernel.tender import Tender
from nexus.unikernel.words import joined

MAIN, LIBRARY = "main.py", "lib"
_CPU_MOST = 86_400.0
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Kind:
    """How guests of one sandbox are started."""

    tender: Tender
    image: Image
    limits: Limits
    grants: Grants


class Guest:
    """Starts a guest: with `code` it runs that and ends, without (`resident`) it waits for code.

    Raises what the grants are refused with, `BusyError` where the machine has no place for one more,
    `InvalidInputError` for words a command line cannot hold. Lives no longer than the thread that started it.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        code: bytes | None = None,
        resident: bool = False,
        words: Sequence[str] = (),
        modules: Sequence[tuple[str, Path]] = (),
        stdin: bytes = b"",
    ) -> None:
        self._owner = os.getpid()
        self._kind = kind
        self._resident = resident
        self._fetched: Request | None = None
        self._own = Descriptors()
        self._host: Host | None = None
        self._process: Process | None = None
        self._stdin = stdin
        try:
            joined(words)
            given = list(modules)
            if code is not None:
                given.append((MAIN, self._file(code)))
            if kind.image.library is not None:
                given.append((LIBRARY, kind.image.library))
            # Its time is counted from the start of the guest by the tender, and for each run by us.
            limits = dataclasses.replace(kind.limits, cpu=_CPU_MOST) if resident else kind.limits
            self._host = Host(kind.grants, kind.limits)
            launch = kind.tender.launch(kind.image, given, words, limits)
            self._process = Process(launch, None if resident else stdin)
        except BaseException:
            self.close()
            raise

    def _file(self, code: bytes) -> Path:
        """A file in memory. Its name holds for the tender too, as long as this descriptor is open."""
        descriptor = self._own.one(os.memfd_create, "code", os.MFD_CLOEXEC)
        rest = memoryview(code)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        return Path(f"/proc/{os.getpid()}/fd/{descriptor}")

    @property
    def process(self) -> Process:
        """Its process."""
        assert self._process is not None
        return self._process

    @property
    def waits(self) -> bool:
        """Whether it can be given more code: it was not ended by its last run."""
        return self._fetched is not None

    def run(
        self,
        began: float,
        code: bytes | None = None,
        *,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
        limits: Limits | None = None,
        grants: Grants | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        """Serves it from `began` (time.monotonic()) on: until it ends, or (`resident`) has run `code`.

        `limits` and `grants` of this run, where they are not those of its kind. Raises what the grants are
        refused with.
        """
        if grants is not None:
            granted = Host(grants, limits or self._kind.limits)
            if self._host is not None:
                self._host.close()
            self._host = granted
        assert self._host is not None
        if self._resident:
            assert code is not None
            self._host.codes.append(code)
            if stdin and self.process.launch.frames == "forwarded":
                self.process.give_input(stdin)
        run = Run(
            self.process,
            self._host,
            limits or self._kind.limits,
            self._kind.tender.name,
            began=began,
            stdin=stdin if self._resident else self._stdin,
            on_output=on_output,
            cancel=cancel,
        )
        fetched, self._fetched = self._fetched, None
        result = run.serve(fetched, resident=self._resident)
        self._fetched = run.fetch
        return self._advised(result)

    def _advised(self, result: Result) -> Result:
        """The result, which says what to do where Python ended for want of a module."""
        if self._kind.image.kind != "python" or result.status != 1 or b"No module named" not in result.stderr:
            return result
        from nexus.unikernel import imports  # here, because it reads Python, for which few runs have a use

        detail = imports.advice(result.stderr, self._kind.image.library)
        return dataclasses.replace(result, detail=result.detail or detail)

    def close(self) -> None:
        """Ends it. May be called again."""
        if self._process is not None:
            self._process.close()
        # What a host has open, a forked child may not give back: it is the parent's.
        if self._host is not None and os.getpid() == self._owner:
            self._host.close()
        self._own.close_all()

    def __del__(self) -> None:
        self.close()


def source(code: str | bytes) -> bytes:
    """Python source as a guest takes it. Raises `InvalidInputError`: not UTF-8, too long, with a NUL."""
    try:
        data = code.encode() if isinstance(code, str) else code
        data.decode()
    except UnicodeError as error:
        raise InvalidInputError(
            f"the code is not UTF-8: {error.reason} at {error.start}"  # type: ignore[attr-defined]
        ) from None
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if (at := data.find(b"\0")) >= 0:
        raise InvalidInputError(f"the code has a NUL byte at {at}, which Python source cannot have")
    if len(data) > abi.PAYLOAD_MAX - 1:
        raise InvalidInputError(
            f"the code has {len(data)} bytes; {abi.PAYLOAD_MAX - 1} is the most",
            hint="give large data as standard input or as a granted file",
        )
    return data

"""File descriptors of one guest: made, closed one by one, or all at the end.

Knows nothing of processes. Invariant: a descriptor that was made is in the list or closed, even where a
signal's exception (KeyboardInterrupt) comes between two steps: making and keeping, and taking and closing,
are each one call from C to C, with no bytecode between.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from itertools import chain, repeat

from nexus.core.errors import BusyError

EACH = 6  # descriptors that a guest needs here, at most for long
RESERVE = 48  # are left to the rest of this process


class Descriptors:
    """Open descriptors; also closed when the object goes. Not for two threads at once."""

    def __init__(self) -> None:
        self._open: list[int] = []

    def one(self, make: Callable[..., int], *arguments: object) -> int:
        """The descriptor that `make(*arguments)` gives, a function of C with at least one argument.

        Raises `BusyError` where there are no more.
        """
        try:
            self._open.extend(map(make, *((argument,) for argument in arguments)))
        except OSError as error:
            raise _short(error) from error
        return _roomy(self._open[-1])

    def pipe(self) -> tuple[int, int]:
        """A pipe: where to read, where to write. Raises `BusyError` where there are no more."""
        try:
            self._open.extend(chain.from_iterable(map(os.pipe2, (os.O_CLOEXEC,))))
        except OSError as error:
            raise _short(error) from error
        return self._open[-2], _roomy(self._open[-1])

    def close(self, *descriptors: int) -> None:
        """Closes these, which are this object's."""
        for descriptor in descriptors:
            list(map(os.close, map(self._open.pop, (self._open.index(descriptor),))))

    def close_all(self) -> None:
        """Closes what is open. May be called again."""
        list(map(os.close, map(self._open.pop, repeat(-1, len(self._open)))))

    def __del__(self) -> None:
        self.close_all()


def _roomy(descriptor: int) -> int:
    # The system gives the lowest free number, so a number near the limit says that few are left.
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and descriptor >= limit - RESERVE:
        raise none_left()
    return descriptor


def none_left() -> BusyError:
    """What to say when descriptors have run out."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return BusyError(
        f"no file descriptor is left for one more guest: this process may have {limit}, "
        f"each guest needs {EACH}",
        hint="allow more with `ulimit -n 16384` (LimitNOFILE=16384 in a systemd unit), or run fewer at once",
    )


def _short(error: OSError) -> Exception:
    return none_left() if error.errno in (errno.EMFILE, errno.ENFILE) else error

"""What only the operating system and the CPU can do: the Python face of native/platform.

Knows nothing of who asks. The compiled module is looked for when a function is called, so importing
this file costs nothing and works without a compiler. Invariant: a function does what its name says
or raises `MissingPartError`; it never pretends.
"""

from __future__ import annotations

import errno
import os
import signal as signals
import subprocess
from pathlib import Path
from types import ModuleType

from nexus.core.errors import InvalidInputError, MissingPartError

_MEND = "install a C++ compiler and the Python headers (apt-get install g++ python3-dev), then: make up"


def available() -> bool:
    """Whether the compiled part is there; `nexus doctor` asks."""
    try:
        native()
    except MissingPartError:
        return False
    return True


def die_with_parent(parent: int | None = None, *, signal: int = signals.SIGKILL) -> None:
    """Have the kernel send `signal` to this process when the thread that started it ends.

    `parent` is the process id expected of the parent (it sends its own along): when another process
    is the parent already, the real one ended before this call, and `signal` is sent at once.
    Raises `InvalidInputError` for an unknown signal, `MissingPartError` where only polling helps.
    """
    failed = native().die_with_parent(signal)
    if failed == errno.EINVAL:
        raise InvalidInputError(f"signal {signal} does not exist", hint="use one of signal.Signals")
    if failed:
        raise MissingPartError(
            f"this system cannot end a process with its parent: {os.strerror(failed)}",
            hint="only Linux can",
        )
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal)


def can_trim_heap() -> bool:
    """Whether `trim_heap` works with this C library (glibc)."""
    return bool(native().can_trim_heap())


def trim_heap() -> bool:
    """Give freed memory back to the system. Returns whether any was.

    `gc.collect()` alone leaves the process as large as it was: the C heap keeps what Python freed.
    Takes milliseconds on a large heap, so call it when idle. Raises `MissingPartError`.
    """
    return bool(native().trim_heap())


def limit_heaps(count: int) -> bool:
    """Let all threads share `count` heaps of the C library. Returns whether it can do that (glibc).

    By default each busy thread has its own, and what is free in one is of no use to the others. Heaps
    that exist stay, so call it before starting threads. Raises `MissingPartError`.
    """
    return bool(native().limit_heaps(count))


def release_libraries() -> int:
    """Give back what is mapped of the code of libraries. Returns how many bytes that was.

    A library that was used once counts in this process's memory for ever, although the system has the
    file in its cache; what is used again is mapped again, in microseconds. Call it when idle. Raises
    `MissingPartError`.
    """
    return _released(*native().release_libraries())


def release_files(folder: Path, left_alone: str = "") -> int:
    """The same for files below `folder` that are mapped shared, as databases do. Loses no change.

    Files whose name begins with `left_alone` stay. Nobody may unmap one of the others meanwhile;
    reading and writing is fine. Raises `MissingPartError`.
    """
    return _released(*native().release_files(str(folder.resolve()), left_alone))


def _released(failed: int, released: int) -> int:
    if failed:
        raise MissingPartError(
            f"this system cannot give back what is mapped of files: {os.strerror(failed)}",
            hint="only Linux can, with /proc mounted",
        )
    return released


def cpu_features() -> tuple[str, ...]:
    """The usable ones of sse4.2, avx2, avx512f, avx512vnni, neon. Raises `MissingPartError`."""
    return tuple(name for name, usable in native().cpu_features().items() if usable)


def native() -> ModuleType:
    """The compiled module of all rooms. Raises `MissingPartError` where it is not built."""
    try:
        # In a developer's install this import runs `cmake --build` first.
        from nexus import _native
    except ImportError as error:
        raise MissingPartError("the native part of nexus is not built", hint=_MEND) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingPartError(
            f"the native part of nexus cannot be built again: {error}",
            hint="the compiler's words are above; cmake must be in PATH (. .venv/bin/activate)",
        ) from error
    return _native

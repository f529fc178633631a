"""Code that needs CPython's packages, run by CPython in bubblewrap, with the limits and grants of a sandbox.

The same loop serves it as serves guests (`serving`), and the same `Host` answers it. Knows nothing of when to
fall back: `imports.needs_cpython` does. Invariant: as that of `serving`; nothing of the run is left.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from nexus.core.errors import InvalidInputError, MissingPartError, StorageError
from nexus.unikernel import jail
from nexus.unikernel.ending import of_process
from nexus.unikernel.grants import Grants
from nexus.unikernel.host import Host
from nexus.unikernel.limits import Limits
from nexus.unikernel.process import Process
from nexus.unikernel.result import Result
from nexus.unikernel.serving import Run
from nexus.unikernel.tender import Preflight

# bubblewrap gives on how its child was ended as a shell does; other statuses over 128 are the code's own.
_SIGNALS = {
    128 + number
    for number in (
        *(signal.SIGXCPU, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT),
        *(signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS),
    )
}


def preflight() -> Preflight:
    """Whether CPython can be run in bubblewrap here, and what would mend it; looks at most once a second."""
    return jail.preflight()


def run_cpython(
    code: str | bytes,
    limits: Limits | None = None,
    grants: Grants | None = None,
    *,
    stdin: bytes = b"",
    words: Sequence[str] = (),
    on_output: Callable[[int, bytes], None] | None = None,
    because: Sequence[str] = (),
    python: Path | None = None,
    cancel: threading.Event | None = None,
) -> Result:
    """Run code in CPython and wait for its end. `because`: the modules for which it is, told in `detail`.

    `limits.memory` is what the code allocates beside the interpreter's own. `python`: another interpreter
    than the one that runs this. `cancel`, set by any thread, ends it as "stopped". Raises
    `MissingPartError` with what mends it where bubblewrap does not work here, `InvalidInputError` for grants
    that CPython cannot be given, `NotFoundError` for files that are absent.
    """
    began = time.monotonic()
    limits, grants = limits or Limits(), grants or Grants()
    if grants.blocks or grants.links:
        raise InvalidInputError(
            "CPython in bubblewrap has no disks and no links", hint="grant files and http"
        )
    host = Host(grants, limits)
    try:
        path = _written(code.encode() if isinstance(code, str) else code)
        try:
            started = jail.launch(path, words, limits, grants.files, python, files=(path,))
            process = Process(started, stdin)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        try:
            run = Run(process, host, limits, jail.NAME, began=began, on_output=on_output, cancel=cancel)
            result = run.serve()
        finally:
            process.close()
    finally:
        host.close()
    if result.status == 1 and result.stderr.startswith(b"bwrap: "):
        look = preflight()
        if not look.works:
            raise MissingPartError(look.detail, hint=look.mend)
    return _told(result, limits, because)


def _written(code: bytes) -> Path:
    try:
        descriptor, name = tempfile.mkstemp(prefix="nexus-sandbox-", suffix=".py")
        path = Path(name)
        try:
            with open(descriptor, "wb") as file:
                file.write(code)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError.from_os(error, tempfile.gettempdir()) from error
    return path


def _told(result: Result, limits: Limits, because: Sequence[str]) -> Result:
    """The result in the words that guests' results have."""
    if result.ending == "exited" and result.status in _SIGNALS:
        number = result.status - 128
        # What ignores the first signal of the CPU limit is killed a second later.
        used_up = result.seconds * (os.cpu_count() or 1) >= limits.cpu
        if number == signal.SIGKILL and used_up:
            number = signal.SIGXCPU
        if number != signal.SIGXCPU or used_up:
            ended = of_process(number, None, b"", jail.NAME)
            result = replace(result, ending=ended.ending, status=ended.status, detail=ended.detail)
    if because:
        why = f"run by CPython in bubblewrap, because sandboxes do not have {', '.join(because)}"
        result = replace(result, detail=f"{result.detail}; {why}" if result.detail else why)
    return result


def lacking(modules: Sequence[str], python: Path | None = None) -> list[str]:
    """Of these modules, the ones that the interpreter of the fallback does not have either."""
    import importlib.machinery
    import sys

    with contextlib.suppress(MissingPartError):
        packages = [str(folder) for folder in jail.Interpreter.of(python).packages]
        find = importlib.machinery.PathFinder.find_spec
        tops = [(name, name.partition(".")[0]) for name in modules]
        return [
            name for name, top in tops if top not in sys.stdlib_module_names and find(top, packages) is None
        ]
    return list(modules)

"""The memory of processes out to swap and back, by the program nexus-pageout.

That program is the one thing that needs a right (CAP_SYS_NICE), so it alone may be given it. Knows nothing
of agents. Invariants: a process that ended meanwhile is no error; where paging out cannot free anything (no
swap, no right, no program) it is refused with what mends that.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from nexus.agentmem.process_tree import Process
from nexus.core.errors import MissingPartError, NexusError

# Most of what was resident that is asked for again at once; the rest comes when it is touched.
PREFETCH_KIB = 64 * 1024
_PROGRAM = "nexus-pageout"
_NOT_ALLOWED = 3


def page_out(tree: Sequence[Process], *, record: bool) -> bytes:
    """Page out all that is private to these processes, once. Returns what was resident, for `fetch`.

    With `record` False nothing is returned. Raises `MissingPartError`, `NexusError`.
    """
    words = [process.word for process in tree]
    return _run(["out", str(PREFETCH_KIB if record else 0), *words], b"")


def fetch(pages: bytes) -> None:
    """Ask for pages that `page_out` has told. Raises `MissingPartError`, `NexusError`."""
    if pages:
        _run(["in"], pages)


def swap_bytes(proc: Path = Path("/proc")) -> tuple[int, int]:
    """Swap in all and what of it is free, in bytes."""
    found = meminfo(proc)
    return found.get("SwapTotal", 0), found.get("SwapFree", 0)


def meminfo(proc: Path = Path("/proc")) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return {}
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}


def refuse_without_swap(proc: Path = Path("/proc")) -> None:
    """Raise `MissingPartError` where paging out would free nothing."""
    if swap_bytes(proc)[0] == 0:
        raise MissingPartError(
            "this machine has no swap, so the memory of an idle agent cannot leave RAM",
            hint="`nexus tune` shows what would help, `sudo nexus tune --apply` does it",
        )


def program() -> Path | None:
    """nexus-pageout as installed; None where it is not built."""
    # Beside this Python or this command, never in the folder where somebody happens to work.
    for near in (sys.executable, sys.argv[0]):
        path = Path(near).parent / _PROGRAM
        if path.is_absolute() and os.access(path, os.X_OK):
            return path
    return None


def how_to_allow() -> str:
    """The command that gives the right."""
    return f"sudo {shutil.which('setcap') or 'setcap'} cap_sys_nice=ep {program() or _PROGRAM}"


def _run(words: list[str], text: bytes) -> bytes:
    path = program()
    if path is None:
        raise MissingPartError(
            "nexus-pageout is not built", hint="apt-get install g++ python3-dev && make up; Linux only"
        )
    done = subprocess.run([path, *words], input=text, capture_output=True, check=False)
    if done.returncode == _NOT_ALLOWED:
        raise MissingPartError(
            "this user may not page out other processes (CAP_SYS_NICE)",
            hint=f"run it as root, or give the right to the one small program: {how_to_allow()}",
        )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise NexusError(f"nexus-pageout failed with status {done.returncode}: {said}")
    return done.stdout

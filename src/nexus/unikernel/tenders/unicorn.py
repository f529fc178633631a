"""The backend `unicorn`: emulates the guest in a Python process (unicorn_process.py). Slow, and anywhere.

Knows how to start that process, not what it does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from nexus.unikernel import confine
from nexus.unikernel import words as command_line
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.tender import Backend, Launch, Preflight

PROCESS = "nexus.unikernel.unicorn_process"
_INSTALL = "pip install 'nexusos[unikernel]'"


class Unicorn:
    """Emulation in software, without help of the system."""

    name: Backend = "unicorn"

    def preflight(self) -> Preflight:
        """Whether the package `unicorn` is there, in a version that is known to work."""
        return _looked()

    def launch(
        self, image: Image, modules: Sequence[tuple[str, Path]], words: Sequence[str], limits: Limits
    ) -> Launch:
        """The process. Raises `InvalidInputError` for words that no command line carries."""
        command_line.joined(words)
        return Launch(
            (
                *(sys.executable, "-I", "-m", PROCESS),
                *("--memory", str(limits.memory), "--cpu", f"{limits.cpu:.6f}"),
                *(part for name, path in modules for part in ("--module", f"{name}={path.absolute()}")),
                str(image.elf.absolute()),
                *words,
            ),
            frames="all",
        )


def _looked() -> Preflight:
    try:
        found = version("unicorn")
    except PackageNotFoundError:
        found = ""
    if not found or find_spec("unicorn") is None:
        return Preflight("unicorn", False, "the package unicorn is not installed", _INSTALL, "no_package")
    if tuple(int(part) for part in found.split(".")[:2] if part.isdigit()) < (2, 1):
        return Preflight(
            "unicorn", False, f"unicorn {found}: 2.1 or newer is needed", _INSTALL, "old_package"
        )
    bare = "" if confine.can_leave_system() else "; without seccomp its process keeps all system calls"
    return Preflight("unicorn", True, f"unicorn {found}, emulating, slow{bare}")

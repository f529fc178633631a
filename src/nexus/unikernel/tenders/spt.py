"""The backend `spt`: a guest as a Linux process under a strict filter of system calls (seccomp).

Needs no rights. Its boundary is the kernel's, as of every process, with six system calls. Knows nothing of
what guests ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.tender import Backend, Launch, Preflight
from nexus.unikernel.tenders import program

PROGRAM = "nexus-tender-spt"
_MENDS = {
    "no_seccomp": "a kernel with CONFIG_SECCOMP_FILTER; in a container, a profile that allows seccomp",
    "no_addresses": "sysctl vm.overcommit_memory=0, and no `ulimit -v`",
}


class Spt:
    """A process for each guest. The program is looked for beside this Python and in PATH."""

    name: Backend = "spt"

    def __init__(self, program_name: str = PROGRAM) -> None:
        self.program = program_name
        self._recent = program.Recent(self._look)
        # What has worked goes on to: the kernel does not change, and the program is the same.
        self._worked: tuple[tuple[str, int], Preflight] | None = None

    def preflight(self) -> Preflight:
        """Whether the program is there and its filter can be set; tried once, 2 ms."""
        return self._recent()

    def launch(
        self, image: Image, modules: Sequence[tuple[str, Path]], words: Sequence[str], limits: Limits
    ) -> Launch:
        """The program's command line. Raises `InvalidInputError`, and `MissingPartError` without it."""
        path = program.needed(self.program)
        return Launch((path, *program.arguments(image, modules, words, limits)), "forwarded")

    def _look(self) -> Preflight:
        path = program.find(self.program)
        if path is None:
            return program.missing("spt", self.program)
        key = path, Path(path).stat().st_mtime_ns
        if self._worked is None or self._worked[0] != key:
            said = program.probed(path)
            code = str(said.get("code", ""))
            look = Preflight("spt", said["works"], str(said.get("detail", "")), _MENDS.get(code, ""), code)
            if not look.works:
                return look
            self._worked = key, look
        return self._worked[1]

"""A tender: what loads an image and answers its doorbell. Each backend is one.

`Sandbox` (sandbox.py) starts a guest through this protocol and serves what it asks by a `Host` (host.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits

Backend = Literal["kvm", "spt", "qemu", "unicorn"]


@dataclass(frozen=True, slots=True)
class Preflight:
    """Whether a backend works on this machine; `mend` is the command or setting that would make it work."""

    backend: str
    works: bool
    detail: str
    mend: str = ""
    code: str = ""  # stable word for programs: "no_kvm", "no_permission", "no_seccomp", "no_program", ...


@dataclass(frozen=True, slots=True)
class Launch:
    """A process that runs one guest. The channel is its file descriptor `channel_fd`.

    `frames`: which ops arrive at the channel: "forwarded" (the tender answers EXIT, WRITE, READ, TIME, RANDOM
    and SLEEP itself, with the process's standard streams) or "all" (it answers none).
    """

    argv: tuple[str, ...]
    frames: Literal["forwarded", "all"]
    channel_fd: int = 3
    files: tuple[Path, ...] = ()  # temporary files to delete at the end


class Tender(Protocol):
    """One backend."""

    name: Backend

    def preflight(self) -> Preflight:
        """Looks, at most once a second; costs under 50 ms."""
        ...

    def launch(
        self, image: Image, modules: Sequence[tuple[str, Path]], words: Sequence[str], limits: Limits
    ) -> Launch:
        """How to start a guest with these modules (name, file) and command line words."""
        ...

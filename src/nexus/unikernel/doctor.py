"""Whether sandboxes work on this machine: each backend, the fallback, the compiler, the image.

Looks and reports; changes nothing. Invariant: what does not work has a word for programs (`code`) and, where
there is one, the command that mends it; a look that fails itself is reported as what does not work.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from typing import Any

from nexus.core.errors import NexusError
from nexus.unikernel import audit, backends, builder, fallback, sources
from nexus.unikernel.tender import Preflight
from nexus.unikernel.toolchain import Toolchain


@dataclass(frozen=True, slots=True)
class Report:
    """`backends` in the order in which "auto" tries them; `building`: what making images needs."""

    backends: tuple[Preflight, ...]
    fallback: Preflight
    image: Preflight
    building: tuple[Preflight, ...]

    @property
    def auto(self) -> str:
        """The backend that "auto" takes; "" where none works."""
        return next((look.backend for look in self.backends if look.works), "")

    @property
    def works(self) -> bool:
        """Whether code can be run."""
        return bool(self.auto) and self.image.works

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "works": self.works,
            "auto": self.auto,
            "backends": [asdict(look) for look in self.backends],
            "fallback": asdict(self.fallback),
            "image": asdict(self.image),
            "building": [asdict(look) for look in self.building],
        }


def report() -> Report:
    """Look at everything; some of it is tried, in a second at most."""
    return Report(
        tuple(backends.preflights()),
        fallback.preflight(),
        _image(),
        (
            _compiler(),
            _sources(),
            _program("objdump", "decodes an image's instructions for explain", audit.INSTALL),
        ),
    )


def _image() -> Preflight:
    try:
        image = builder.python_image()
    except NexusError as error:
        return Preflight("image", False, error.message, error.hint, error.code)
    return Preflight("image", True, f"{image.elf.stat().st_size:,} bytes, {image.folder}")


def _compiler() -> Preflight:
    try:
        found = Toolchain.find()
    except NexusError as error:
        return Preflight("compiler", False, error.message, error.hint, "no_program")
    return Preflight("compiler", True, f"{found.version} ({found.cc})")


def _sources() -> Preflight:
    try:
        return Preflight("sources", True, sources.origin("micropython"))
    except NexusError as error:
        return Preflight("sources", False, error.message, error.hint, "no_sources")


def _program(name: str, purpose: str, mend: str) -> Preflight:
    found = shutil.which(name)
    if found is None:
        return Preflight(name, False, f"not in PATH; it {purpose}", mend, "no_program")
    return Preflight(name, True, f"{purpose} ({found})")

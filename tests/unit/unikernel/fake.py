"""A backend for tests whose guests are scripts of fake_tender.c: they do right or wrong as told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nexus.unikernel.grants import Grants
from nexus.unikernel.guest import Kind
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.sandbox import Sandbox
from nexus.unikernel.tender import Backend, Launch, Preflight


@dataclass
class FakeTender:
    """Runs main.py, or fetches. `all_frames`: it leaves output and exit to us, as QEMU does."""

    program: Path
    all_frames: bool = False
    files: tuple[Path, ...] = ()
    name: Backend = "spt"

    def preflight(self) -> Preflight:
        return Preflight(self.name, True, "a fake")

    def launch(
        self, image: Image, modules: Sequence[tuple[str, Path]], words: Sequence[str], limits: Limits
    ) -> Launch:
        script = str(dict(modules).get("main.py", "-"))
        options = ("--all",) if self.all_frames else ()
        return Launch(
            (str(self.program), *options, script, *words),
            "all" if self.all_frames else "forwarded",
            files=self.files,
        )


def fake_sandbox(tender: FakeTender, limits: Limits | None = None, grants: Grants | None = None) -> Sandbox:
    """A sandbox whose backend is the fake."""
    sandbox = Sandbox("spt", limits, grants)
    image = Image(tender.program.parent, "python", "fake")
    # Where the property of this name is looked up first.
    sandbox.__dict__["kind"] = Kind(tender, image, sandbox.limits, sandbox.grants)
    return sandbox

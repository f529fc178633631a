"""The backend `kvm`: a guest in a virtual machine of its own, by /dev/kvm.

A KVM may run ring 3 on the processor and emulate ring 0, thousands of times slower (PVM, in machines without
hardware virtualization), so that both are measured once per boot of the machine; a guest runs in ring 0 only
where that is native. Knows nothing of what guests ask.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nexus.core.paths import Home
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.tender import Backend, Launch, Preflight
from nexus.unikernel.tenders import program

PROGRAM = "nexus-tender-kvm"
DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NATIVE = 10.0  # ring 0 takes at most so many times ring 3, or it is emulated
_LEAST_NS = 0.2  # one round of the loop, on any processor: what is less was not measured well


@dataclass(frozen=True, slots=True)
class Calibration:
    """Nanoseconds of a loop's round, in one boot of the machine. `ring0_ns` None: it does not run there."""

    boot: str
    ring0_ns: float | None
    ring3_ns: float

    @property
    def ring0_is_native(self) -> bool:
        """Whether the processor runs ring 0 itself."""
        return self.ring0_ns is not None and self.ring0_ns <= _NATIVE * max(self.ring3_ns, _LEAST_NS)

    def __str__(self) -> str:
        if self.ring0_ns is None:
            return "guests run in ring 3; ring 0 does not run here"
        times = self.ring0_ns / max(self.ring3_ns, _LEAST_NS)
        return (
            "guests run in ring 0"
            if self.ring0_is_native
            else f"guests run in ring 3; ring 0 is emulated here, {times:,.0f} times slower"
        )


class Kvm:
    """A machine for each guest. `folder` holds the calibration; NEXUS_HOME's cache where it is not given."""

    name: Backend = "kvm"

    def __init__(
        self, program_name: str = PROGRAM, *, device: Path = DEVICE, folder: Path | None = None
    ) -> None:
        self.program, self.device = program_name, device
        self._folder = folder
        self._recent = program.Recent(self._look)
        self._calibration: Calibration | None = None

    def preflight(self) -> Preflight:
        """Whether a machine runs here; measured once per boot (20 ms), then looked at."""
        return self._recent()

    def launch(
        self, image: Image, modules: Sequence[tuple[str, Path]], words: Sequence[str], limits: Limits
    ) -> Launch:
        """The program's command line. Raises `InvalidInputError`, and `MissingPartError` without it."""
        path = program.needed(self.program)
        arguments = program.arguments(image, modules, words, limits)
        if self._calibration is None:
            self._recent()
        native = self._calibration is not None and self._calibration.ring0_is_native
        return Launch((path, "--cpl", "0" if native else "3", *arguments), "forwarded")

    def _look(self) -> Preflight:
        path = program.find(self.program)
        if path is None:
            return program.missing("kvm", self.program)
        if not self.device.exists():
            return Preflight("kvm", False, f"there is no {self.device}", _mend_absent(), "no_kvm")
        if not os.access(self.device, os.R_OK | os.W_OK):
            return Preflight(
                "kvm", False, f"{self.device} may not be opened", _mend_rights(), "no_permission"
            )
        boot = _boot_id()
        if self._calibration is None or self._calibration.boot != boot:
            self._calibration = _read(self._file, boot)
        if self._calibration is None:
            said = program.probed(path)
            if not said["works"]:
                return _refused(said)
            self._calibration = Calibration(boot, said.get("ring0_ns"), float(said["ring3_ns"]))
            _write(self._file, self._calibration)
        return Preflight("kvm", True, str(self._calibration))

    @property
    def _file(self) -> Path:
        return (self._folder or Home.from_env().cache / "unikernel") / "kvm.json"


def _refused(said: dict[str, Any]) -> Preflight:
    code = str(said.get("code", ""))
    mend = {"no_permission": _mend_rights(), "no_kvm": _mend_absent()}.get(code, "")
    return Preflight("kvm", False, str(said.get("detail", "")), mend, code)


def _mend_rights() -> str:
    return "sudo usermod -aG kvm $USER, then log in again"


def _mend_absent() -> str:
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "start the container with --device /dev/kvm"
    return "modprobe kvm_intel || modprobe kvm_amd; in a virtual machine, allow nested virtualization"


def _boot_id() -> str:
    """Which boot of the machine this is; never the same twice where that cannot be known."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return f"{sys.platform}-{os.getpid()}"


def _read(file: Path, boot: str) -> Calibration | None:
    """What was measured in this boot; None for a file that is not there, of another boot, or broken."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(file.read_text())
        ring0 = kept["ring0_ns"]
        found = Calibration(
            str(kept["boot"]), None if ring0 is None else float(ring0), float(kept["ring3_ns"])
        )
        return found if found.boot == boot else None
    return None


def _write(file: Path, calibration: Calibration) -> None:
    """Kept where that can be; a disk that is full costs the next process 20 ms."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            beside.write_text(json.dumps(asdict(calibration)))
            os.replace(beside, file)
        finally:
            beside.unlink(missing_ok=True)

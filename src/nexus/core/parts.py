"""The parts that a machine may lack, and the command that mends each.

Looks without importing or starting anything. Looking costs half a millisecond of walking through folders, so
who is asked again and again takes `recent_parts`, which is at most `RECENT_SECONDS` old.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

RECENT_SECONDS = 10.0
_CAP_SYS_NICE = 1 << 23


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the system on this machine."""

    name: str
    state: Literal["available", "missing"]
    detail: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def package(name: str, module: str, purpose: str, mend: str) -> Part:
    """A Python package, by whether it can be found."""
    there = importlib.util.find_spec(module) is not None
    return Part(name, "available", purpose) if there else Part(name, "missing", purpose, mend)


def program(name: str, commands: tuple[str, ...], purpose: str, mend: str) -> Part:
    """A program on the PATH or beside this Python, under any of its names."""
    beside = str(Path(sys.executable).parent)
    found = next((path for c in commands if (path := shutil.which(c) or shutil.which(c, path=beside))), None)
    return Part(name, "available", f"{purpose} ({found})") if found else Part(name, "missing", purpose, mend)


def optional_parts() -> list[Part]:
    """What is optional now: without it something named here does not work, and nothing else."""
    return [
        package(
            "native",
            "nexus._native",
            "fast vector scan, CPU features, memory trimming",
            "apt-get install g++ python3-dev && make up",
        ),
        package("qdrant", "qdrant_edge", "index on disk", "pip install qdrant-edge-py"),
        package("qdrant-client", "qdrant_client", "index on a Qdrant server", "pip install qdrant-client"),
        package("torch", "torch", "nexus train, eval and stream", "scripts/torch.sh"),
        package("llama.cpp", "xllamacpp", "local chat model", "pip install xllamacpp"),
        *pausing_parts(),
        package(
            "agentmem",
            "nexus._agentmem",
            "one copy of what many agents hold (Store)",
            "apt-get install g++ python3-dev libzstd-dev && make up",
        ),
        program(
            "agentmem broker",
            ("nexus-agentmemd",),
            "keeps what agents share",
            "apt-get install g++ libzstd-dev && make up",
        ),
        fuse_part(),
        *sandbox_parts(),
        program("hook client", ("nexus-hook",), "what agents call at each prompt", "make up"),
        program("chromium", ("chromium", "google-chrome"), "browser tests", "apt-get install chromium"),
        program("npm", ("npm",), "models that come as npm packages", "apt-get install npm"),
    ]


def fuse_part(device: Path = Path("/dev/fuse")) -> Part:
    """What `nexus mount` needs of the machine: the kernel's FUSE, and for an ordinary user a helper."""
    purpose = "files as a folder for every program (nexus mount)"
    if not device.exists():
        mend = "modprobe fuse; a container needs --device /dev/fuse --cap-add SYS_ADMIN"
        return Part("fuse", "missing", f"{purpose}: there is no {device}", mend)
    if os.geteuid() == 0:
        return Part("fuse", "available", f"{purpose} ({device})")
    return program("fuse", ("fusermount3",), purpose, "apt-get install fuse3")


def sandbox_parts(root: Path = Path("/")) -> list[Part]:
    """What running agents' code needs of the machine, from strong and fast to slow; one backend is enough.

    Whether each truly works is tried by `nexus unikernel doctor`.
    """
    purpose = "agents' code in a virtual machine"
    device = root / "dev/kvm"
    kvm = program(
        "sandbox: kvm", ("nexus-tender-kvm",), f"{purpose}, with {device}", "make up; Linux on x86-64"
    )
    if kvm.state == "available" and not device.exists():
        kvm = Part(kvm.name, "missing", f"{purpose}: there is no {device}", "modprobe kvm-intel (or kvm-amd)")
    elif kvm.state == "available" and not os.access(device, os.R_OK | os.W_OK):
        detail = f"{purpose}: this user may not use {device}"
        kvm = Part(kvm.name, "missing", detail, "sudo usermod -aG kvm $USER, then log in again")
    seccomp = "agents' code in a locked process"
    qemu = "agents' code in an emulated machine"
    packages = "agents' code that needs CPython's packages"
    image = _python_image()
    built = "the Python that agents' code runs in"
    mend = "nexus unikernel build (needs gcc, and a Debian or Ubuntu mirror in apt's sources)"
    return [
        kvm,
        program("sandbox: seccomp", ("nexus-tender-spt",), seccomp, "make up; Linux on x86-64"),
        program("sandbox: qemu", ("qemu-system-x86_64",), qemu, "apt-get install qemu-system-x86"),
        program("sandbox: bubblewrap", ("bwrap",), packages, "apt-get install bubblewrap"),
        Part("sandbox: image", "available", f"{built} ({image})")
        if image
        else Part("sandbox: image", "missing", built, mend),
    ]


def _python_image() -> Path | None:
    """A built image of Python in NEXUS_HOME. Whether it is of these sources the builder knows."""
    from nexus.core.errors import NexusError
    from nexus.core.paths import Home

    try:
        folder = Home.from_env().cache / "unikernel"
    except NexusError:
        return None
    found = (about.parent for about in folder.glob("*/image.json") if '"python"' in _text(about))
    return next(found, None)


def pausing_parts(root: Path = Path("/")) -> list[Part]:
    """What pausing idle agents needs of the machine."""
    swap = len(_text(root / "proc/swaps").splitlines()) > 1
    zswap = _text(root / "sys/module/zswap/parameters/enabled").strip() == "Y"
    pageout = program("agent pause", ("nexus-pageout",), "idle agents leave RAM", "make up; Linux only")
    mends = {name: f"sudo nexus tune --apply --only {name}" for name in ("swap", "zswap", "rights")}
    if pageout.state == "available" and not _may_page_out(root):
        detail = "this user may not page out other processes"
        pageout = Part("agent pause", "missing", detail, mends["rights"])
    return [
        Part("swap", "available" if swap else "missing", "place for paused agents", mends["swap"]),
        Part("zswap", "available" if zswap else "missing", "paused agents compressed in RAM", mends["zswap"]),
        pageout,
    ]


class RecentParts:
    """The parts as they were at most `seconds` ago. Any thread may ask; one looks, the others wait for it."""

    def __init__(
        self,
        look: Callable[[], list[Part]] = optional_parts,
        seconds: float = RECENT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._seconds, self._clock = look, seconds, clock
        self._lock = threading.Lock()
        self._seen: tuple[float, list[dict[str, str]]] | None = None

    def as_dicts(self) -> list[dict[str, str]]:
        """For JSON; not to be changed."""
        with self._lock:
            now = self._clock()
            if self._seen is None or now - self._seen[0] >= self._seconds:
                self._seen = now, [part.as_dict() for part in self._look()]
            return self._seen[1]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _may_page_out(root: Path) -> bool:
    """CAP_SYS_NICE, by this process or by the program's own file."""
    held = next((x for x in _text(root / "proc/self/status").splitlines() if x.startswith("CapEff:")), "0")
    if int(held.split()[-1], 16) & _CAP_SYS_NICE:
        return True
    path = shutil.which("nexus-pageout", path=str(Path(sys.executable).parent)) or ""
    try:
        # struct vfs_cap_data: the second of its words is what the file permits.
        return bool(int.from_bytes(os.getxattr(path, "security.capability")[4:8], "little") & _CAP_SYS_NICE)
    except OSError:
        return False


_recent = RecentParts()
recent_parts = _recent.as_dicts

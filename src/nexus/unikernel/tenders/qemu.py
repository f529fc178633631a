"""The backend `qemu`: QEMU's microvm machine, its processor translated in software (TCG). No KVM, no rights.

The image is booted by its PVH note (native/libos/core/pvh.h has the command line that it expects); the guest
speaks frames over a virtio console on the channel. QEMU starts with its own system call filter, without
devices but the console, under a limit of processor time; where this process is root, as nobody. Knows nothing
of what guests ask. Invariant: QEMU gets image and modules as open files, and opens nothing of the user's.
"""

from __future__ import annotations

import atexit
import math
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from nexus.core.errors import MissingPartError
from nexus.unikernel import abi, confine
from nexus.unikernel import words as command_line
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.tender import Backend, Launch, Preflight

PROGRAM = "qemu-system-x86_64"
OLDEST = (7, 2)
INSTALL = "apt install qemu-system-x86 (dnf install qemu-system-x86-core)"
SECCOMP_MISSING = "run where the system and its container allow seccomp filters (CONFIG_SECCOMP_FILTER)"
CONSOLE = "0xfeb00e00"  # where microvm puts the registers of its only virtio device
NOBODY = confine.NOBODY
_STEP = 2 << 20  # guest memory is a multiple of it
_TRANSLATED = 32  # MiB of translated code kept
_MACHINE = (
    "-nodefaults -no-user-config -display none -no-reboot -smp 1"
    " -M microvm,auto-kernel-cmdline=off,acpi=off,rtc=off,pit=off,pic=off,isa-serial=off,usb=off,pcie=off"
    f" -accel tcg,thread=single,tb-size={_TRANSLATED}"
    " -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
    " -global virtio-mmio.force-legacy=off -device virtio-serial-device -chardev socket,id=c,fd=3"
    " -device virtserialport,chardev=c,nr=1 -kernel /dev/fd/4 -initrd /dev/fd/5"
).split()
# QEMU has no limit of processor time, and its files have to be open before it is nobody. SIGXCPU comes first
# and says why; SIGKILL a second later where that was caught.
_SHELL = 'ulimit -c 0; ulimit -S -t "$1"; ulimit -H -t "$2"; exec 4<"$3" 5<"$4"; shift 4; exec "$@"'
_seen: dict[tuple[str, int], tuple[float, Preflight]] = {}  # program and its date: when, what


class Qemu:
    """A virtual machine by software alone. `program` is looked for in PATH."""

    name: Backend = "qemu"

    def __init__(self, program: str = PROGRAM) -> None:
        self.program = program

    def preflight(self) -> Preflight:
        """Whether QEMU is there, new enough, with the machine that images boot on."""
        path = shutil.which(self.program)
        if path is None:
            return Preflight("qemu", False, f"{self.program} is not in PATH", INSTALL, "no_program")
        if os.geteuid() == 0 and shutil.which("setpriv") is None:
            detail = "setpriv is not in PATH; it lets root start QEMU as nobody"
            return Preflight("qemu", False, detail, "apt install util-linux", "no_program")
        if not confine.can_leave_system():
            detail = "this system refuses seccomp, by which QEMU leaves its system calls behind"
            return Preflight("qemu", False, detail, SECCOMP_MISSING, "no_seccomp")
        key, now = (path, Path(path).stat().st_mtime_ns), time.monotonic()
        held = _seen.get(key)
        if held is None or not (held[1].works or now - held[0] < 1):
            held = _seen[key] = now, _looked(path)
        return held[1]

    def launch(
        self, image: Image, modules: Sequence[tuple[str, Path]], words: Sequence[str], limits: Limits
    ) -> Launch:
        """QEMU's command line. Raises `InvalidInputError` for words that no command line carries, `OSError`
        for modules that cannot be read, `MissingPartError` without QEMU."""
        path = shutil.which(self.program)
        if path is None:
            raise MissingPartError(f"{self.program} is not in PATH", hint=INSTALL)
        line = command_line.joined((f"nx.virtio={CONSOLE}", *words))
        archive = _archived(modules)
        memory = abi.BASE + -(-limits.memory // _STEP) * _STEP
        seconds = math.ceil(limits.cpu)
        return Launch(
            (
                *("/bin/sh", "-c", _SHELL, "sh", str(seconds), str(seconds + 1)),
                *(str(_for_nobody(image)), str(archive), *_dropping()),
                *(path, *_MACHINE, "-m", f"{memory >> 10}K", "-append", line),
            ),
            frames="all",
            files=(archive,),
        )


def _looked(path: str) -> Preflight:
    try:
        said = _asked(path, "--version")
        found = re.search(r"version (\d+)\.(\d+)", said)
        if found is None:
            return Preflight("qemu", False, f"{path} --version says {said[:80]!r}", INSTALL, "no_program")
        version = int(found[1]), int(found[2])
        if version < OLDEST:
            detail = f"QEMU {found[1]}.{found[2]}: {OLDEST[0]}.{OLDEST[1]} or newer is needed"
            return Preflight("qemu", False, detail, INSTALL, "old_program")
        if not re.search(r"^microvm\b", _asked(path, "-M", "help"), re.MULTILINE):
            detail = f"QEMU {found[1]}.{found[2]} was built without the machine microvm"
            return Preflight("qemu", False, detail, INSTALL, "no_machine")
    except (OSError, subprocess.SubprocessError) as error:
        return Preflight("qemu", False, f"{path} does not start: {error}", INSTALL, "no_program")
    return Preflight("qemu", True, f"QEMU {found[1]}.{found[2]}, translating in software (TCG)")


def _asked(*argv: str) -> str:
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=10,
        check=True,
    )
    return done.stdout


def _dropping() -> tuple[str, ...]:
    """The program that leaves rights behind; nothing where there is none to run and none to leave."""
    path = shutil.which("setpriv")
    if path is None:
        return ()
    who = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups") if os.geteuid() == 0 else ()
    return (path, "--no-new-privs", "--pdeathsig", "KILL", *who, "--")


def _archived(modules: Sequence[tuple[str, Path]]) -> Path:
    """The modules in one temporary file."""
    content = abi.archive([abi.Module(name, path.read_bytes()) for name, path in modules])
    descriptor, name = tempfile.mkstemp(suffix=".nxa", dir=_folder())
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o444)
        file.write(content)
    return Path(name)


def _for_nobody(image: Image) -> Path:
    """An image file that nobody may read once it is open. Root's own may not, so it is copied, once."""
    if os.geteuid() != 0 or image.elf.stat().st_mode & 0o004:
        return image.elf.absolute()
    copy = _folder() / f"{image.key}.elf"
    if not copy.exists():
        descriptor, name = tempfile.mkstemp(dir=_folder())
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o444)
            file.write(image.elf.read_bytes())
        os.replace(name, copy)
    return copy


@cache
def _folder() -> Path:
    """A folder of this process that only its user can enter; gone when it ends."""
    folder = tempfile.mkdtemp(prefix=f"nexus-qemu-{os.getpid()}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)

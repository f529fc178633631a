"""What a guest does: an initramfs whose /init loads modules, runs steps in order and turns the machine off.

A step is a name, a command of the guest's shell and a limit in seconds; it is ok when the command ends with 0.
What a command prints goes to the serial line, results of its own included. Knows no kernel and no QEMU.
Invariant: /init ends with the machine's end whatever the steps do, and says `end` only after the last of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.kernel.initramfs import Initramfs
from scripts.kernel.serial import END, TAINT

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /bin /sbin
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/tests
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp 2>/dev/null
mount -t debugfs debug /sys/kernel/debug 2>/dev/null
mount -t tracefs tracing /sys/kernel/tracing 2>/dev/null
exec </dev/null >/dev/console 2>&1
echo "NEXUS-KERNEL up: ok"
echo "figure guest_up $(cut -d' ' -f1 /proc/uptime) s"
load() { # NAME
    insmod /modules/$1.ko && return
    echo "NEXUS-KERNEL load-$1: FAIL insmod"
}
step() { # NAME LIMIT COMMAND
    echo "step $1 at $(cut -d' ' -f1 /proc/uptime)"
    timeout -s KILL $2 sh -c "$3"
    status=$?
    if [ $status = 0 ]; then echo "NEXUS-KERNEL $1: ok"
    elif [ $status = 137 ]; then echo "NEXUS-KERNEL $1: FAIL killed, or not done after $2 s"
    else echo "NEXUS-KERNEL $1: FAIL status $status"; fi
}
%s
if [ -e /sys/kernel/debug/kmemleak ]; then
    # Twice, some seconds apart: what is young is not told.
    echo scan >/sys/kernel/debug/kmemleak; sleep 6; echo scan >/sys/kernel/debug/kmemleak
    head -c 4000 /sys/kernel/debug/kmemleak
fi
echo "figure %s $(cat /proc/sys/kernel/tainted) flags"
echo "NEXUS-KERNEL %s: ok"
reboot -f
"""


@dataclass(frozen=True)
class Step:
    """One thing that the guest does."""

    name: str
    command: str
    limit_s: int = 30


def initramfs(
    busybox: Path,
    modules: Iterable[tuple[str, bytes]],
    steps: Sequence[Step],
    files: Mapping[str, Path] | None = None,
    *,
    unloaded: Iterable[tuple[str, bytes]] = (),
) -> bytes:
    """The archive. `modules` are loaded before the steps; `unloaded` only lie in /modules; files are programs."""
    root = Initramfs()
    root.console()
    for name in ("proc", "sys", "dev", "tmp", "bin", "sbin"):
        root.folder(name)
    root.program("bin/busybox", busybox)
    orders = []
    for name, data in modules:
        root.file(f"modules/{name}.ko", data)
        orders.append(f"load {name}")
    for name, data in unloaded:
        root.file(f"modules/{name}.ko", data)
    for step in steps:
        command = step.command.replace("'", "'\\''")
        orders.append(f"step {step.name} {step.limit_s} '{command}'")
    for path, source in (files or {}).items():
        root.program(path, source)
    root.file("init", INIT % ("\n".join(orders), TAINT, END), 0o755)
    return root.archive()

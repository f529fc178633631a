"""A virtual machine of QEMU without acceleration: boots a kernel, gives back what came over its serial line.

Knows nothing of what the guest does. Invariant: when `boot` returns, the machine is gone.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.kernel.packages import need

QEMU = "qemu-system-x86_64"
# The least that has what kernels defend themselves with: a kernel that reads user memory directly is caught.
PROCESSOR = "qemu64,+smap,+smep,+ssse3,+sse4.1,+sse4.2,+rdrand,+fsgsbase,+umip"
# A busy host leaves a guest without a processor for seconds: the guest's kernel complains a little later than
# it would (21, 20 and 120 s). What `append` says of these counts instead.
PATIENCE = "rcupdate.rcu_cpu_stall_timeout=60 watchdog_thresh=30 sysctl.kernel.hung_task_timeout_secs=240"
# Warnings and worse reach the serial line, where each letter costs; a kernel that is lost ends the machine.
ARGUMENTS = "console=ttyS0 loglevel=5 panic=-1 nokaslr mitigations=off random.trust_cpu=on no_timer_check"
_running: set[int] = set()  # processes of QEMU that nobody has waited for yet
UP = "NEXUS-KERNEL up: ok"


@dataclass(frozen=True)
class Boot:
    """One boot: the serial line's lines, and times in seconds."""

    lines: list[str]
    up_s: float | None  # until the guest's /init said that it runs
    wall_s: float
    cpu_s: float  # of QEMU: what the boot costs on a machine that does nothing else
    timed_out: bool


def boot(
    image: Path,
    initramfs: bytes,
    *,
    limit_s: float,
    memory_mb: int = 512,
    processors: int = 2,
    append: str = "",
    extra: Sequence[str] = (),
    watch: Callable[[str], None] | None = None,
) -> Boot:
    """Boot and wait for the machine to end, at most `limit_s` seconds. `watch` gets each line as it comes."""
    program = need(QEMU, "qemu-system-x86")
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".cpio.gz") as archive:
        archive.write(initramfs)
        archive.flush()
        command = [program, "-accel", "tcg,thread=multi", "-m", str(memory_mb), "-smp", str(processors)]
        command += [
            "-cpu",
            PROCESSOR,
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-serial",
            "stdio",
        ]
        command += ["-no-reboot", "-kernel", str(image), "-initrd", archive.name]
        command += ["-append", f"{ARGUMENTS} {PATIENCE} {append}".strip(), *extra]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        lines: list[str] = []
        up: list[float] = []

        def hear(line: str) -> None:
            lines.append(line)
            if not up and UP in line:
                up.append(time.monotonic() - started)
            if watch is not None:
                watch(line)

        _running.add(process.pid)
        in_time = False
        try:
            in_time = _listen(process, hear, started + limit_s)
        finally:
            if not in_time:
                os.kill(process.pid, signal.SIGKILL)
            cpu_s = _reap(process)
    return Boot(
        lines,
        up[0] if up else None,
        time.monotonic() - started,
        cpu_s,
        not in_time,
    )


def end_all() -> None:
    """End the machines that run, in whichever thread; each `boot` then returns."""
    for process in list(_running):
        os.kill(process, signal.SIGKILL)


def _listen(process: subprocess.Popen[bytes], hear: Callable[[str], None], deadline: float) -> bool:
    """Hand on lines until the machine ends; False when it had not at the deadline."""
    assert process.stdout is not None
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(min(left, 1.0)):
                continue
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                break
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                hear(line.decode("utf-8", "replace").rstrip("\r"))
        else:
            if rest:
                hear(rest.decode("utf-8", "replace"))
            return False
    if rest:
        hear(rest.decode("utf-8", "replace"))
    return True


def _reap(process: subprocess.Popen[bytes]) -> float:
    """Wait for the end of a process that nobody has waited for; the seconds of processor time it took."""
    _, status, used = os.wait4(process.pid, 0)
    _running.discard(process.pid)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stdout is not None:
        process.stdout.close()
    return used.ru_utime + used.ru_stime

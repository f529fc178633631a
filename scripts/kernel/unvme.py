"""`python3 -m scripts.kernel.unvme`: the NVMe driver in user space and the cold log on it, in QEMU.

Machines of a kernel of Debian with an emulated NVMe disk: one where the disk is bound to uio_pci_generic, one
where it is bound to vfio-pci behind an IOMMU, and some whose power goes while the log is written (QEMU is
killed), after which what the log had acknowledged must be there. The guest's programs lie in
tests/native/agentmem/unvme. Knows nothing of what they try. Ends with 0 when all is well or something is
missing, which it says; with --strict that is 1.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.kernel import build, guest, machine, packages, serial
from scripts.kernel.guest import Step
from scripts.kernel.packages import Kernel, MissingError

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "native" / "agentmem"
GUESTS = ROOT / "tests" / "native" / "agentmem" / "unvme"
MODULES = ("nvme", "uio_pci_generic", "vfio_iommu_type1", "vfio_pci")
DISK_BYTES = 256 << 20
LIMIT_S = 1800  # of a machine that hangs; a busy one takes minutes
IOMMU = ("-machine", "q35", "-device", "intel-iommu")
BAD_AT = 200 << 20  # of the disk: a block that cannot be read, and 1 MiB on one that cannot be written to
KEPT = re.compile(r"^kept (\d+)$")
PULL = "pull it out"
PROGRAMS = ("unvme-trial", "unvme-client", "agentmemd")
FIRST = ("read_4k_kernel", "read_4k_polled", "log_append_sync")
AT = "$(cat /tmp/address)"


class PowerCutError(Exception):
    """The moment has come; the machine ends with it."""


class Trials:
    """Machines of one kernel, and the disks that they are given."""

    def __init__(self, kernel: Kernel, folder: Path, *, verbose: bool) -> None:
        self.kernel = kernel
        self.folder = folder
        self.verbose = verbose
        self.bad = 0

    def build(self) -> None:
        """The guest's programs: the trials, an agent, and the broker."""
        packages.need(machine.QEMU, "qemu-system-x86")
        library = sorted((NATIVE / "lib").glob("*.c"))
        agents = [path for path in library if path.name.startswith(("client", "kernel"))]
        base = [path for path in library if path not in agents] + sorted((NATIVE / "unvme").glob("*.c"))
        self._compile("unvme-trial", [*GUESTS.glob("trial*.c"), *base])
        self._compile("unvme-client", [GUESTS / "client.c", *agents, *base])
        self._compile("agentmemd", [*NATIVE.glob("broker/*.c"), *NATIVE.glob("store/*.c"), *base])

    def _compile(self, name: str, sources: Sequence[Path]) -> None:
        include = [NATIVE / folder for folder in ("include", "lib", "unvme", "broker", "store")]
        build.program(
            sources,
            self._program(name),
            include=include,
            define=["_GNU_SOURCE"],
            libraries=["-lzstd", "-lm"],
        )

    def disk(self, name: str) -> Path:
        """An empty disk."""
        path = self.folder / f"{name}.img"
        path.unlink(missing_ok=True)
        with path.open("wb") as file:
            file.truncate(DISK_BYTES)
        return path

    def boot(
        self, name: str, disk: Path, steps: Sequence[Step], *, device: str = "", iommu: bool = False
    ) -> None:
        """One machine, judged by what it said."""
        lines: list[str] = []
        self._run(disk, steps, lines, device=device, iommu=iommu)
        self._judge(name, lines, steps)

    def cut(self, name: str, disk: Path, steps: Sequence[Step], after: int) -> int:
        """A machine whose power goes at the log's acknowledgement number `after`; the last record of it."""
        lines: list[str] = []
        acknowledged: list[int] = []

        def watch(line: str) -> None:
            found = KEPT.match(line)
            if found:
                acknowledged.append(int(found[1]))
            if len(acknowledged) >= after:
                raise PowerCutError

        try:
            self._run(disk, steps, lines, watch=watch)
        except PowerCutError:
            report = serial.read(lines)
            problems = [*report.failed, *report.splats]
        else:
            problems = ["the machine ended by itself", *lines[-40:]]
        self._say(name, f"cut off after {acknowledged[-1] if acknowledged else 0} records", problems)
        return acknowledged[-1] if acknowledged else 0

    def _run(
        self,
        disk: Path,
        steps: Sequence[Step],
        lines: list[str],
        *,
        device: str = "",
        iommu: bool = False,
        watch: Callable[[str], None] | None = None,
    ) -> None:
        def hear(line: str) -> None:
            lines.append(line)
            if self.verbose:
                print(f"  | {line}", flush=True)
            if line == PULL:
                pull(f"{scratch}/monitor")
            if watch is not None:
                watch(line)

        programs = {f"tests/{name}": self._program(name) for name in PROGRAMS}
        programs |= {f"tests/{name}": GUESTS / name for name in ("bind.sh", "broker.sh")}
        modules = build.with_needed(self.kernel, MODULES)
        archive = guest.initramfs(packages.busybox(self.folder), modules, steps, programs)
        bad = [("read", BAD_AT), ("write", BAD_AT + (1 << 20))]
        rules = [
            f"file.inject-error.{number}.{rule}"
            for number, (kind, at) in enumerate(bad)
            for rule in ("event=none", f"iotype={kind}", f"sector={at // 512}")
        ]
        drive = [*("if=none", "id=d", "driver=raw", "file.driver=blkdebug"), *rules]
        drive += ["file.image.driver=file", f"file.image.filename={disk}"]
        extra = [*(IOMMU if iommu else ()), "-drive", ",".join(drive)]
        extra += ["-device", f"nvme,drive=d,id=disk,serial=trial{device}"]
        append = "intel_iommu=on" if iommu else ""
        with tempfile.TemporaryDirectory() as scratch:
            extra += ["-monitor", f"unix:{scratch}/monitor,server=on,wait=off"]
            boot = machine.boot(
                self.kernel.image,
                archive,
                limit_s=LIMIT_S,
                memory_mb=512,
                append=append,
                extra=extra,
                watch=hear,
            )
        if boot.timed_out:
            lines.append(f"NEXUS-KERNEL machine: FAIL not done after {LIMIT_S} s")

    def _judge(self, name: str, lines: list[str], steps: Sequence[Step]) -> None:
        report = serial.read(lines)
        problems = report.problems(step.name for step in steps)
        figures = [
            f"{figure} {value:,.1f} {unit}"
            for figure, (value, unit) in report.figures.items()
            if figure.startswith(FIRST)
        ]
        if problems:
            problems += lines[-60:]
        self._say(name, f"{len(report.passed)} results ok; {', '.join(figures)}", problems)

    def _say(self, name: str, text: str, problems: Sequence[str]) -> None:
        print(f"== {name}: {text}")
        for problem in problems:
            print(f"   PROBLEM {problem}")
        sys.stdout.flush()
        self.bad += bool(problems)

    def _program(self, name: str) -> Path:
        return self.folder / "guests" / name


TAKE = Step("take", f"agentmemd --take nvme:{AT}", 240)
PULLED = Step("pulled", f"unvme-trial pulled {AT}", 120)


def pull(path: str) -> None:
    """Take the disk out of the machine whose monitor is at this path."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(10)
        monitor.connect(path)
        for order in (b"", b"device_del disk\n"):
            monitor.sendall(order)
            answer = b""
            while not answer.endswith(b"(qemu) "):
                answer += monitor.recv(4096)


def uio(trials: Trials) -> None:
    """A disk of blocks of 512 bytes, bound to uio_pci_generic; at the end it is pulled out."""
    trials.boot("uio_pci_generic", trials.disk("uio"), [*whole("uio_pci_generic"), PULLED])


def vfio(trials: Trials) -> None:
    """A disk of blocks of 4096 bytes and of 16 KiB at most in a command, vfio-pci and an IOMMU."""
    small = ",mdts=2,logical_block_size=4096,physical_block_size=4096"
    trials.boot("vfio-pci, intel-iommu", trials.disk("vfio"), whole("vfio-pci"), device=small, iommu=True)


def cuts(trials: Trials, count: int = 3, seed: int = 1) -> None:
    """The power goes `count` times while one disk's log is written; what it acknowledged is there."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    disk, kept = trials.disk("cuts"), 0
    log = Step("log", f"unvme-trial log nvme:{AT} 0", 600)
    for number in range(count):
        first = Step("replay", f"unvme-trial replay nvme:{AT} {kept}", 240) if number else TAKE
        steps = bound("uio_pci_generic", first, log)
        kept = trials.cut(f"power cut {number + 1}", disk, steps, chance.randint(5, 60))
    after = Step("replay", f"unvme-trial replay nvme:{AT} {kept}", 240)
    trials.boot("after the last power cut", disk, bound("uio_pci_generic", after))


def bound(driver: str, *steps: Step) -> list[Step]:
    """The disk bound to a driver, then the steps."""
    return [Step("bind", f"bind.sh {driver}", 120), *steps]


def whole(driver: str) -> list[Step]:
    """All that is tried with one way in. The kernel's own driver comes first, for its figures."""
    return [
        Step("kernel", "unvme-trial kernel /dev/nvme0n1", 240),
        Step("other", "dd if=/dev/urandom of=/dev/nvme0n1 bs=4096 seek=3 count=1 2>/dev/null && sync", 120),
        *bound(driver),
        Step("stranger", f"unvme-trial stranger nvme:{AT}", 120),
        Step("data", f"unvme-trial data {AT}", 240),
        Step("bad", f"unvme-trial bad {AT} {BAD_AT}", 240),
        Step("broker", "broker.sh", 400),
        Step("wipe", f"unvme-trial wipe {AT}", 240),
        Step("errors", f"unvme-trial errors {AT}", 240),
        Step("latency", f"unvme-trial latency {AT}", 240),
        TAKE,
        Step("log", f"unvme-trial log nvme:{AT} 600", 300),
        Step("replay", f"unvme-trial replay nvme:{AT} 600", 240),
        Step("more", f"unvme-trial log nvme:{AT}/1 700", 240),
    ]


def main() -> int:
    """Run all; the exit status."""
    parser = argparse.ArgumentParser(prog="unvme", description="test the NVMe driver in user space in QEMU")
    parser.add_argument("--series", choices=packages.META, default="6.1", help="the kernel of Debian")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "kernel", help="for what is made")
    parser.add_argument("--part", choices=["uio", "vfio", "cuts"], help="one of the three")
    parser.add_argument("--cuts", type=int, default=3, help="how often the power goes")
    parser.add_argument("--seed", type=int, default=1, help="of the moments when it goes")
    parser.add_argument("--strict", action="store_true", help="what is missing is a failure")
    parser.add_argument("--verbose", action="store_true", help="show the serial line")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the machine goes too
    started = time.monotonic()
    try:
        kernel = packages.debian_kernel(options.series, options.folder)
        trials = Trials(kernel, options.folder, verbose=options.verbose)
        trials.build()
    except MissingError as error:
        print(f"unvme: skipped: {error}", flush=True)
        return 1 if options.strict else 0
    except build.BuildError as error:
        print(f"unvme: {error}", file=sys.stderr)
        return 1
    if options.part in (None, "uio"):
        uio(trials)
    if options.part in (None, "vfio"):
        vfio(trials)
    if options.part in (None, "cuts"):
        cuts(trials, options.cuts, options.seed)
    word = "FAILED" if trials.bad else "ok"
    print(f"unvme: {word} after {time.monotonic() - started:.0f} s, Linux {kernel.release}")
    return 1 if trials.bad else 0


if __name__ == "__main__":
    sys.exit(main())

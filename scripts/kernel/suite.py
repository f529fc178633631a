"""The tests of the kernel module: which guests run in which machine, and what is made of what they said.

Two machines for a kernel: one as people have it, where times mean something; one with little memory, whose
slab allocator checks itself, where the module is stressed. Sources of guests lie in tests/kernel, those of
the module in native/agentmem/kmod. Invariant: a guest that said nothing is a problem, not a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from scripts.kernel import build, guest, machine, packages, serial, stats
from scripts.kernel.guest import Step
from scripts.kernel.packages import Kernel, MissingError

ROOT = Path(__file__).resolve().parents[2]
GUESTS = ROOT / "tests" / "kernel"
MODULE = "agentmem"
NEEDED = ("zstd_compress", "zstd_decompress", "libsha256", "libblake2s")
PROGRAMS: dict[str, tuple[str, ...]] = {
    "conformance": tuple(f"conformance{of}.c" for of in ("", "_units", "_agents", "_owned", "_many")),
    "figures": ("figures.c",),
    "unload": ("unload.c",),
    "stress": ("stress.c",),
    "faults": ("faults.c",),
    "pressure": ("pressure.c",),
    "fuzz": ("fuzz.c",),
}
# libagentmem itself, whose conformance suite is the one that its broker passes too.
LIBRARY = "library"
LIBRARY_TESTS = ROOT / "tests" / "native" / "agentmem"
LIBRARY_SOURCES = ("client*.c", "kernel*.c", "blake3*.c", "figures.c", "json.c")
SELF_CHECKING = "slub_debug=FZPU"  # red zones, poison, owners: what a kernel of Debian can check
# What the library's suite wants an agent's quota to be, and what the module has without.
PARAMETERS = f"/sys/module/{MODULE}/parameters"
QUOTA = f"echo 150 >{PARAMETERS}/agent_units && echo 6291456 >{PARAMETERS}/agent_bytes"
NO_QUOTA = f"echo 65536 >{PARAMETERS}/agent_units; echo 0 >{PARAMETERS}/agent_bytes"
LIBRARY_STEP = f"{QUOTA} && {LIBRARY} /dev/agentmem; s=$?; {NO_QUOTA}; exit $s"
# Nothing is judged by time: a step that takes longer than this hangs.
HANGS_S = 900
PATIENCE_S = 900  # what a guest waits until it has done enough on a slow machine
# Interrupts that come while a slow kernel sets the IO-APIC up are its death. A kernel that checks each access
# is tens of times slower than others, also where it cannot be interrupted: it may take longer than they.
SLOW = (
    "kmemleak=on noapic rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60"
    " sysctl.kernel.hung_task_timeout_secs=600"
)


@dataclass
class Outcome:
    """What one machine gave."""

    boot: machine.Boot
    report: serial.Report
    problems: list[str]


@dataclass
class Suite:
    """Guests and module built for one kernel; `source` is the tree that holds the module."""

    kernel: Kernel
    folder: Path
    source: Path = ROOT
    watch: Callable[[str], None] | None = None
    _module: bytes = field(default=b"", init=False)

    def build(self) -> None:
        """Build all, or say what is missing."""
        build_all([self])

    def build_module(self) -> None:
        """The module for this kernel, and the text that guests read."""
        native = self.source / "native" / "agentmem"
        if not (native / "kmod" / "Kbuild").exists():
            raise MissingError(f"{native / 'kmod'} has no module")
        packages.need(machine.QEMU, "qemu-system-x86")
        place = self.folder / "modules" / self.kernel.release / MODULE
        made = build.module(self.kernel, [native / "kmod", native / "include"], place, make_in="kmod")
        self._module = next(path for path in made if path.stem == MODULE).read_bytes()
        self._text.write_bytes(b"".join(path.read_bytes() for path in sorted((ROOT / "docs").rglob("*.md"))))

    def build_program(self, name: str) -> None:
        """One of the guests, which all kernels share."""
        native = self.source / "native" / "agentmem"
        include, define = [native / "include"], list[str]()
        if name == LIBRARY:
            paths = [path for pattern in LIBRARY_SOURCES for path in sorted((native / "lib").glob(pattern))]
            paths += sorted(LIBRARY_TESTS.glob("conformance*.c"))
            include, define = [*include, native / "lib"], ["_GNU_SOURCE"]
        else:
            paths = [GUESTS / source for source in (*PROGRAMS[name], "device.c")]
        build.program(paths, self._program(name), include=include, define=define)

    def run(self, steps: Sequence[Step], *, memory_mb: int = 512, append: str = "") -> Outcome:
        """Boot a machine with the module loaded, do the steps, judge what was said."""
        module = (MODULE, self._module)
        limit_s = HANGS_S + sum(step.limit_s for step in steps)
        files = {f"tests/{name}": self._program(name) for name in (*PROGRAMS, LIBRARY)}
        files["tests/text"] = self._text
        archive = guest.initramfs(
            packages.busybox(self.folder),
            [*build.with_needed(self.kernel, NEEDED), module],
            steps,
            files,
        )
        boot = machine.boot(
            self.kernel.image,
            archive,
            limit_s=limit_s,
            memory_mb=memory_mb,
            append=append,
            watch=self.watch,
        )
        report = serial.read(boot.lines)
        problems = report.problems(step.name for step in steps)
        if boot.timed_out:
            problems.insert(0, f"not done after {limit_s:.0f} s")
        return Outcome(boot, report, problems)

    def plain(self) -> Outcome:
        """As people have it: figures, conformance of module and library, unloading under use."""
        steps = [
            Step("figures", "figures /tests/text", HANGS_S),
            Step("conformance", "conformance", HANGS_S),
            Step("library", LIBRARY_STEP, HANGS_S),
            Step("unload", f"unload /modules/{MODULE}.ko 60", HANGS_S),
        ]
        outcome = self.run(steps, append="" if self.kernel.modules else SLOW)
        told = stats.differences(stats.marked(outcome.boot.lines))
        outcome.problems.extend(f"/proc/agent_stats: {line}" for line in told)
        return outcome

    def harsh(self, *, fuzz_s: int = 10, seed: int = 1) -> Outcome:
        """Little memory and an allocator that checks itself: stress, fuzz, failing allocations, pressure."""
        memory, most = (192, 4096) if self.kernel.modules else (320, 128)
        steps = [
            Step("stress", f"stress 8 8 {seed} {PATIENCE_S}", PATIENCE_S + HANGS_S),
            Step("faults", "faults", HANGS_S),
            Step("fuzz", f"fuzz {fuzz_s} {seed} {PATIENCE_S}", fuzz_s + PATIENCE_S + HANGS_S),
            Step("pressure", f"pressure {most} {PATIENCE_S}", PATIENCE_S + HANGS_S),
            Step("rmmod", f"rmmod {MODULE}", HANGS_S),
        ]
        return self.run(steps, memory_mb=memory, append=self._checks)

    def fuzz(self, seconds: int, seed: int) -> Outcome:
        """The fuzzer alone, as long as it is told."""
        steps = [
            Step("fuzz", f"fuzz {seconds} {seed} {PATIENCE_S}", seconds + PATIENCE_S + HANGS_S),
            Step("rmmod", f"rmmod {MODULE}", HANGS_S),
        ]
        return self.run(steps, append=self._checks)

    @property
    def _checks(self) -> str:
        return SELF_CHECKING if self.kernel.modules else SLOW

    @property
    def _text(self) -> Path:
        """Words that people wrote: what compresses as they do."""
        return self.folder / f"text-{self.kernel.release}"

    def _program(self, name: str) -> Path:
        return self.folder / "guests" / name


def build_all(suites: Sequence[Suite]) -> None:
    """What all suites of one source and folder need, at once; the first failure is told when all are done."""
    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(suite.build_module) for suite in suites]
        if suites:
            jobs += [pool.submit(suites[0].build_program, name) for name in (LIBRARY, *PROGRAMS)]
    for job in jobs:
        job.result()

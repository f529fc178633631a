"""`python3 -m scripts.kernel.compare`: the module and the broker side by side, in one guest of QEMU.

    python3 -m scripts.kernel.compare                        both kernels of Debian
    python3 -m scripts.kernel.compare --series 6.12 --json FILE
    python3 -m scripts.kernel.compare --host                 the broker alone, on this machine

One static client program (bench/kernel) runs on both, turn by turn, A B A B; NEXUS_AGENTMEM chooses. The
guest's processor is emulated: its times say something as ratios alone. Ends with 0 when every byte was right
or something is missing, which it says; with --strict the latter is 1.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.kernel import build, guest, machine, packages, serial
from scripts.kernel.guest import Step
from scripts.kernel.packages import META, Kernel, MissingError
from scripts.kernel.suite import MODULE, NEEDED

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ROOT / "native" / "agentmem"
CLIENT = ("client*.c", "kernel*.c", "blake3*.c", "figures.c", "json.c")
SHARED = ("log*.c", "blake3*.c", "codec*.c", "dictionary.c", "figures.c", "json.c", "pack*.c", "sketch.c")
AGENTS = 16
BACKENDS = ("module", "broker")
PLACE = {"module": "/dev/agentmem", "broker": "/run/socket"}
NAMED = re.compile(r"(?P<backend>module|broker)\.(?P<name>[\w-]+)\.(?P<turn>\d+)")
LIMITS = ("--hot", "256M", "--warm", "128M")
START = {
    "module": f"insmod /modules/{MODULE}.ko total_bytes=268435456",
    "broker": f"rm -rf /disk/b {PLACE['broker']} && mkdir -m 700 /disk/b && "
    f"{{ agentmemd --foreground --socket {PLACE['broker']} --folder /disk/b {' '.join(LIMITS)} "
    f">/disk/said 2>&1 & }} && until [ -S {PLACE['broker']} ]; do "
    "kill -0 $! || { cat /disk/said; exit 1; }; sleep 0.1; done",
}
END = {"module": f"rmmod {MODULE}", "broker": "killall agentmemd; while pidof agentmemd; do sleep 0.1; done"}
LIMIT_S = 900
PLENTY_MB, SCARCE_MB = 768, 320
UNITS_MIB = 96  # held when memory gets short, of SCARCE_MB
RATES = (400, 20)  # MiB a second that a process takes then: at once, and slowly
Rows = dict[str, dict[str, list[float]]]  # figure, backend, one value a turn


@dataclass
class Guests:
    """The machines of one kernel; `rows` is what they said, `units` what the figures are in."""

    kernel: Kernel
    folder: Path
    watch: bool
    module: bytes
    rows: Rows = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    units: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def run(self, steps: Sequence[Step], memory_mb: int, suffix: str = "") -> None:
        """One machine with module and broker; the names of its figures get the suffix."""
        guests = self.folder / "guests"
        files = {f"tests/{name}": guests / name for name in ("compare", "agentmemd", "texts", "plan")}
        modules = [*build.with_needed(self.kernel, NEEDED), (MODULE, self.module)]
        archive = guest.initramfs(packages.busybox(self.folder), modules, steps, files)
        with tempfile.NamedTemporaryFile(suffix=".img") as disk:
            disk.truncate(512 << 20)
            make = [packages.need("mke2fs", "e2fsprogs"), "-q", "-t", "ext4", disk.name]
            subprocess.run(make, check=True, capture_output=True)
            extra = [
                "-drive",
                f"if=none,id=d,file={disk.name},format=raw",
                "-device",
                "nvme,drive=d,serial=d",
            ]
            boot = machine.boot(
                self.kernel.image,
                archive,
                limit_s=sum(step.limit_s for step in steps),
                memory_mb=memory_mb,
                extra=extra,
                watch=(lambda line: print(f"  | {line}", flush=True)) if self.watch else None,
            )
        report = serial.read(boot.lines)
        told = report.problems(step.name for step in steps)
        if told:
            self.problems += [*told, *boot.lines[-30:]]
        for name, (value, unit) in report.figures.items():
            take(self.rows, self.units, name, value, unit, suffix)


def take(rows: Rows, units: dict[str, str], name: str, value: float, unit: str, suffix: str = "") -> None:
    """Put one figure where it belongs; what no backend said is left out."""
    found = NAMED.fullmatch(name)
    if found:
        rows[found["name"] + suffix][found["backend"]].append(value)
        units[found["name"] + suffix] = unit


def compare(kernel: Kernel, options: argparse.Namespace) -> Guests:
    """All machines of one kernel."""
    place = options.folder / "modules" / kernel.release / MODULE
    made = build.module(kernel, [NATIVE / "kmod", NATIVE / "include"], place, make_in="kmod")
    module = next(path for path in made if path.stem == MODULE).read_bytes()
    guests = Guests(kernel, options.folder, options.verbose, module)
    turns, sets = range(1, options.turns + 1), range(1, options.sets + 1)
    plenty = [
        *prepared(),
        *(turn(backend, n, "calls") for n in turns for backend in BACKENDS),
        *(turn(backend, n, "set", "/tests/plan") for n in sets for backend in BACKENDS),
        *(turn(backend, n, "kill") for n in sets for backend in BACKENDS),
    ]
    if options.part != "short":
        guests.run(plenty, PLENTY_MB)
    for rate in RATES if options.part != "plenty" else ():
        for _ in range(options.short):
            for backend in BACKENDS:
                step = turn(backend, 1, "short", f"{UNITS_MIB} {rate}")
                guests.run([*prepared(), step], SCARCE_MB, f"-at-{rate}")
    return guests


def prepared() -> Iterator[Step]:
    """A disk, a broker that keeps its cold tier there, and a module; each may hold all there is."""
    yield Step("disk", "mkdir -m 700 /disk /run && mount -t ext4 /dev/nvme0n1 /disk", 60)
    yield Step("limits", f"echo 268435456 >/sys/module/{MODULE}/parameters/total_bytes")
    yield Step("broker", START["broker"], 60)


def turn(backend: str, number: int, part: str, more: str = "") -> Step:
    """One turn of one backend. For `set` it is started anew and alone: no other memory comes and goes."""
    program = f"compare {backend} {number} {part} /tests/texts {more}"
    order = f"NEXUS_AGENTMEM={PLACE[backend]} {program}"
    if part == "set":
        other = BACKENDS[1 - BACKENDS.index(backend)]
        free = f"COMPARE_FREE=$(COMPARE_FREE=0 compare {backend} {number} free /tests/texts)"
        order = (
            f"{END[backend]}; {END[other]}; {free}; {START[backend]} && COMPARE_FREE=$COMPARE_FREE {order}"
        )
        order += f"; status=$?; {START[other]} && exit $status"
    return Step(f"{part}-{backend}-{number}", order, LIMIT_S)


def programs(folder: Path) -> None:
    """The client and the broker, static both, and what the agents say."""
    include = [
        NATIVE / "include",
        NATIVE / "lib",
        ROOT / "tests" / "kernel",
        NATIVE / "broker",
        NATIVE / "store",
        NATIVE / "unvme",
    ]
    client = [*sorted((ROOT / "bench" / "kernel").glob("*.c")), *_of(CLIENT)]
    guests = folder / "guests"
    build.program(client, guests / "compare", include=include, define=["_GNU_SOURCE"])
    broker = [path for of in ("broker", "store", "unvme") for path in sorted((NATIVE / of).glob("*.c"))]
    broker += _of(SHARED)
    if not Path("/usr/include/zstd.h").exists():
        raise MissingError("zstd.h is missing: apt-get install libzstd-dev")
    libraries = ["-lzstd", "-lm"]
    build.program(broker, guests / "agentmemd", include=include, define=["_GNU_SOURCE"], libraries=libraries)
    texts(guests)


def _of(patterns: Sequence[str]) -> list[Path]:
    lib = NATIVE / "lib"
    return [path for pattern in patterns for path in sorted(lib.glob(pattern))]


def texts(folder: Path) -> None:
    """What `nexus agents demo` gives its agents: texts, and a plan of who holds which."""
    sys.path.insert(0, str(ROOT / "src"))
    from nexus.agentmem.demo.making import made
    from nexus.agentmem.demo.texts import TextsWriter

    (folder / "texts").unlink(missing_ok=True)
    with TextsWriter(folder / "texts") as writer:
        lines = [
            f"{number} {int(block.type)} {block.place.offset} {block.place.length} "
            f"{int(block.talk)} {int(block.starts)}\n"
            for number, script in enumerate(made(AGENTS, writer))
            for block in script.blocks
        ]
    (folder / "plan").write_text("".join(lines))


def on_host(folder: Path, turns: int) -> tuple[Rows, dict[str, str]]:
    """The broker alone on this machine; without `short`, which would take this machine's memory."""
    rows: Rows = defaultdict(lambda: defaultdict(list))
    units: dict[str, str] = {}
    guests = (folder / "guests").resolve()
    with tempfile.TemporaryDirectory(prefix="compare-") as scratch:
        address = f"{scratch}/socket"
        order = [str(guests / "agentmemd"), "--foreground", "--socket", address, "--folder", f"{scratch}/b"]
        broker = subprocess.Popen([*order, *LIMITS], stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while not Path(address).exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            plan = str(guests / "plan")
            for what, *more in (["calls"], ["kill"], ["set", plan], ["set", plan, "ropes"]):
                for number in range(1, turns + 1):
                    command = [str(guests / "compare"), "broker", str(number), what, str(guests / "texts")]
                    environment = {**os.environ, "NEXUS_AGENTMEM": address}
                    done = subprocess.run(
                        [*command, *more], env=environment, stdout=subprocess.PIPE, text=True, check=True
                    )
                    for name, (value, unit) in serial.read(done.stdout.splitlines()).figures.items():
                        if not name.split(".")[1].endswith("-memory"):  # others use this machine too
                            take(rows, units, name, value, unit)
        finally:
            broker.terminate()
            broker.wait()
    return rows, units


def summary(rows: Rows, units: Mapping[str, str]) -> dict[str, Any]:
    """Least, median and most of each backend's turns, and the ratio of the medians, broker to module."""
    made: dict[str, Any] = {}
    for name, row in rows.items():
        made[name] = {"unit": units[name]}
        for backend, values in sorted(row.items()):
            if values:
                middle = statistics.median(values)
                made[name][backend] = {
                    "min": min(values),
                    "median": middle,
                    "max": max(values),
                    "turns": len(values),
                }
        if all(made[name].get(backend, {}).get("median") for backend in BACKENDS):
            ratio = made[name]["module"]["median"] / made[name]["broker"]["median"]
            made[name]["module_to_broker"] = float(f"{ratio:.3g}")
    return made


def show(title: str, table: Mapping[str, Any]) -> None:
    """Print it, a line a figure."""
    print(f"== {title}")
    for name, row in table.items():
        cells = [f"{backend} {_words(row[backend])}" for backend in BACKENDS if backend in row]
        ratio = f"  module/broker {row['module_to_broker']}" if "module_to_broker" in row else ""
        print(f"   {name:36} {row['unit']:6} {'  '.join(cells)}{ratio}")
    sys.stdout.flush()


def _words(values: Mapping[str, float]) -> str:
    return f"{values['median']:,.4g} ({values['min']:,.4g} to {values['max']:,.4g})"


def main() -> int:
    """Run what was asked for; the exit status."""
    parser = argparse.ArgumentParser(prog="compare", description="module and broker, measured in one guest")
    parser.add_argument("--series", action="append", choices=META, help="a kernel of Debian; both without")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "kernel", help="where things are made"
    )
    parser.add_argument("--turns", type=int, default=5, help="of each backend, for calls")
    parser.add_argument("--sets", type=int, default=3, help="turns of each, for units in common and kills")
    parser.add_argument(
        "--short", type=int, default=2, help="machines of each backend that run out of memory"
    )
    parser.add_argument(
        "--part", choices=["plenty", "short"], help="only the machines with memory, or without"
    )
    parser.add_argument("--host", action="store_true", help="the broker alone, on this machine")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--strict", action="store_true", help="what is missing is a failure")
    parser.add_argument("--verbose", action="store_true", help="show the serial line")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the machine goes too
    results: dict[str, Any] = {}
    problems: list[str] = []
    try:
        programs(options.folder)
        if options.host:
            results["host, broker alone"] = summary(*on_host(options.folder, options.turns))
        for series in () if options.host else options.series or META:
            packages.need(machine.QEMU, "qemu-system-x86")
            guests = compare(packages.debian_kernel(series, options.folder), options)
            results[f"Linux {guests.kernel.release}"] = summary(guests.rows, guests.units)
            problems += guests.problems
    except MissingError as error:
        print(f"compare: skipped: {error}", flush=True)
        return 1 if options.strict else 0
    except build.BuildError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    for title, table in results.items():
        show(title, table)
    for problem in problems:
        print(f"   PROBLEM {problem}")
    if options.json:
        write(results, options)
    return 1 if problems else 0


def write(results: Mapping[str, Any], options: argparse.Namespace) -> None:
    """As the other benches write theirs."""
    from nexus.cortex.evaluation.record import write as record

    version = subprocess.run([machine.QEMU, "--version"], capture_output=True, text=True, check=False).stdout
    notes = {
        "qemu": version.splitlines()[0] if version else "none",
        "accelerator": "TCG: the processor is emulated, times are for ratios alone; not so those of `host`",
        "guest": f"{PLENTY_MB} MiB, 2 processors; short: {SCARCE_MB} MiB, {UNITS_MIB} MiB of units, no swap",
        "agents": AGENTS,
    }
    record({**notes, "tables": dict(results)}, options.json)


if __name__ == "__main__":
    sys.exit(main())

"""What the calls of AgentMem cost in C, Python and Node; Redis over a Unix socket and LMDB beside them.

    python bench/agentmem_calls.py [--json FILE]

A broker of its own. Small calls are timed in batches, so that the clock's own cost does not count. CPU is the
caller's alone; wall includes the broker's answer. 20,000 units of 1 KB, asked for in another order than they
were stored in; the names lie in the order in which they are asked for. Needs cc and the build's static
libraries; node, redis-server and LMDB are left out, aloud, where they are not there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import record

from nexus.agentmem import Launcher, Store, UnitType

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "python" / "native" / "agentmem"
UNITS = 20_000
BATCH = 1000
LARGE = 50 << 20
Figures = dict[str, list[float]]


def summary(values: list[float]) -> dict[str, float]:
    """Minimum, median, 99th percentile."""
    ordered = sorted(values)
    return {
        "min": ordered[0],
        "p50": statistics.median(ordered),
        "p99": ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))],
    }


def show(rows: dict[str, Any], name: str, figures: Figures, unit: str = "ns") -> None:
    """Keep one line of the results and print it."""
    scale = {"ns": 1.0, "us": 1e3, "ms": 1e6}[unit]
    rows[name] = {"unit": unit}
    for which, values in figures.items():
        rows[name][which] = {key: round(value / scale, 2) for key, value in summary(values).items()}
    text = "  ".join(
        f"{which} min {row['min']:g} p50 {row['p50']:g} p99 {row['p99']:g}"
        for which, row in rows[name].items()
        if which != "unit"
    )
    print(f"{name:<44} {text} {unit}", flush=True)


def timed(call: Callable[[], object], rounds: int, calls: int = 1) -> Figures:
    """Nanoseconds of `call`, divided by the calls that it makes."""
    figures: Figures = {"cpu": [], "wall": []}
    for _ in range(rounds):
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        call()
        figures["cpu"].append((time.thread_time_ns() - cpu) / calls)
        figures["wall"].append((time.perf_counter_ns() - wall) / calls)
    return figures


def python_acquire(store: Store, rounds: int) -> Figures:
    names = []
    for n in range(UNITS):
        with store.publish(UnitType.TOOL_DEF, b"content %d " % n * 80) as unit:
            names.append(unit.id)
    order = [bytes(bytearray(names[n * 7919 % UNITS])) for n in range(UNITS)]
    batches = [order[at : at + BATCH] for at in range(0, UNITS, BATCH)]
    acquire = store.acquire

    def batch() -> None:
        for name in batches[0]:
            acquire(name)  # given back as soon as nothing refers to it
        batches.append(batches.pop(0))

    return timed(batch, rounds, BATCH)


def compiled(folder: Path) -> tuple[Path, bool] | None:
    """The C program, and whether LMDB is in it."""
    libraries = [BUILD / "libnexus_am_client.a", BUILD / "libnexus_am_base.a"]
    if shutil.which("cc") is None or not all(library.exists() for library in libraries):
        return None
    program = folder / "calls"
    command = ["cc", "-std=c11", "-O2", "-D_GNU_SOURCE", "-I", str(ROOT / "native/agentmem/include")]
    end = [*map(str, libraries), "-lzstd", "-lpthread", "-o", str(program)]
    source = str(ROOT / "bench/agentmem/calls.c")
    with_lmdb = subprocess.run(
        [*command, "-DWITH_LMDB", source, "-llmdb", *end], capture_output=True, check=False
    )
    if with_lmdb.returncode != 0:
        subprocess.run([*command, source, *end], check=True)
    return program, with_lmdb.returncode == 0


def in_c(program: Path, launcher: Launcher, what: str, rounds: int, folder: Path) -> Figures:
    done = subprocess.run(
        [str(program), str(launcher.socket), str(folder), what, str(UNITS), str(rounds)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


class Redis:
    """Just enough of RESP: SET and GET."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb", buffering=1 << 20)

    def call(self, *parts: bytes) -> bytes | None:
        head = b"*%d\r\n" % len(parts)
        for part in parts:
            head += b"$%d\r\n" % len(part)
            if len(part) > 65536:
                self._socket.sendall(head)
                self._socket.sendall(part)
                head = b"\r\n"
            else:
                head += part + b"\r\n"
        self._socket.sendall(head)
        line: bytes = self._file.readline()
        if line[:1] == b"-":
            raise RuntimeError(line.decode())
        if line[:1] != b"$":
            return None
        length = int(line[1:])
        return bytes(self._file.read(length + 2)[:length]) if length >= 0 else None


def connected(path: Path) -> Redis:
    """A connection, as soon as the server takes one."""
    for _ in range(3000):
        try:
            return Redis(path)
        except OSError:
            time.sleep(0.01)
    sys.exit("redis-server takes no connection")


def beside_redis(rows: dict[str, Any], folder: Path) -> None:
    program = shutil.which("redis-server")
    if program is None:
        print("redis-server is not installed: left out")
        return
    path = folder / "redis.sock"
    server = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        redis = connected(path)
        small, large = os.urandom(1024), os.urandom(LARGE)
        redis.call(b"SET", b"small", small)
        show(rows, "redis: get 1 KB", timed(lambda: redis.call(b"GET", b"small"), 3000), "us")
        show(rows, "redis: set 4 KB", timed(lambda: redis.call(b"SET", b"kept", small * 4), 3000), "us")
        show(rows, "redis: set 50 MB", timed(lambda: redis.call(b"SET", b"large", large), 5), "ms")
        show(rows, "redis: get 50 MB (a private copy)", timed(lambda: redis.call(b"GET", b"large"), 5), "ms")
    finally:
        server.terminate()
        server.wait()


def in_node(launcher: Launcher, rounds: int) -> Figures | None:
    addon, node = BUILD / "node" / "agentmem.node", shutil.which("node")
    if node is None or not addon.exists():
        print("node or its addon is not there: left out")
        return None
    done = subprocess.run(
        [node, str(ROOT / "bench/agentmem/calls.js"), str(UNITS), str(rounds)],
        env={**os.environ, "NEXUS_AGENTMEM": str(launcher.socket), "NEXUS_AGENTMEM_ADDON": str(addon)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def huge_pages() -> str:
    try:
        return Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled").read_text().strip()
    except OSError:
        return "not there"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="am-"))
    load = os.getloadavg()[0]
    try:
        with Launcher(folder / "broker", options=["--hot", "1G", "--cold", "0"]) as launcher:
            made = compiled(folder)
            if made is None:
                sys.exit(f"cc or the libraries in {BUILD} are missing; run: make up")
            program, lmdb = made
            print(f"load {load:.1f}, shared huge pages {huge_pages()}, {UNITS} units of 1 KB")
            for again in (1, 2):  # A B A B: the two runs say how much the machine moves
                show(rows, f"acquire + release, C ({again})", in_c(program, launcher, "acquire", 500, folder))
                figures = in_node(launcher, 200)
                if figures is not None:
                    show(rows, f"acquire + release, Node ({again})", figures)
                with Store.connect(launcher.socket, agent="bench-python") as store:
                    show(rows, f"acquire + release, Python ({again})", python_acquire(store, 500))
                if lmdb:
                    show(rows, f"lmdb: get ({again})", in_c(program, launcher, "lmdb", 500, folder))
            if not lmdb:
                print("liblmdb-dev is not installed: left out")
            show(rows, "attach and read one unit, C", in_c(program, launcher, "attach", 1000, folder), "us")
            show(rows, "publish new 4 KB, C", in_c(program, launcher, "publish", 2000, folder), "us")
            show(rows, "publish new 50 MB, C", in_c(program, launcher, "large", 8, folder), "ms")
            show(rows, "publish known 50 MB, C", in_c(program, launcher, "known", 8, folder), "ms")
        beside_redis(rows, folder)
    finally:
        shutil.rmtree(folder)
    if options.json:
        notes = {"load": load, "shared_huge_pages": huge_pages(), "units": UNITS}
        record.write({"rows": rows, **notes}, options.json)


if __name__ == "__main__":
    main()

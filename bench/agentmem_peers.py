"""The same texts held by 20 processes: AgentMem beside Redis, LMDB, plain copies, and copies merged by KSM.

    NEXUS_DATA=folder python bench/agentmem_peers.py [--units 1000] [--readers 20] [--rounds 2] [--ksm]
        [--json FILE]

1,000 units of 1 KB to 1 MB (as many of each doubling) are cut from real sessions and stored once in each
system. Then every reader gets all of them, each in an order of its own, keeps them and checks their
bytes. Each system comes --rounds times in turn (A B A B). Told are

    PSS         of all readers and of the server, all units held; less that of as many Pythons without any
    getting     CPU of a reader for getting all units once and touching each page, without the check; mean
    one read    a reader alone gets a unit, touches each page, lets go; 50th and 99th percentile, wall
    server      CPU of the server for storing and giving all of it

Redis 7 answers over a unix socket to a client of thirty lines here, so its figures are without a client
library's cost; what a reader keeps is its own copy. LMDB (PyPI lmdb, no part of ours; `pip install lmdb`)
maps one file, whose pages are in the page cache and counted in PSS. KSM (only as root, with --ksm) merges
plain copies; its switches are put back as they were. zswap alone is not measured here.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import record
from agentmem_mix import Source

from nexus.agentmem import Launcher, Store, UnitType
from nexus.agentmem.footprint import footprint
from nexus.agentmem.process_tree import processes, tree

KSM = Path("/sys/kernel/mm/ksm")
SMALLEST, DOUBLINGS = 1024, 10
READS = 3  # times that one reader reads everything alone
MERGING = 180.0  # seconds that KSM may take
_PR_SET_MEMORY_MERGE = 67
Get = Callable[[int], Any]  # a unit's number -> something that holds its bytes


def units(folder: Path, count: int) -> list[bytes]:
    """Distinct parts of real sessions."""
    text = b"\n".join(turn for turns in Source(folder).turns for turn in turns)
    pick = random.Random(1)
    found = []
    for number in range(count):
        size = round(SMALLEST * 2 ** (DOUBLINGS * (number + pick.random()) / count))
        at = pick.randrange(max(1, len(text) - size))
        found.append(text[at : at + size])
    pick.shuffle(found)
    return found


class Redis:
    """Just enough of a client."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb", buffering=1 << 16)

    def set(self, key: bytes, value: bytes) -> None:
        """Store."""
        self._send(b"SET", key, value)
        assert self._file.readline() == b"+OK\r\n"

    def get(self, key: bytes) -> bytes:
        """A copy."""
        self._send(b"GET", key)
        length = int(self._file.readline()[1:])
        value: bytes = self._file.read(length)
        self._file.read(2)
        return value

    def _send(self, *parts: bytes) -> None:
        text = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(b"*%d\r\n%b" % (len(parts), text))


def getter(system: str, place: str, names: list[str]) -> Get:
    """How a reader of this system gets one unit."""
    if system == "AgentMem":
        store = Store.connect(place, agent=f"reader-{os.getpid()}", timeout=600)
        ids = [bytes.fromhex(name) for name in names]
        return lambda number: store.acquire(ids[number])
    if system == "Redis":
        client = Redis(place)
        return lambda number: client.get(b"%d" % number)
    if system == "LMDB":
        lmdb = importlib.import_module("lmdb")
        reading = lmdb.open(place, readonly=True, lock=True, max_readers=200).begin(buffers=True)
        return lambda number: reading.get(b"%d" % number)
    folder = Path(place)
    if system == "KSM":
        import ctypes

        if ctypes.CDLL(None).prctl(_PR_SET_MEMORY_MERGE, 1, 0, 0, 0):
            raise OSError("this kernel does not merge on request")
    return lambda number: (folder / str(number)).read_bytes()


def touch(unit: Any) -> int:
    """Look at each page."""
    with memoryview(unit) as view:
        return sum(view[::4096])


def read() -> None:
    """One reader."""
    orders = json.loads(sys.stdin.readline())
    get = getter(orders["system"], orders["place"], orders["names"])
    order = list(range(len(orders["sums"])))
    random.Random(orders["seed"]).shuffle(order)
    held: list[Any] = []
    for line in sys.stdin:
        if line == "hold\n":
            before = time.process_time()
            for number in order:
                unit = get(number)
                touch(unit)
                held.append(unit)
            spent = time.process_time() - before
            wrong = sum(zlib.crc32(unit) != orders["sums"][n] for n, unit in zip(order, held, strict=True))
            answer: dict[str, Any] = {"cpu": spent, "wrong": wrong}
        else:
            waits = []
            for _ in range(READS):
                for number in order:
                    before = time.perf_counter()
                    unit = get(number)
                    touch(unit)
                    if hasattr(unit, "release"):
                        unit.release()
                    del unit
                    waits.append(time.perf_counter() - before)
            answer = {"waits": waits}
        gc.collect()
        print(json.dumps(answer), flush=True)


@contextmanager
def ksm() -> Iterator[None]:
    """The kernel merges; as it was afterwards."""
    names = ("pages_to_scan", "sleep_millisecs", "advisor_mode", "run")
    before = {name: (KSM / name).read_text().strip() for name in names if (KSM / name).is_file()}
    if "advisor_mode" in before:  # "[none] scan-time"
        before["advisor_mode"] = before["advisor_mode"].partition("[")[2].partition("]")[0]
    try:
        if "advisor_mode" in before:
            (KSM / "advisor_mode").write_text("none")
        (KSM / "pages_to_scan").write_text("20000")
        (KSM / "sleep_millisecs").write_text("20")
        (KSM / "run").write_text("1")
        yield
    finally:
        for name, value in before.items():
            (KSM / name).write_text(value)


def merged() -> float:
    """Wait until two whole scans brought no more; the seconds it took."""
    started, last, scans = time.monotonic(), -1, -1
    while time.monotonic() < started + MERGING:
        now, done = int((KSM / "pages_sharing").read_text()), int((KSM / "full_scans").read_text())
        if scans < 0:
            scans = done
        if done >= scans + 2:
            if last >= 0 and now <= last * 1.01:
                break
            last, scans = now, done
        time.sleep(0.5)
    return time.monotonic() - started


@contextmanager
def server(system: str, texts: list[bytes], folder: Path) -> Iterator[tuple[str, list[str], list[int]]]:
    """Everything stored: where, under which names, and the server's processes."""
    if system == "AgentMem":
        with (
            Launcher(folder, options=["--hot", "2G", "--cold", "0"]) as launcher,
            Store.connect(launcher.socket, agent="writer", timeout=600) as store,
        ):
            names = []
            for text in texts:
                with store.publish(UnitType.TOOL_RESULT, text) as unit:
                    names.append(unit.id.hex())
            yield str(launcher.socket), names, [p.pid for p in tree(launcher.pid or 0, processes())]
    elif system == "Redis":
        place = str(folder / "redis.sock")
        plain = ["--port", "0", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        child = subprocess.Popen(["redis-server", "--unixsocket", place, *plain], stdout=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 60
            while not Path(place).exists() and time.monotonic() < until:
                time.sleep(0.05)
            client = Redis(place)
            for number, text in enumerate(texts):
                client.set(b"%d" % number, text)
            yield place, [], [child.pid]
        finally:
            child.terminate()
            child.wait()
    elif system == "LMDB":
        place = str(folder / "lmdb")
        environment = importlib.import_module("lmdb").open(place, map_size=4 << 30, max_readers=200)
        with environment.begin(write=True) as writing:
            for number, text in enumerate(texts):
                writing.put(b"%d" % number, text)
        environment.close()
        yield place, [], []
    else:
        for number, text in enumerate(texts):
            (folder / str(number)).write_bytes(text)
        with ExitStack() as stack:
            if system == "KSM":
                stack.enter_context(ksm())
            yield str(folder), [], []


def cpu(pids: list[int]) -> float:
    """CPU seconds of processes until now."""
    everything = processes()
    return sum(everything[pid].cpu for pid in pids if pid in everything) / os.sysconf("SC_CLK_TCK")


def once(system: str, texts: list[bytes], readers: int) -> dict[str, float]:
    """One system, one time."""
    folder = Path(tempfile.mkdtemp(prefix="ampeers-"))
    children: list[subprocess.Popen[str]] = []
    sums = [zlib.crc32(text) for text in texts]
    try:
        with server(system, texts, folder) as (place, names, pids):
            for seed in range(readers):
                child = subprocess.Popen(
                    [sys.executable, __file__, "--read"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                children.append(child)
                assert child.stdin
                orders = {"system": system, "place": place, "names": names, "sums": sums, "seed": seed}
                child.stdin.write(json.dumps(orders) + "\n")
            held = ask(children, "hold")
            if sum(answer["wrong"] for answer in held):
                raise AssertionError(f"{system}: units have other bytes than were stored")
            seconds = merged() if system == "KSM" else 0.0
            own = footprint(child.pid for child in children).pss
            served = footprint(pids).pss
            waits = sorted(ask(children[:1], "measure")[0]["waits"])
            spent = cpu(pids)
            for child in children:
                child.communicate()
    finally:
        for child in children:
            child.kill()
            child.wait()
        shutil.rmtree(folder)
    return {
        "readers_pss_mb": own / 1e6,
        "server_pss_mb": served / 1e6,
        "getting_cpu_ms": 1e3 * statistics.mean(answer["cpu"] for answer in held),
        "read_us_p50": 1e6 * waits[len(waits) // 2],
        "read_us_p99": 1e6 * waits[len(waits) * 99 // 100],
        "server_cpu_s": spent,
        "merging_s": seconds,
    }


def ask(children: list[subprocess.Popen[str]], what: str) -> list[dict[str, Any]]:
    """The same of each; their answers."""
    for child in children:
        assert child.stdin
        child.stdin.write(what + "\n")
        child.stdin.flush()
    answers = []
    for child in children:
        assert child.stdout
        answers.append(json.loads(child.stdout.readline()))
    return answers


def systems(merge: bool) -> tuple[list[str], dict[str, str]]:
    """What can be measured here, and why not the rest."""
    found, without = ["AgentMem"], {"zswap": "not measured here"}
    if shutil.which("redis-server"):
        found.append("Redis")
    else:
        without["Redis"] = "redis-server is not installed"
    try:
        importlib.import_module("lmdb")
        found.append("LMDB")
    except ImportError:
        without["LMDB"] = "the PyPI package lmdb is not installed"
    found.append("plain copies")
    if not merge:
        without["KSM"] = "not asked for: --ksm"
    elif os.geteuid() == 0 and os.access(KSM / "run", os.W_OK):
        found.append("KSM")
    else:
        without["KSM"] = "only root may start it"
    return found, without


def main() -> None:
    """Measure and print."""
    if sys.argv[1:] == ["--read"]:
        read()
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--ksm", action="store_true", help="measure KSM, too: starts it for the time of the run"
    )
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    texts = units(Path(os.environ["NEXUS_DATA"]), options.units)
    content = sum(map(len, texts)) / 1e6
    found, without = systems(options.ksm)
    print(f"{len(texts)} units, {content:.1f} MB, {options.readers} readers")
    for name, reason in without.items():
        print(f"without {name}: {reason}")
    empty = once("plain copies", [b"x"], options.readers)["readers_pss_mb"]
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in found}
    for _ in range(options.rounds):
        for name in found:
            rows[name].append(once(name, texts, options.readers))
    means = {
        name: {key: round(statistics.mean(row[key] for row in of), 3) for key in of[0]}
        for name, of in rows.items()
    }
    titles = ("", "PSS MB", "by content", "getting ms", "one read us p50", "p99", "server CPU s")
    print("".join(f"{title:>16}" for title in titles))
    for name, of in means.items():
        of["pss_mb"] = round(of["readers_pss_mb"] - empty + of["server_pss_mb"], 1)
        of["by_content"] = round(of["pss_mb"] / content, 2)
        cells = ("pss_mb", "by_content", "getting_cpu_ms", "read_us_p50", "read_us_p99", "server_cpu_s")
        print(f"{name:>16}" + "".join(f"{of[key]:>16,.2f}" for key in cells))
    result = {
        "units": len(texts),
        "content_mb": round(content, 1),
        "readers": options.readers,
        "empty_pss_mb": round(empty, 1),
        "mean": means,
        "rounds": rows,
        "without": without,
    }
    record.write(result, options.json)


if __name__ == "__main__":
    main()

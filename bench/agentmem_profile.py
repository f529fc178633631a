"""Seed 003's profile, really stored: 100 agents, each 150 MB of prompt and tools, 300 MB of conversation.

    NEXUS_DATA=folder python bench/agentmem_profile.py [--agents 100] [--scale 1] [--piece 256K] [--case ram]
        [--folder FOLDER] [--json FILE]

Every agent owns the same prompt (50 MB) and tools (100 MB), and writes a conversation of its own (300 MB,
mixed from real sessions as agentmem_mix.py says) as pieces of one size through the broker; nine of ten
then pause. --scale takes a part of all sizes. Case `ram` gives the broker no disk, `disk` a cold tier and
little RAM. Memory is PSS: of the broker's processes, and of what the agents' processes map of its files;
the texts themselves in those processes are not counted. Figures of the whole profile are extrapolated,
not measured: segments, warm log and table divided by the scale, the rest of the PSS as it is. A sample of
all pieces is read back and compared by its hash. CPU seconds are the broker's own, all of its threads,
hashing, compressing and housekeeping together; of the clients, only within the calls.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import record
from agentmem_mix import Source, pieces
from agentmem_ratio import Codec

from nexus.agentmem import Launcher, Store, UnitType
from nexus.agentmem.footprint import footprint
from nexus.agentmem.process_tree import processes, tree

MB = 10**6
PROMPT, TOOLS, TALK = 50 * MB, 100 * MB, 300 * MB
TOOL = 256 * 1024  # bytes of one unit of tools
WORKERS, MOST_EACH = 3, 250  # processes; agents of one: the broker takes 256 connections of it
SAMPLE = 20  # one piece in so many is read back
SETTLED, MOST_SETTLING = 6.0, 300.0  # seconds; the broker's longest step is five


def percentile(values: list[float], share: float) -> float:
    """Of sorted values; 0 where there are none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def shared_units(source: Source, scale: float) -> list[tuple[UnitType, bytes]]:
    """What all agents have: one prompt, many tools."""
    size = max(1, round(PROMPT * scale))
    units = [(UnitType.SYSTEM_PROMPT, next(pieces(source, "prompt", size)))]
    made = pieces(source, "tools", min(TOOL, max(1, round(TOOLS * scale))))
    units += [(UnitType.TOOL_DEF, next(made)) for _ in range(max(1, round(TOOLS * scale / TOOL)))]
    return units


def work(options: argparse.Namespace) -> None:
    """One process with several agents, told what to do on stdin."""
    source = Source(Path(os.environ["NEXUS_DATA"]))
    agents = [Store.connect(options.socket, agent=f"agent-{n}", timeout=600) for n in options.numbers]
    count = max(1, round(TALK * options.scale / options.piece))
    digests: list[list[bytes]] = []
    inside = 0.0
    shared = [bytes.fromhex(identity) for identity in options.shared]
    for number, store in zip(options.numbers, agents, strict=True):
        for identity in shared:
            store.own(identity)
        talk = store.conversation("talk")
        made, kept = pieces(source, f"agent {number}", options.piece), []
        for _ in range(count):
            piece = next(made)
            kept.append(hashlib.blake2b(piece, digest_size=16).digest())
            before = time.process_time()
            talk.append(UnitType.CONVERSATION, piece)
            inside += time.process_time() - before
        digests.append(kept)
        if number % 10:
            store.agent.pause()
        print(json.dumps({"written": count * options.piece}), flush=True)
    print(json.dumps({"done": inside}), flush=True)
    sys.stdin.readline()
    waits: list[float] = []
    random, wrong = Random(1), 0
    for store, kept in zip(agents, digests, strict=True):
        found = list(store.conversation("talk").pieces())
        wrong += len(found) != len(kept)
        for at in random.sample(range(len(kept)), max(1, len(kept) // SAMPLE)):
            before = time.perf_counter()
            unit = store.acquire(found[at].id)
            waits.append(time.perf_counter() - before)
            wrong += hashlib.blake2b(memoryview(unit), digest_size=16).digest() != kept[at]
            unit.release()
    print(json.dumps({"waits": waits, "wrong": wrong}), flush=True)
    sys.stdin.readline()


def mapped(pid: int) -> int:
    """PSS of what a process maps of the broker's files."""
    total, ours = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if line.startswith("Pss:") and ours:
            total += int(line.split()[1]) * 1024
        elif "-" in line.split(" ", 1)[0]:
            ours = "memfd:agentmem" in line
    return total


def settle(store: Store) -> dict[str, Any]:
    """The broker's figures when it has moved what it wants to move."""
    until, since = time.monotonic() + MOST_SETTLING, time.monotonic()
    last: tuple[int, ...] = ()
    while True:
        figures = store.stats()
        is_now = figures["store"]
        now = (is_now["segment_bytes"], is_now["warm_bytes"], is_now["cold_bytes"])
        if now != last or figures["server"]["jobs_pending"]:
            last, since = now, time.monotonic()
        if time.monotonic() > min(until, since + SETTLED):
            return figures
        time.sleep(0.25)


def used(folder: Path) -> int:
    """Bytes that a folder takes on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def case(name: str, options: argparse.Namespace, source: Source) -> dict[str, Any]:
    """Store everything once, under one set of limits."""
    gib = 1 << 30
    whole = options.agents * TALK * options.scale
    # Of a whole profile 1 GiB hot; warm half of one where there is a disk, else room for everything.
    hot = max(4 << 20, round(gib * options.scale))
    limits = {"ram": ("--warm", str(8 * gib), "--cold", "0")}.get(
        name,
        ("--warm", str(max(1 << 20, round(gib // 2 * options.scale))), "--cold", str(4 * gib + int(whole))),
    )
    folder = Path(tempfile.mkdtemp(prefix="amp-", dir=options.folder))
    workers: list[subprocess.Popen[str]] = []
    started = time.monotonic()
    try:
        with Launcher(folder, options=["--hot", str(hot), *limits]) as launcher:
            empty = footprint(p.pid for p in tree(launcher.pid or 0, processes())).pss
            first = Store.connect(launcher.socket, agent="first", timeout=600)
            shared = []
            for kind, data in shared_units(source, options.scale):
                with first.publish(kind, data) as unit:
                    shared.append(unit.id.hex())
            share_bytes = sum(len(data) for _, data in shared_units(source, options.scale))
            count = max(WORKERS, -(-options.agents // MOST_EACH))
            for at in range(count):
                orders = {
                    "socket": str(launcher.socket), "scale": options.scale, "piece": options.piece,
                    "numbers": list(range(at, options.agents, count)), "shared": shared,
                }  # fmt: skip
                child = subprocess.Popen(
                    [sys.executable, __file__, "--work"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                workers.append(child)
                assert child.stdin
                child.stdin.write(json.dumps(orders) + "\n")
                child.stdin.flush()
            inside, peak = 0.0, 0
            for child in workers:
                assert child.stdout
                while True:
                    said = json.loads(child.stdout.readline())
                    peak = max(peak, footprint(p.pid for p in tree(launcher.pid or 0, processes())).pss)
                    if "done" in said:
                        inside += said["done"]
                        break
            first.agent.pause()
            ingest = time.monotonic() - started
            figures = settle(first)
            broker = footprint(p.pid for p in tree(launcher.pid or 0, processes())).pss
            agents = sum(mapped(child.pid) for child in workers) + mapped(os.getpid())
            disk = used(folder)
            waits, wrong = [], 0
            for child in workers:
                assert child.stdin
                assert child.stdout
                child.stdin.write("read\n")
                child.stdin.flush()
                said = json.loads(child.stdout.readline())
                waits += said["waits"]
                wrong += said["wrong"]
            waits.sort()
            read = footprint(p.pid for p in tree(launcher.pid or 0, processes())).pss
            after = first.stats()
            first.close()
            for child in workers:
                child.communicate("end\n")
    finally:
        for child in workers:
            child.kill()
            child.wait()
        shutil.rmtree(folder)
    if wrong:
        raise AssertionError(f"{wrong} pieces or conversations did not come back as they were")
    private = options.agents * max(1, round(TALK * options.scale / options.piece)) * options.piece
    store, types, tiers = figures["store"], figures["types"], figures["tiers"]
    unique = sum(of["unique_bytes"] for of in types.values())
    stored = sum(of["stored_bytes"] for of in types.values())
    logical = private + options.agents * share_bytes
    grows = store["segment_bytes"] + store["warm_bytes"] + store["table_bytes"]
    return {
        "agents": options.agents, "scale": options.scale, "piece_bytes": options.piece,
        "logical_bytes": logical, "unique_bytes": unique, "stored_bytes": stored,
        "ratio_logical": round(logical / stored, 2),
        "types": {
            kind: of | {"ratio": round(of["unique_bytes"] / of["stored_bytes"], 2)}
            for kind, of in types.items() if of["units"]
        },
        "tiers": tiers,
        "store": {key: value for key, value in store.items()
                  if key.endswith("_bytes") or key in ("units", "freed")},
        "broker_pss_bytes": broker, "broker_pss_peak_bytes": peak, "broker_pss_after_reading_bytes": read,
        "broker_pss_empty_bytes": empty, "agents_mapped_pss_bytes": agents, "disk_bytes": disk,
        "broker_cpu_s_per_100_mb": round(figures["process"]["cpu_us"] / 1e6 / (unique / 1e8), 3),
        "client_cpu_s_per_100_mb": round(inside / (private / 1e8), 3),
        "ingest_seconds": round(ingest, 1),
        "read_back": len(waits), "read_ms_p50": round(percentile(waits, 0.5) * 1e3, 3),
        "read_ms_p99": round(percentile(waits, 0.99) * 1e3, 3),
        "restores": {key: after["store"][key] for key in ("restores_warm", "restores_cold")},
        "extrapolated_whole_ram_bytes": round(grows / options.scale + broker + agents - grows),
        "extrapolated_whole_disk_bytes": round(disk / options.scale),
    }  # fmt: skip


def control(options: argparse.Namespace, source: Source) -> dict[str, float]:
    """The same pieces by the codec alone, without dictionary or base."""
    with tempfile.TemporaryDirectory() as folder:
        codec = Codec(Path(folder))
        made = pieces(source, "agent 0", options.piece)
        for _ in range(max(1, min(64, (32 << 20) // options.piece))):
            codec.store(next(made))
        return codec.result()


def mb(count: int) -> str:
    """Megabytes."""
    return f"{count / MB:,.1f} MB"


def show(name: str, row: dict[str, Any]) -> None:
    """One case as text."""
    part = ", ".join(f"{key} {mb(value)}" for key, value in row["store"].items() if "bytes" in key)
    print(f"\n{name}: {row['agents']} agents at {row['scale']:g} of the profile, ", end="")
    print(f"pieces of {row['piece_bytes']} bytes")
    print(f"  logical {mb(row['logical_bytes'])}, unique {mb(row['unique_bytes'])}, ", end="")
    print(f"stored {mb(row['stored_bytes'])}: {row['ratio_logical']}x")
    for kind, of in row["types"].items():
        print(f"  {kind:<14}{of['units']:>8} units  unique/stored {of['ratio']:>6.2f}x")
    print(
        f"  PSS of the broker {mb(row['broker_pss_bytes'])}, at most {mb(row['broker_pss_peak_bytes'])}; ",
        end="",
    )
    print(f"mapped by agents {mb(row['agents_mapped_pss_bytes'])}; disk {mb(row['disk_bytes'])}")
    print(f"  of it: {part}")
    print(f"  CPU s for 100 MB: broker {row['broker_cpu_s_per_100_mb']}, ", end="")
    print(f"clients {row['client_cpu_s_per_100_mb']}; ingest {row['ingest_seconds']} s")
    print(f"  {row['read_back']} read back: p50 {row['read_ms_p50']} ms, p99 {row['read_ms_p99']} ms")
    ram, disk = row["extrapolated_whole_ram_bytes"] / 1e9, row["extrapolated_whole_disk_bytes"] / 1e9
    print(f"  extrapolated by 1/{row['scale']:g}: {ram:.2f} GB of RAM, {disk:.1f} GB of disk", flush=True)


def size(text: str) -> int:
    """Such as 256K or 1M."""
    return int(text.rstrip("KM")) << {"K": 10, "M": 20}.get(text[-1:], 0)


def main() -> None:
    """Measure and print."""
    if sys.argv[1:] == ["--work"]:
        orders = json.loads(sys.stdin.readline())
        work(argparse.Namespace(**orders))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--scale", type=float, default=1.0, help="part of all sizes")
    parser.add_argument("--piece", type=size, default=256 << 10, help="bytes of one piece of a conversation")
    parser.add_argument("--case", action="append", choices=["ram", "disk"], help="default: both")
    parser.add_argument("--folder", type=Path, help="where the cold tier is; default: the temporary folder")
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    source = Source(Path(os.environ["NEXUS_DATA"]))
    print(f"mixed from {len(source.turns)} real sessions, {source.bytes / MB:.1f} MB")
    results: dict[str, Any] = {"source_bytes": source.bytes, "codec alone": control(options, source)}
    print(f"the codec alone on such pieces: {results['codec alone']['ratio']}x")
    for name in options.case or ["ram", "disk"]:
        results[name] = row = case(name, options, source)
        show(name, row)
    record.write(results, options.json)


if __name__ == "__main__":
    main()

"""What the whole of MemexFS takes while nothing is asked, and how soon it answers: service, mount and model.

    NEXUS_DATA=FOLDER PYTHONPATH=. python bench/memexfs_idle.py --models build/models [--files 10000]
        [--seconds 60] [--home FOLDER] [--json FILE]

Makes --files files of 1,500 characters out of books and indexes them with vectors that cost nothing (a search
takes as long whatever they say), starts the service with the real model, and mounts. --home keeps the folder,
so that a second run begins there.

    idle        percent of one core, by the kernel's clock, over --seconds: supervisor, worker, and the
                service, the same with MemexFS switched off and nothing mounted
    memory      MB of supervisor and worker, resident and their share (PSS)
    search      ms of listing "search/QUESTION" through the mount, each question new; and of `ls` of it
    findable    s from the close of a new file, written through the mount, until a search has it first: it
                holds words that no other has, and body in what was compared says that it was read
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import memexfs_search
import psutil
import record

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.memexfs.launch import Serving, serving
from nexus.memexfs.memex import Memex
from nexus.memexfs.mount import unmount
from tests.running import Service, running


def fill(folder: Path, models: Path, data: Path, count: int) -> None:
    home = Home(folder)
    home.create()
    embedder = memexfs_search.Quick(memexfs_search.MODEL, models / memexfs_search.MODEL)
    with Cortex(home, CortexSettings(), embedder) as cortex:
        memex = Memex(home, memexfs_search.Local(), cortex)
        try:
            files = memexfs_search.speed_files(data, folder / "memex" / "tree", count)
            memexfs_search.index(memex, files)
        finally:
            memex.stop()


def settled(service: Service, count: int) -> float:
    """Seconds until everything that was there before is indexed and the service rests.

    The first start after so many files were indexed by another process has more to do than later ones.
    """
    assert service.process is not None
    began = time.monotonic()
    deadline = began + 900
    while time.monotonic() < deadline:
        with service.client() as http:
            state = http.get("/api/memex/status").json()["files"]
        indexed = state.get("indexed", 0) >= count and not state.get("waiting", 0)
        if indexed and idle({"service": service.process.pid}, 5)["service"] < 5:
            return round(time.monotonic() - began, 1)
        time.sleep(1)
    raise RuntimeError(f"not settled after 900 s: {state}")


def idle(processes: dict[str, int], seconds: float) -> dict[str, float]:
    """Percent of one core that each takes; the supervisor without its worker, others with their children."""

    def spent(pid: int) -> float:
        process = psutil.Process(pid)
        parts = [process] if pid in apart else [process, *process.children(recursive=True)]
        times = [each.cpu_times() for each in parts]
        return sum(time.user + time.system for time in times)

    apart = {pid for name, pid in processes.items() if name == "supervisor"}
    before = {name: spent(pid) for name, pid in processes.items()}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    return {name: round(100 * (spent(pid) - before[name]) / passed, 2) for name, pid in processes.items()}


def memory(processes: dict[str, int]) -> dict[str, dict[str, float]]:
    found = {}
    for name, pid in processes.items():
        told = psutil.Process(pid).memory_full_info()
        found[name] = {"rss": round(told.rss / 1e6, 1), "pss": round(told.pss / 1e6, 1)}
    return found


def spread(values: list[float], digits: int = 1) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "min": round(ordered[0], digits),
        "p50": round(statistics.median(ordered), digits),
        "p99": round(ordered[int(0.99 * (len(ordered) - 1))], digits),
        "max": round(ordered[-1], digits),
    }


def milliseconds(folder: Path, *, ls: bool) -> float:
    began = time.perf_counter()
    if ls:
        subprocess.run(["ls", folder], check=True, stdout=subprocess.DEVNULL)
    else:
        assert os.listdir(folder)  # noqa: PTH208 (names alone)
    return 1000 * (time.perf_counter() - began)


def searches(point: Path) -> dict[str, dict[str, float]]:
    """Half of the questions by a listing, half by `ls`, in turn; the first ten are practice."""
    told = json.loads(memexfs_search.QUESTIONS.read_text())["paraphrased"]
    taken: dict[bool, list[float]] = {False: [], True: []}
    for number, item in enumerate(told):
        took = milliseconds(point / "search" / item["question"], ls=number % 2 == 1)
        if number >= 10:
            taken[number % 2 == 1].append(took)
    return {"listing": spread(taken[False]), "ls": spread(taken[True])}


def findable(service: Service, point: Path, number: int) -> float:
    """Seconds from the close of a new file until it is the first that a search finds."""
    name = f"new-{number}.md"
    words = f"walrus {number} painted green quaystone{number} in Lisbon"
    (point / "files" / name).write_text(f"# Note {number}\n\nThe {words}.\n")
    began = time.monotonic()
    with service.client() as http:
        while time.monotonic() < began + 120:
            found = http.post("/api/memex/search", json={"query": words, "limit": 3}).json()["results"]
            if found and found[0]["path"].endswith(name) and "body" in found[0]["parts"]:
                return time.monotonic() - began
            time.sleep(0.05)
    raise RuntimeError(f"{name} is not found: {found}")


def measured(service: Service, point: Path, mounted: Serving, options: argparse.Namespace) -> dict[str, Any]:
    assert service.process is not None
    ours = {"supervisor": mounted.pid, "worker": mounted.worker}
    result: dict[str, Any] = {"files": options.files}
    result["memory MB before any question"] = memory(ours)
    result["idle %"] = idle({**ours, "service": service.process.pid}, options.seconds)
    result["search ms"] = searches(point)
    # apart, as a person saves; the wait for quiet is in it
    waits = []
    for number in range(8):
        waits.append(findable(service, point, number))
        time.sleep(1)
    result["findable s"] = spread(waits, 2)
    result["memory MB"] = memory(ours)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="memexfs-idle-"))
    home, point = options.home or top / "home", top / "memex"
    models = options.models.resolve()
    still = {"NEXUS_TRAINING_ENABLED": "false"}
    try:
        if not (home / "memex").exists():
            fill(home, models, Path(os.environ["NEXUS_DATA"]), options.files)
        with running(home, models, 300, **still) as service:
            done = service.cli("mount", str(point))
            if done.returncode:
                raise RuntimeError(done.stderr)
            mounted = serving(home)
            assert mounted is not None
            try:
                waited = settled(service, options.files)
                result = {"at rest after s": waited, **measured(service, point, mounted, options)}
            finally:
                unmount(point, lazy=True)
        with running(home, models, 300, NEXUS_MEMEX_ENABLED="false", **still) as service:
            assert service.process is not None
            time.sleep(15)
            off = idle({"service without MemexFS": service.process.pid}, options.seconds)
            result["idle %"].update(off)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    print(json.dumps(result, indent=2))
    record.write(result, options.json)


if __name__ == "__main__":
    main()

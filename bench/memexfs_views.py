"""How long does `ls` of a tag take, and a walk over the whole mount, with many files and tags?

    python bench/memexfs_views.py [--files 22000] [--tags 2100] [--rounds 7] [--json FILE]

Makes so many small files in folders of a hundred, five tags each, drawn so that few tags have many files and
most have few, and one tag that all files have; mounts them (needs /dev/fuse) and lists folders of tags of
several sizes, each time after a pause, so that nothing is remembered. Beside it in the same round, as the
peer: `ls` of an ordinary folder on the disk with as many files. Milliseconds, with the start of `ls`: least,
median, most.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import record

from nexus.core.errors import NexusError
from nexus.memexfs.fuse import serve
from nexus.memexfs.mount import mount, unmount
from nexus.memexfs.objects import Objects
from nexus.memexfs.real import Files
from nexus.memexfs.root import Root
from nexus.memexfs.store import Facts, Store
from nexus.memexfs.tree import Tree
from nexus.memexfs.virtual import Scene
from nexus.memexfs.words_finder import WordsFinder

EVERY = "every"
SIZES = (10, 100, 1000)
PAUSE = 2.5  # seconds: longer than anything is remembered


def fill(home: Path, files: int, tags: int) -> dict[str, int]:
    """Files, and tags on them; how many files each tag has."""
    rng = random.Random(0)
    names = [f"tag-{n:04}" for n in range(tags)]
    weights = [1 / (n + 1) for n in range(tags)]
    store = Store(home)
    for number in range(files):
        path = home / "tree" / f"folder-{number // 100:04}" / f"note-{number:06}.md"
        if number % 100 == 0:
            path.parent.mkdir(parents=True)
        path.write_text(f"Note {number}\n")
    for start in range(0, files, 1000):
        with store.batch():
            for number in range(start, min(files, start + 1000)):
                name = f"folder-{number // 100:04}/note-{number:06}.md".encode()
                file = store.written(name, 12, time.time_ns(), 0)
                store.described(name, Facts("markdown", size=12, mtime_ns=time.time_ns()))
                store.tag(file, EVERY, *rng.choices(names, weights, k=5))
    counts = dict(store.tags())
    store.close()
    return counts


def show(home: Path, point: Path) -> None:
    """Serve the views of `home` until they are unmounted."""
    store = Store(home)
    files = Files(home / "tree")
    scene = Scene(files, store, WordsFinder(store), Objects(home / "objects"))
    tree = Tree(Root(scene))
    scene.telling.tree = tree
    descriptor = mount(point)
    print("mounted", flush=True)
    serve(descriptor, tree)


def timed(*command: str | Path) -> float:
    """Milliseconds that it takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


def spread(values: list[float]) -> list[float]:
    return [round(value, 1) for value in (min(values), statistics.median(values), max(values))]


def measure(point: Path, raw: Path, counts: dict[str, int], rounds: int) -> dict[str, object]:
    """By the number of files of the tag: `ls` of it, of an ordinary folder, and the ratio of the medians."""
    found: dict[str, object] = {}
    for wanted in (*SIZES, counts[EVERY]):
        tag = min(counts, key=lambda name: abs(counts[name] - wanted))
        beside = raw / tag
        beside.mkdir()
        for number in range(counts[tag]):
            (beside / f"note-{number:06}.md").touch()
        listed: dict[str, list[float]] = {"ls": [], "ls -l": [], "disk ls": [], "disk ls -l": []}
        for _ in range(rounds):
            for option in ("ls", "ls -l"):
                command = option.split()
                time.sleep(PAUSE)
                listed[option].append(timed(*command, point / "tags" / tag))
                listed[f"disk {option}"].append(timed(*command, beside))
        row = {name: spread(values) for name, values in listed.items()}
        found[f"{counts[tag]} files"] = row
        print(f"{counts[tag]:6} files  " + "  ".join(f"{name} {value}" for name, value in row.items()))
    walk = [timed("find", point, "-maxdepth", "2") for _ in range(rounds)]
    everything = timed("find", point)
    found["find -maxdepth 2"], found["find"] = spread(walk), round(everything, 1)
    names = len(subprocess.run(["find", point], check=True, capture_output=True).stdout.splitlines())
    found["names that find meets"] = names
    print(f"find -maxdepth 2 {spread(walk)}  find of all {everything:.0f} ({names} names)")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=22_000)
    parser.add_argument("--tags", type=int, default=2100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--show", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.show:
        show(*given.show)
        return
    with tempfile.TemporaryDirectory() as folder:
        home, point, raw = (Path(folder) / name for name in ("memex", "mount", "raw"))
        for path in (home, point, raw):
            path.mkdir()
        counts = fill(home, given.files, given.tags)
        server = subprocess.Popen([sys.executable, __file__, "--show", home, point], stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            server.stdout.readline()
            results = measure(point, raw, counts, given.rounds)
            results["load"] = [round(value, 1) for value in os.getloadavg()]
        finally:
            with suppress(NexusError):
                unmount(point, lazy=True)
            server.wait()
    record.write(results, given.json)


if __name__ == "__main__":
    main()

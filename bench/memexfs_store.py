"""What the history of MemexFS costs: a close, a loss, sealing; and whether a million rows stay quick.

    python bench/memexfs_store.py [--rows 1000000] [--folder FOLDER] [--out FILE]

Each figure stands beside the raw disk's in the same run, A B A B: what `close` and `rename` over a file add
by the recorder, while its thread writes; sealing beside copying with fsync; reading sealed files beside plain
ones. Dedupe must be exact. The rows are made up: small folders, 2,100 tags, one passage of twelve words each,
drawn from 5,000 as words are (a few often, most seldom).
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import record

from nexus.memexfs.content import Content
from nexus.memexfs.objects import Objects
from nexus.memexfs.recorder import History
from nexus.memexfs.store import Facts, Passage, Store

TIMES = 10_000
WORDS = "ledger harbour violin ferment granite lantern orchard pulley quarry ripple saddle thicket".split()


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Microseconds: median and 99th percentile."""
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50_us": round(cuts[49] * 1e6, 1), "p99_us": round(cuts[98] * 1e6, 1)}


def closes(folder: Path, history: History) -> dict[str, dict[str, float]]:
    """Write 4 KB, close, and what the recorder adds to it."""
    tree = folder / "memex" / "tree"
    data = os.urandom(4096)
    raw: list[float] = []
    added: list[float] = []
    for number in range(TIMES):
        fd = os.open(tree / f"{number % 997}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, data)
        begin = time.perf_counter()
        os.close(fd)
        closed = time.perf_counter()
        history.written(b"%d.txt" % (number % 997))
        added.append(time.perf_counter() - closed)
        raw.append(closed - begin)
    return {"raw": percentiles(raw), "added": percentiles(added)}


def losses(folder: Path, history: History) -> dict[str, dict[str, float]]:
    """Rename over a file, without and with what keeps the bytes that are lost."""
    tree = folder / "memex" / "tree" / "over"
    tree.mkdir()
    at = os.open(tree, os.O_RDONLY)
    times: dict[str, list[float]] = {"raw": [], "kept": []}
    for number in range(2000):
        for name, seconds in times.items():
            for part in ("new", "old"):
                (tree / f"{name}-{part}").write_bytes(b"%d" % number * 1000)
            begin = time.perf_counter()
            if name == "kept":
                path = b"over/%d" % number
                history.losing(path, at, b"kept-old", "replaced")
            os.replace(tree / f"{name}-new", tree / f"{name}-old")
            if name == "kept":
                history.renamed(b"over/new", path, folder=False, replaced=True)
            seconds.append(time.perf_counter() - begin)
    os.close(at)
    return {name: percentiles(seconds) for name, seconds in times.items()}


def sealing(folder: Path) -> dict[str, object]:
    """MB/s of sealing and of copying with fsync, for text and for what does not pack; of reading back."""
    objects = Objects(folder / "objects")
    content = Content(objects)
    chance = random.Random(5)
    results: dict[str, object] = {}
    for kind, count, size in (
        ("text", 400, 100_000),
        ("noise", 400, 100_000),
        ("large noise", 4, 64 * 2**20),
    ):
        plain, sealed_at = folder / f"{kind} plain", folder / f"{kind} sealed"
        plain.mkdir()
        sealed_at.mkdir()
        for number in range(count):
            if kind == "text":
                data = " ".join(chance.choices(WORDS, k=size // 7)).encode()
            else:
                data = chance.randbytes(size)
            (plain / str(number)).write_bytes(data)
            (sealed_at / str(number)).write_bytes(data)
        os.sync()
        total = sum(path.stat().st_size for path in plain.iterdir()) / 1e6
        blocks = sum(path.stat().st_blocks for path in plain.iterdir())
        copied, seal = [], []
        for number in range(count):
            begin = time.perf_counter()
            source = os.open(plain / str(number), os.O_RDONLY)
            target = os.open(folder / "copy", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            while os.copy_file_range(source, target, 2**24):
                pass
            os.fsync(target)
            copied.append(time.perf_counter() - begin)
            os.close(source)
            os.close(target)
            begin = time.perf_counter()
            fd = os.open(sealed_at / str(number), os.O_RDWR)
            assert content.seal(fd) is not None
            seal.append(time.perf_counter() - begin)
            os.close(fd)
        reads: dict[str, float] = {}
        for name, where in (("plain", plain), ("sealed", sealed_at)):
            begin = time.perf_counter()
            for number in range(count):
                fd = os.open(where / str(number), os.O_RDONLY)
                other = content.reading(fd)
                at = 0
                while piece := os.pread(fd if other is None else other, 2**20, at):
                    at += len(piece)
                os.close(fd)
                if other is not None:
                    os.close(other)
            reads[name] = round(total / (time.perf_counter() - begin), 1)
        kept = sum(path.stat().st_blocks for path in sealed_at.iterdir())
        results[kind] = {
            "files": count,
            "copy_fsync_mb_s": round(total / sum(copied), 1),
            "seal_mb_s": round(total / sum(seal), 1),
            "read_mb_s": reads,
            "blocks_left": round(kept / blocks, 4),
        }
    stored = sum(one.size for one in objects)
    results["objects_mb"] = round(stored / 1e6, 1)
    for number in range(500):  # 50 contents, each in ten files
        path = folder / "one"
        path.write_bytes(b"%d\n" % (number % 50) * 3000)
        fd = os.open(path, os.O_RDONLY)
        objects.put(fd)
        os.close(fd)
    names = [one.digest for one in objects]
    results["dedupe"] = {"files": 500, "contents": 50, "objects": len(names) - 400 - 400 - 4}
    objects.close()
    return results


def rows(folder: Path, count: int) -> dict[str, object]:
    """Milliseconds of what is asked of so many rows; the median of some."""
    store = Store(folder)
    chance = random.Random(3)
    words = [f"{WORDS[n % 12]}{n // 12}" for n in range(5000)]
    often = list(itertools.accumulate(1 / (n + 3) for n in range(5000)))
    begin = time.perf_counter()
    now = 1_795_000_000 * 10**9
    for first in range(0, count, 5000):
        with store.batch():
            for number in range(first, min(first + 5000, count)):
                path = b"area %d/project %d/folder %d/file %d.txt" % (
                    number % 7,
                    number % 97,
                    number // 100,
                    number,
                )
                file = store.written(path, 10, now - number * 10**9, 2**62)
                facts = Facts(
                    chance.choice(["text", "code", "pdf"]),
                    title=f"on {chance.choice(WORDS)}",
                    author=f"author {number % 50}",
                    project=f"project {number % 97}",
                    mtime_ns=now - number * 10**9,
                )
                store.described(
                    path, facts, [Passage("", " ".join(chance.choices(words, cum_weights=often, k=12)))]
                )
                if number % 4 == 0:
                    with_tag = f"tag {number // 4 % 2100}"
                    store.tag(file, with_tag)
    made = time.perf_counter() - begin
    asked: dict[str, Callable[[], object]] = {
        "file(path)": lambda: store.file(b"area 0/project 0/folder 0/file 0.txt"),
        "a folder above a seventh of them moves": lambda: turn(store),
        "tagged(one)": lambda: store.tagged(["tag 7"], 1000),
        "tagged(two)": lambda: store.tagged(["tag 7", "tag 8"], 1000),
        "tags()": store.tags,
        "recent(50)": lambda: store.recent(0, 50),
        "having(kind, 50)": lambda: store.having("kind", "pdf", 50),
        "values(kind)": lambda: store.values("kind"),
        "count()": store.count,
        "matching(a word of .02 % of them)": lambda: store.matching(words[4000], 10),
        "matching(three words of 2 % each)": lambda: store.matching(" ".join(words[60:63]), 10),
        "files(a folder, 100)": lambda: store.files(b"area 0/project 0", limit=100),
        "written (one transaction)": lambda: store.written(b"area 0/project 0/new.txt", 1, now, 2**62),
    }
    results: dict[str, object] = {"rows": count, "rows_made_per_s": round(count / made)}
    for name, call in asked.items():
        times = []
        for _ in range(7):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        results[f"{name} ms"] = round(statistics.median(times) * 1e3, 3)
    size = sum(path.stat().st_size for path in folder.glob("meta-*"))
    results["database_mb"] = round(size / 1e6)
    store.close()
    return results


def turn(store: Store) -> None:
    """There and back: two moves of a folder."""
    store.moved(b"area 3", b"elsewhere", folder=True)
    store.moved(b"elsewhere", b"area 3", folder=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder otherwise")
    parser.add_argument("--out", type=Path)
    runs = parser.parse_args()
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory(dir=runs.folder) as name:
        folder = Path(name)
        (folder / "memex" / "tree").mkdir(parents=True)
        store, objects = Store(folder / "memex"), Objects(folder / "memex" / "objects")
        history = History(folder / "memex", store, objects)
        history.start()
        results["close"] = closes(folder, history)
        results["rename over"] = losses(folder, history)
        begin = time.perf_counter()
        if not history.settle(600):
            sys.exit("the history was not written in ten minutes")
        results["settled_s"] = round(time.perf_counter() - begin, 2)
        history.stop()
        store.close()
        results["sealing"] = sealing(folder)
        results["rows"] = rows(folder / "rows", runs.rows)
    for part, figures in results.items():
        for key, value in figures.items() if isinstance(figures, dict) else [("", figures)]:
            print(f"{part:<12} {key:<42} {value}")
    record.write(results, runs.out)


if __name__ == "__main__":
    main()

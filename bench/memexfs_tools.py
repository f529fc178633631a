"""Other people's programs in MemexFS beside the raw disk: what git, make, SQLite, tar and rm take.

    sudo python bench/memexfs_tools.py [--files 2000] [--megabytes 256] [--rounds 3] [--case NAME]
        [--only NAME] [--json FILE]

Each round takes each case in turn and from an empty folder:

    raw                     an ordinary folder
    memexfs                 files/ of a mount as `nexus mount` makes it: supervisor, worker, history
    memexfs, passthrough    the same, large files read and written by the kernel (what root gets)
    mfusepy                 the same plain tree by libfuse's Python binding, without history

    git     clone of a repository of --files files (two commits); a commit of a tenth of them, changed;
            status; gc; each beside its own, and together
    make    -j2 of this project's C (native/), by a Makefile that the bench writes
    sqlite  transactions of one insert: 200 with a rollback journal, 1,000 with a write-ahead log
    tar     of --files files taken apart; then `rm -rf` of them
    large   MB/s of one file, written and read in calls of 1 MiB, the page cache in play

Told are the best seconds of each case, and beside it the median of the rounds' ratios to the raw disk of the
same round, because others work on the machine. MB/s: the most, as a share of the raw disk's.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import record

from nexus.memexfs import launch
from nexus.memexfs.mount import unmount
from nexus.memexfs.worker import Keeping, command

ROOT = Path(__file__).resolve().parents[1]
CASES = ("raw", "memexfs", "memexfs, passthrough", "mfusepy")
CHUNK = bytes(1 << 20)
WORDS = ("memory", "file", "question", "answer", "folder", "index", "vector", "kernel", "worker", "mount")
MAKEFILE = """
SOURCES := $(wildcard agentmem/store/*.c agentmem/broker/*.c agentmem/lib/*.c relay/src/*.c)
OBJECTS := $(SOURCES:.c=.o)
CFLAGS = -std=gnu11 -O1 -D_GNU_SOURCE -MMD %s
all: libnative.a
libnative.a: $(OBJECTS)
\t$(AR) rcs $@ $^
-include $(OBJECTS:.o=.d)
"""
GIT = {
    **{
        f"GIT_{who}_{what}": "bench@localhost"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def run(*words: str | Path, cwd: Path) -> None:
    subprocess.run(words, cwd=cwd, check=True, capture_output=True, env={**os.environ, **GIT})


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def shown(case: str, folder: Path) -> Iterator[Path]:
    """An empty folder to work in, shown as the case says, backed by the disk below `folder`."""
    point = folder / "point"
    point.mkdir()
    if case == "raw":
        yield point
    elif case == "mfusepy":
        (folder / "tree").mkdir()
        server = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "memex_serve_mfuse.py", point, folder / "tree"],
            stdout=subprocess.PIPE,
        )
        try:
            assert server.stdout is not None
            if server.stdout.readline() != b"ready\n":
                raise RuntimeError("mfusepy does not mount")
            yield point
        finally:
            subprocess.run(["umount", "-l", point], check=False)
            server.wait(30)
    else:
        launch.start(folder / "home", point, command(Keeping()), passthrough="passthrough" in case)
        try:
            yield point / "files"
        finally:
            unmount(point, lazy=True)
            while launch.serving(folder / "home") is not None:
                time.sleep(0.05)


def repository(at: Path, files: int) -> None:
    """A repository of text files of 1 to 8 KB, fifty a folder, with two commits; `at`.tar holds its files."""
    drawn = random.Random(0)
    at.mkdir()
    for number in range(files):
        path = at / f"part{number // 50:03}" / f"file{number:05}.txt"
        path.parent.mkdir(exist_ok=True)
        lines = (" ".join(drawn.choices(WORDS, k=10)) for _ in range(drawn.randrange(15, 120)))
        path.write_text("\n".join(lines))
    run("tar", "cf", at.with_suffix(".tar"), ".", cwd=at)
    run("git", "init", "-q", cwd=at)
    for part in (f"part0*{end}" for end in "02468"):
        run("git", "add", *sorted(path.name for path in at.glob(part)), cwd=at)
    run("git", "commit", "-qm", "the even parts", cwd=at)
    run("git", "add", "-A", cwd=at)
    run("git", "commit", "-qm", "all parts", cwd=at)


def git(at: Path, source: Path) -> dict[str, float]:
    clone = at / "clone"
    found = {"git clone s": seconds(lambda: run("git", "clone", "-q", "--no-local", source, clone, cwd=at))}
    for path in sorted(clone.glob("part*/*0.txt")):
        path.write_text(path.read_text() + "\nchanged\n")
    found["git commit s"] = seconds(lambda: run("git", "commit", "-qam", "a tenth", cwd=clone))
    found["git status s"] = seconds(lambda: run("git", "status", "--short", cwd=clone))
    found["git gc s"] = seconds(lambda: run("git", "gc", "-q", cwd=clone))
    found["git s"] = sum(found.values())
    return found


def make(at: Path, source: Path) -> dict[str, float]:
    native = at / "native"
    shutil.copytree(ROOT / "native", native, ignore=shutil.ignore_patterns("python"))
    folders = sorted({path.parent.relative_to(native) for path in native.rglob("*.h")})
    roots = [path.relative_to(native) for path in native.rglob("include")]
    (native / "Makefile").write_text(MAKEFILE % " ".join(f"-I{folder}" for folder in [*roots, *folders]))
    return {"make -j2 s": seconds(lambda: run("make", "-j2", cwd=native))}


def sqlite(at: Path, source: Path) -> dict[str, float]:
    found = {}
    for mode, count in (("delete", 200), ("wal", 1000)):
        path = at / f"{mode}.db"
        base = sqlite3.connect(path, isolation_level=None)
        base.execute(f"PRAGMA journal_mode={mode}")
        base.execute(f"PRAGMA synchronous={'FULL' if mode == 'delete' else 'NORMAL'}")
        base.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")

        def insert(base: sqlite3.Connection = base, count: int = count) -> None:
            for number in range(count):
                base.execute("INSERT INTO t(b) VALUES(?)", (f"row {number} " * 20,))

        found[f"sqlite {'rollback' if mode == 'delete' else mode} s"] = seconds(insert)
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        base.close()
    return found


def tar(at: Path, source: Path) -> dict[str, float]:
    (at / "tar").mkdir()
    taken = seconds(lambda: run("tar", "xf", source.with_suffix(".tar"), cwd=at / "tar"))
    walked = seconds(lambda: run("find", "tar", "-size", "+1M", cwd=at))
    return {"tar x s": taken, "find s": walked, "rm -rf s": seconds(lambda: run("rm", "-rf", "tar", cwd=at))}


def large(at: Path, source: Path) -> dict[str, float]:
    megabytes = int(os.environ["BENCH_MEGABYTES"])
    buffer = bytearray(CHUNK)

    def calls(flags: int, step: Callable[[int], object]) -> float:
        fd = os.open(at / "large", flags, 0o644)
        try:
            return megabytes * 1.048576 / seconds(lambda: [step(fd) for _ in range(megabytes)])
        finally:
            os.close(fd)

    written = calls(os.O_CREAT | os.O_WRONLY, lambda fd: os.write(fd, CHUNK))
    return {
        "write MB/s": written,
        "overwrite MB/s": calls(os.O_WRONLY, lambda fd: os.write(fd, CHUNK)),
        "read MB/s": calls(os.O_RDONLY, lambda fd: os.readv(fd, [buffer])),
    }


WORK = {work.__name__: work for work in (git, make, sqlite, tar, large)}


def summary(
    rounds: list[dict[str, dict[str, float]]], cases: list[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """By row and case the best figure, and its ratio to the raw disk (MB/s: share)."""
    told: dict[str, dict[str, dict[str, float]]] = {}
    for row in rounds[0][cases[0]]:
        speed = row.endswith("/s")
        for case in cases:
            values = [found[case][row] for found in rounds]
            best = max(values) if speed else min(values)
            cell = told.setdefault(row, {})[case] = {"best": round(best, 1 if speed else 3)}
            if case != "raw" and "raw" in cases:
                if speed:
                    cell["of raw"] = round(best / told[row]["raw"]["best"], 2)
                else:
                    ratios = [found[case][row] / found["raw"][row] for found in rounds]
                    cell["x raw"] = round(statistics.median(ratios), 2)
                    cell["x raw, bests"] = round(best / min(found["raw"][row] for found in rounds), 2)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--only", choices=WORK, action="append")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ["BENCH_MEGABYTES"] = str(args.megabytes)
    cases, rounds = args.case or list(CASES), []
    with tempfile.TemporaryDirectory(prefix="memexfs-tools-", dir=ROOT / "build") as top:
        source = Path(top) / "source"
        repository(source, args.files)
        for number in range(args.rounds):
            found: dict[str, dict[str, float]] = {case: {} for case in cases}
            for name in args.only or WORK:
                for case in cases:
                    folder = Path(top) / f"{number}-{name}-{cases.index(case)}"
                    folder.mkdir()
                    os.sync()
                    with shown(case, folder) as at:
                        found[case].update(WORK[name](at, source))
                    shutil.rmtree(folder)
            rounds.append(found)
            print(f"round {number + 1}: {found}", file=sys.stderr)
    told = summary(rounds, cases)
    print(f"{'':18}" + "".join(f"{case:>28}" for case in cases))
    for row, line in told.items():
        shares = (line[case].get("x raw", line[case].get("of raw")) for case in cases)
        cells = (
            f"{line[case]['best']:,.2f}" + (f"  x {share:.2f}" if share is not None else "")
            for case, share in zip(cases, shares, strict=True)
        )
        print(f"{row:18}" + "".join(f"{cell:>28}" for cell in cells))
    if args.json:
        settings = {"files": args.files, "megabytes": args.megabytes, "rounds": args.rounds}
        record.write({**settings, "rows": told}, args.json)


if __name__ == "__main__":
    main()

"""A tree whose keeper is killed again and again: `python -m tests.memex_kills HOME COUNT SEED`.

Each life goes on where the last one was killed, does what programs do, seals and tags, and logs each thing
before and after. After each kill every file must hold what was acknowledged last (or what was under way),
every version what a file once held, tags that were acknowledged must be there, and fsck must find no problem.
Prints what was wrong; status 1 if any.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from nexus.memexfs.fsck import check
from nexus.memexfs.store import Store
from tests.memex_tree import Tree

PATHS = [b"%s/%d.txt" % (folder, n) for folder in (b"a", b"b", b"a/c") for n in range(4)]
LINE = b"a line of a text that is long enough to be packed\n"
Model = dict[bytes, bytes]


def text(number: int) -> bytes:
    return b"%d\n" % number + LINE * (400 + number % 700)


def live(home: Path, seed: int, log: int) -> None:
    """Do things until killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # nothing outlives the test
    chance = random.Random(seed)
    tree = Tree(home)
    tree.start()
    tree.history.compare()
    number = seed * 100_000
    while True:
        number += 1
        path, other = chance.choice(PATHS), chance.choice(PATHS)
        word = chance.choice(["write", "write", "rename", "remove", "seal", "seal", "read", "tag", "burst"])
        there = tree.real(path).exists()
        if word == "burst":
            tree.next_burst()
            continue
        if word not in ("write", "tag") and (not there or path == other):
            continue
        entry = [word, path.decode(), other.decode(), number]
        os.write(log, json.dumps(["begin", *entry]).encode() + b"\n")
        act(tree, word, path, other, number)
        os.write(log, json.dumps(["end", *entry]).encode() + b"\n")


def act(tree: Tree, word: str, path: bytes, other: bytes, number: int) -> None:
    if word == "write":
        tree.write(path, text(number))
    elif word == "tag":
        tag(tree, number)
    elif word == "rename":
        tree.real(other).parent.mkdir(parents=True, exist_ok=True)
        tree.rename(path, other)
    elif word == "remove":
        tree.remove(path)
    elif word == "seal":
        seal(tree, path)
    else:
        tree.read(path)


def tag(tree: Tree, number: int) -> None:
    with tree.store.batch():
        tree.store.tag(tree.store.ensure(b"tagged/%d" % (number % 50)), f"n{number % 50}")


def seal(tree: Tree, path: bytes) -> None:
    fd = os.open(tree.real(path), os.O_RDWR)
    try:
        tree.content.seal(fd)
    finally:
        os.close(fd)


def play(model: Model, tags: set[int], word: str, path: bytes, other: bytes, number: int) -> None:
    if word == "write":
        model[path] = text(number)
    elif word == "rename":
        model[other] = model.pop(path)
    elif word == "remove":
        del model[path]
    elif word == "tag":
        tags.add(number % 50)


def wrong(home: Path, model: Model, tags: set[int], under_way: list[object] | None) -> list[str]:
    """What is not as it must be after a kill."""
    tree = Tree(home)
    found = []
    touched = {str(one).encode() for one in under_way[1:3]} if under_way else set()
    for path in PATHS:
        if path in touched:
            continue
        try:
            data = tree.read(path) if tree.real(path).exists() else None
        except OSError as error:
            found.append(f"{path!r}: {error}")
            continue
        if data != model.get(path):
            found.append(f"{path!r} is {(data or b'gone')[:20]!r}, not {model.get(path, b'gone')[:20]!r}")
    known = dict(tree.store.tags())
    found += [
        f"the tag n{n} is lost" for n in sorted(tags) if known.get(f"n{n}", 0) != 1 and not rows(tree, n)
    ]
    for folder in (b"", b"a", b"b", b"a/c"):
        for path in tree.store.versioned(folder):
            for version in tree.store.versions(path) if not path.endswith(b"/") else ():
                held = tree.text(version)  # a write that a kill cut off leaves a beginning
                if not text(int(held.split(b"\n")[0])).startswith(held):
                    found.append(f"a version of {path!r} is not whole")
    tree.stop()
    return found + check(home).problems


def rows(tree: Tree, number: int) -> bool:
    """Whether the tag is still on its file, which was never there and was found out to be gone."""
    row = tree.store.identify(b"tagged/%d" % number)
    return tree.store.tags_of(row) == [f"n{number}"]


def settled(model: Model, home: Path, under_way: list[object]) -> None:
    """The model as the thing that was under way left it."""
    tree = Tree(home)
    for one in under_way[1:3]:
        path = str(one).encode()
        if tree.real(path).exists():
            model[path] = tree.read(path)
        else:
            model.pop(path, None)
    tree.stop()


def main(home: Path, count: int, seed: int) -> int:
    chance = random.Random(seed)
    model: Model = {}
    tags: set[int] = set()
    failed = 0
    for life in range(count):
        path = home / f"log-{life}"
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        child = os.fork()
        if child == 0:
            try:
                live(home, seed * 10_000 + life, log)
            except BaseException as error:
                os.write(2, f"life {life}: {type(error).__name__}: {error}\n".encode())
            os._exit(3)
        os.close(log)
        time.sleep(chance.uniform(0.005, 0.12))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        under_way: list[object] | None = None
        for raw in path.read_bytes().splitlines():
            step, word, one, other, number = json.loads(raw)
            under_way = [word, one, other, number] if step == "begin" else None
            if step == "end":
                play(model, tags, word, one.encode(), other.encode(), number)
        found = wrong(home, model, tags, under_way)
        if not os.WIFSIGNALED(status):
            found.append("it ended by itself")
        if under_way:
            settled(model, home, under_way)
        for one in found:
            print(f"life {life}, seed {seed}, during {under_way}: {one}")
        failed += bool(found)
        path.unlink()
    tree = Tree(home)
    tree.start()
    tree.history.compare()
    if not tree.history.settle():
        print(f"nothing is settled: {tree.history.status()}")
        failed += 1
    kept = len(list((home / "memex" / "kept").iterdir()))
    tree.stop()
    report = check(home)
    store = Store(home / "memex")
    versions = sum(1 for _ in store.digests())
    store.close()
    if report.problems or report.notes or kept > 1:
        print(f"after the last: {report.problems} {report.notes}, {kept - 1} kept")
        failed += 1
    what = f"{report.files} files, {report.sealed} sealed, {versions} contents kept"
    print(f"{count} kills, {failed} with problems; {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))

"""The queue, what was found in files, words, versions, and several who use one store."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nexus.core.errors import NotFoundError
from nexus.memexfs.store import Facts, Passage, Store
from nexus.memexfs.store_versions import kept

SECOND = 10**9
DAY = 86400 * SECOND


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(tmp_path / "memex")
    yield opened
    opened.close()


def test_ten_thousand_saves_are_one_thing_to_do(store: Store) -> None:
    now = time.time_ns()
    with store.batch():
        for number in range(10_000):
            store.written(b"log.txt", number, number, now + 2 * SECOND + number)
    assert store.waiting() == 1
    assert store.take(9, now + 2 * SECOND) == []
    [pending] = store.take(9, now + 3 * SECOND)
    assert pending.path == b"log.txt"
    assert store.done(pending)
    assert store.waiting() == 0


def test_a_file_that_is_saved_all_the_time_is_read_within_five_minutes(store: Store) -> None:
    start = time.time_ns()
    for second in range(0, 900, 5):
        store.written(b"log.txt", 1, 1, start + second * SECOND)
    assert store.take(9, start + 301 * SECOND)


def test_the_newest_generation_wins(store: Store) -> None:
    store.written(b"a", 1, 1, 0)
    [old] = store.take(9, time.time_ns())
    assert store.described(b"a", Facts("text"))
    store.written(b"a", 2, 2, 0)
    assert not store.done(old)
    assert store.count() == {"waiting": 1}
    store.retry(old, 10**18, "too late")
    [new] = store.take(9, time.time_ns())
    assert (new.generation > old.generation, new.tries) == (True, 0)
    store.retry(new, time.time_ns() + 60 * SECOND, "the model is away")
    assert store.take(9, time.time_ns()) == []
    [again] = store.take(9, time.time_ns() + 61 * SECOND)
    assert again.tries == 1
    assert store.problem_of(b"a") == "the model is away"
    assert store.described(b"a", Facts("text"))
    assert store.done(again)
    assert store.count() == {"indexed": 1}


def test_files_whose_tags_change_are_looked_at_again(store: Store) -> None:
    for name in (b"a", b"b"):
        store.written(name, 1, 1, 0)
        store.described(name, Facts("text"))
    store.written(b"not read yet", 1, 1, 2**62)

    def due() -> list[bytes]:
        found = store.take(9, time.time_ns())
        assert all(store.done(one) for one in found)
        return sorted(one.path for one in found)

    assert due() == [b"a", b"b"]
    store.tag(store.ensure(b"a"), "x")
    assert store.count() == {"indexed": 2, "waiting": 1}
    assert due() == [b"a"]
    store.tag(store.ensure(b"b"), "x")
    store.tag(store.ensure(b"not read yet"), "x")
    store.rename_tag("x", "y")
    [one, other] = store.take(9, time.time_ns())
    store.retry(one, 2**62, "of one alone")
    assert due() == [other.path]
    store.drop_tag("y")
    assert store.waiting() == 3


def test_moves_and_ends_are_told_in_order_and_before_what_is_to_be_read(store: Store) -> None:
    file = store.written(b"a/b", 1, 1, 0)
    assert store.described(b"a/b", Facts("text"))
    assert store.done(store.take(1, time.time_ns())[0])
    store.moved(b"a", b"c", folder=True)
    store.moved(b"c/b", b"c/d", folder=False)
    store.removed(b"c/d", folder=False)
    told = store.take(9, time.time_ns())
    assert [(one.task, one.old, one.path, one.folder, one.file) for one in told] == [
        ("move", b"a", b"c", True, 0),
        ("move", b"c/b", b"c/d", False, file),
        ("drop", b"", b"c/d", False, file),
    ]
    store.retry(told[0], 10**19 // 2, "later")
    assert [one.tries for one in store.take(9, 10**19 // 2)] == [1, 0, 0]
    for one in told:
        assert store.done(one)
    assert store.take(9, time.time_ns()) == []


def test_files_that_come_and_go_unread_leave_nothing_in_the_queue(store: Store) -> None:
    for number in range(50):
        path = b"d/%d" % number
        store.written(path, 1, 1, 0)
        store.moved(path, path + b"x", folder=False)
        store.removed(path + b"x", folder=False)
    store.written(b"d/last", 1, 1, 0)
    store.removed(b"d", folder=True)
    assert store.take(1000, time.time_ns()) == []
    assert store.waiting() == 0


def test_what_was_found_in_a_file_that_is_gone_is_not_stored(store: Store) -> None:
    store.written(b"a", 1, 1, 0)
    store.removed(b"a", folder=False)
    assert not store.described(b"a", Facts("text"), [Passage("", "words")])
    assert store.matching("words", 5) == []
    assert store.check() == []


def test_words_are_found_in_names_titles_and_texts(store: Store) -> None:
    def known(path: bytes, title: str, *texts: str) -> None:
        store.written(path, 1, 1, 0)
        assert store.described(path, Facts("text", title=title), [Passage("", text) for text in texts])

    known(b"work/refundPolicy2024.md", "", "We give money back.")
    known(b"work/other.md", "Refunds", "Nothing else.", "A second passage on shipping crates.")
    known(b"home/list.txt", "", "crates of apples")
    assert {m.path for m in store.matching("refund", 5)} == {b"work/refundPolicy2024.md", b"work/other.md"}
    assert [m.path for m in store.matching("2024", 5)] == [b"work/refundPolicy2024.md"]
    shipped = store.matching("shipping a crate", 5)
    assert shipped[0].path == b"work/other.md"
    assert shipped[0].passage == "A second passage on shipping crates."
    assert [m.path for m in store.matching("crates", 5, under=b"home")] == [b"home/list.txt"]
    assert [m.path for m in store.matching("crates", 1)] == [shipped[1].path]
    store.moved(b"home/list.txt", b"home/zebra.txt", folder=False)
    assert [m.path for m in store.matching("zebra", 5)] == [b"home/zebra.txt"]
    known(b"home/zebra.txt", "", "pears")
    assert b"home/zebra.txt" not in {m.path for m in store.matching("apples", 5)}
    assert store.check() == []


@pytest.mark.parametrize(
    "text", ["", "!!!", '"', "a AND", "NEAR(", "the of and", "x" * 5000, "\0", "\ud800 ö"]
)
def test_no_question_is_an_error(store: Store, text: str) -> None:
    store.written(b"a the.txt", 1, 1, 0)
    assert isinstance(store.matching(text, 5), list)


def test_versions_that_are_let_go() -> None:
    now = 100 * DAY
    recent = [now - hour * 3600 * SECOND for hour in range(20)]
    assert kept(recent, now) == [True] * 20
    hourly = [now - DAY - hour * 3600 * SECOND for hour in range(1, 24 * 40)]
    stay = [when for when, keep in zip(hourly, kept(hourly, now), strict=True) if keep]
    assert len({when // DAY for when in stay}) == len(stay)
    assert 29 <= len(stay) <= 31
    assert sum(kept([now - second * SECOND for second in range(1000)], now)) == 50
    assert kept([0], now) == [True]


def test_the_oldest_versions_go_when_there_are_too_many_bytes(store: Store) -> None:
    now = time.time_ns()
    for number in range(5):
        assert store.add_version(b"a", f"{number:064}", "raw", 100, 1, now - number - 1, "replaced")
        assert store.add_version(b"b", f"{number:064}", "raw", 100, 1, now - number - 1, "replaced")
    assert not store.add_version(b"a", f"{0:064}", "raw", 100, 1, now, "replaced")
    assert store.prune(now, 300) == 4
    assert [v.digest for v in store.versions(b"a")] == [f"{n:064}" for n in range(3)]
    assert list(store.digests()) == [f"{n:064}" for n in range(3)]
    n = store.versions(b"b")[0].n
    assert store.version(n) == (b"b", store.versions(b"b")[0])
    assert store.prune(now, 0) == 6
    with pytest.raises(NotFoundError):
        store.version(n)


def test_threads_share_a_store(store: Store) -> None:
    failed: list[BaseException] = []

    def work(who: int) -> None:
        try:
            for number in range(40):
                file = store.written(b"%d/%d" % (who, number), 1, 1, 0)
                store.tag(file, f"t{number % 3}")
                store.matching("t", 3)
                store.files(b"%d" % who)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sum(count for _, count in store.tags()) == 240
    assert store.check() == []


def _other_process(folder: str, who: int) -> None:
    store = Store(Path(folder))
    for number in range(30):
        with store.batch():  # outside of it the id may be of a database that is no more
            store.tag(store.written(b"%d/%d" % (who, number), 1, 1, 0), f"t{who}")
    store.close()


def test_processes_share_a_store_and_a_rebuild_under_them_loses_no_tag(store: Store, tmp_path: Path) -> None:
    start = multiprocessing.get_context("spawn")
    others = [start.Process(target=_other_process, args=(str(tmp_path / "memex"), who)) for who in range(2)]
    for other in others:
        other.start()
    while any(other.is_alive() for other in others):
        store.rebuild("the test says so")
        assert store.check() == []
        time.sleep(0.05)
    for other in others:
        other.join()
        assert other.exitcode == 0
    assert dict(store.tags()) == {"t0": 30, "t1": 30}


def test_importing_the_store_loads_nothing_heavy() -> None:
    heavy = ("numpy", "blake3", "onnxruntime", "zstandard")
    code = f"import sys, nexus.memexfs.store; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

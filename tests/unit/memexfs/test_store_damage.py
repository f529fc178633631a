"""What happens to a store whose files are cut, overwritten, deleted or of another version."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core.errors import BusyError, NexusError, StorageError
from nexus.memexfs.journal import HEADER, Journal, parsed
from nexus.memexfs.store import Facts, Passage, Store


def filled(folder: Path) -> None:
    store = Store(folder)
    with store.batch():
        for number in range(200):
            path = b"d%d/f%d.txt" % (number % 7, number)
            store.written(path, 1, 1, 0)
            store.described(
                path, Facts("text", title=f"title {number}"), [Passage("", f"word{number} " * 50)]
            )
    store.tag(store.ensure(b"d1/f1.txt"), "work")
    store.save_query("q", "how we handle refunds?")
    store.add_source("Documents", folder)
    store.add_version(b"d2/f2.txt", "ab" * 32, "zstd", 9, 8, 7, "removed")
    store.close()


def assert_kept(store: Store, folder: Path) -> None:
    """What only the database knows."""
    assert [row.path for row in store.tagged(["work"], 9)] == [b"d1/f1.txt"]
    assert store.queries() == {"q": "how we handle refunds?"}
    assert store.sources() == {"Documents": folder}
    [version] = store.versions(b"d2/f2.txt")
    assert version[1:] == ("ab" * 32, "zstd", 9, 8, 7, "removed")
    assert store.check() == []


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_file_is_made_anew_and_the_old_one_set_aside(tmp_path: Path, seed: int) -> None:
    filled(tmp_path)
    path = (tmp_path / "meta.db").resolve()
    data = bytearray(path.read_bytes())
    chance = random.Random(seed)
    for _ in range(40):
        at = chance.randrange(len(data) // 4096) * 4096
        data[at : at + 512] = chance.randbytes(512)
    path.write_bytes(data[: len(data) // 2] if seed == 0 else data)
    store = Store(tmp_path)
    assert store.rebuilt
    assert (tmp_path / "meta.db").resolve() != path
    assert path.exists()
    assert_kept(store, tmp_path)
    store.close()
    again = Store(tmp_path)
    assert again.rebuilt == ""
    again.close()


def test_damage_that_is_met_while_it_is_used_is_said_and_mended_at_the_next_use(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("nexus.memexfs.database._SMALL", 0)
    filled(tmp_path)
    store = Store(tmp_path)
    before, number = store.identity, store.ensure(b"d1/f1.txt")
    with sqlite3.connect(store._database.path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(page,)] = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'passages'")
    db.close()
    other = Store(tmp_path)
    with other._database.path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\x07" * 4096)
    with pytest.raises(StorageError, match="is damaged"):
        other.passages_of(b"d1/f1.txt")
    assert_kept(other, tmp_path)
    assert other.identity != before
    assert other.by_id(number) is None
    assert store.identity == other.identity
    assert_kept(store, tmp_path)
    store.close()
    other.close()


def test_a_deleted_database_loses_nothing_that_only_it_knew(tmp_path: Path) -> None:
    filled(tmp_path)
    for path in tmp_path.glob("meta*"):
        path.unlink()
    store = Store(tmp_path)
    assert_kept(store, tmp_path)
    store.close()


def test_a_database_of_a_newer_nexus_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path)
    path = (tmp_path / "meta.db").resolve()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="newer NexusOS"):
        Store(tmp_path)
    assert path.read_bytes() == before


def test_what_fails_in_a_batch_leaves_nothing_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fails() -> None:
        with store.batch():
            store.tag(store.ensure(b"a"), "x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert store.files() == []
    assert store.tags() == []
    assert not (tmp_path / "journal").exists()
    store.close()
    with pytest.raises(StorageError, match="is closed"):
        store.files()


def test_a_database_that_another_holds_is_busy_not_broken(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("nexus.memexfs.database._WAIT", 0.05)
    store = Store(tmp_path)
    holder = sqlite3.connect(store._database.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError, match="held by another process"):
        store.ensure(b"a")
    holder.execute("ROLLBACK")
    holder.close()
    assert store.ensure(b"a")
    store.close()


def test_the_journal_is_written_anew_when_most_of_it_is_old(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("nexus.memexfs.store_rows._LEAST", 2000)
    store = Store(tmp_path)
    file = store.ensure(b"\xff")
    for number in range(300):
        store.set_tags(file, [f"t{number % 5}"])
    assert (tmp_path / "journal").stat().st_size < 3000
    store.rebuild("the test says so")
    assert store.tags_of(store.ensure(b"\xff")) == ["t4"]
    store.close()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_journal_that_was_cut_or_changed_gives_the_lines_that_are_whole(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        journal = Journal(path)
        journal.append([["tag", f"p{n}", ["x"]] for n in range(5)], durable=False)
        raw = bytearray(path.read_bytes())
        cut = data.draw(st.integers(len(HEADER), len(raw)))
        del raw[cut:]
        if raw[len(HEADER) :]:
            at = data.draw(st.integers(len(HEADER), len(raw) - 1))
            raw[at] ^= data.draw(st.integers(0, 255))
        path.write_bytes(raw)
        journal.append([["make", "y"]], durable=False)
        lines = list(journal.lines())
        assert lines[-1] == ["make", "y"]
        assert all(line in [["tag", f"p{n}", ["x"]] for n in range(5)] for line in lines[:-1])
        assert len(lines) + journal.damaged <= 8


@given(st.binary(max_size=300))
def test_no_bytes_in_a_journal_are_an_error(noise: bytes) -> None:
    assert parsed(noise) is None or noise.endswith(b"\n")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "journal").write_bytes(noise)
        try:
            Store(Path(folder)).close()
        except NexusError:
            assert noise.startswith(HEADER[:20])


LINES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                "mv tag untag version swap bare make drop rename query unquery source unsource other".split()
            ),
            st.lists(LINES, max_size=8),
        ),
        max_size=6,
    )
)
@settings(max_examples=80, deadline=None)
def test_no_line_that_somebody_wrote_into_a_journal_is_an_error(lines: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Journal(Path(folder) / "journal").rewrite([word, *values] for word, values in lines)
        store = Store(Path(folder))
        assert store.check() == []
        store.close()

"""What may be asked a million rows has an index for it: the plans that SQLite says it follows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from nexus.memexfs.store import Facts, Passage, Store

# Going through an index from end to end is what counting needs; nothing goes through a table.
COUNTS = re.compile(r"SCAN (?:files|f) USING COVERING INDEX")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(tmp_path_factory.mktemp("memex"))
    with opened.batch() as db:
        for number in range(3000):
            path = b"d%d/e%d/f%d.txt" % (number % 10, number % 70, number)
            file = opened.written(path, number, number * 10**12, number)
            facts = Facts(
                "text", title="t", author=f"a{number % 9}", project="p", mtime_ns=number * 10**12 + 1
            )
            opened.described(path, facts, [Passage("h", f"words {number}")])
            opened.tag(file, f"t{number % 40}")
        db.execute("ANALYZE")
    yield opened
    opened.close()


class TakenBackError(Exception):
    pass


def statements(store: Store, call: Callable[[], object]) -> list[str]:
    """The SQL that a call runs, with its values, each form of it once. What it changed is taken back."""
    seen: list[str] = []
    with suppress(TakenBackError), store._database.transaction() as db:
        db.set_trace_callback(seen.append)
        try:
            call()
        finally:
            db.set_trace_callback(None)
        raise TakenBackError
    forms = {re.sub(r"\d+|'[^']*'|x'[^']*'", "?", sql): sql for sql in seen}
    return [sql for sql in forms.values() if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)", sql)]


def scans(store: Store, sql: str) -> list[str]:
    with sqlite3.connect(store._database.path) as db:
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    db.close()
    whole = [step for step in plan if re.match(r"SCAN (?!\(|CONSTANT|\d+ CONSTANT|below|best)", step)]
    # Looking whether there is any row, and the queue of chores in its order, end with the first rows.
    ends = sql.startswith("SELECT EXISTS") or "FROM chores" in sql
    return [step for step in whole if "VIRTUAL TABLE" not in step and not ends]


CALLS: dict[str, Callable[[Store], object]] = {
    "file": lambda s: s.file(b"d1/e1/f1.txt"),
    "by_id": lambda s: s.by_id(5),
    "files": lambda s: s.files(b"d1", b"d1/e1/f71.txt", 10),
    "written": lambda s: s.written(b"d1/e1/f1.txt", 1, 2, 3),
    "moved a folder": lambda s: s.moved(b"d1", b"moved", folder=True),
    "moved a file": lambda s: s.moved(b"d1/e1/f1.txt", b"x", folder=False),
    "replaced": lambda s: s.replaced(b"d1/e1/f1.txt", b"d2/e2/f2.txt"),
    "removed": lambda s: s.removed(b"d1/e1/f1.txt", folder=False),
    "removed a folder": lambda s: s.removed(b"d1", folder=True),
    "described": lambda s: s.described(b"d1/e1/f1.txt", Facts("text", mtime_ns=1), [Passage("", "x")]),
    "tagged": lambda s: s.tagged(["t1", "t2"], 50),
    "tagged_paths": lambda s: s.tagged_paths(["t1"], 50),
    "tags beside": lambda s: s.tags(["t1"]),
    "tag": lambda s: s.tag(5, "t1", "new"),
    "recent": lambda s: s.recent(10**15, 50),
    "having": lambda s: [s.having(name, "a1", 50) for name in ("kind", "author", "project", "month")],
    "matching": lambda s: s.matching("words 17", 10),
    "take": lambda s: s.take(10, 10**18),
    "enqueue": lambda s: s.enqueue([b"d1/e1/f1.txt"], 5),
    "versions": lambda s: s.versions(b"d1/e1/f1.txt"),
    "versioned": lambda s: s.versioned(b"d1/e1"),
    "add_version": lambda s: s.add_version(b"d1/e1/f1.txt", "a", "raw", 1, 1, 1, "removed"),
    "differing": lambda s: s.differing([(b"d1/e1/f1.txt", 1, 1)]),
    "forget": lambda s: s.forget(10**18),
}


@pytest.mark.parametrize("name", CALLS)
def test_nothing_that_is_asked_goes_through_a_table(store: Store, name: str) -> None:
    found = statements(store, lambda: CALLS[name](store))
    assert found
    assert [(sql, step) for sql in found for step in scans(store, sql)] == []


@pytest.mark.parametrize("field", ["kind", "author", "project", "month"])
def test_counting_a_column_goes_through_its_index_alone(store: Store, field: str) -> None:
    found = statements(store, lambda: (store.values(field), store.count()))  # type: ignore[arg-type]
    steps = [step for sql in found for step in scans(store, sql) if "tags" not in step]
    assert [step for step in steps if not COUNTS.match(step)] == []

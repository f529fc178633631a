"""The ledger: objects come and go whole, and the word counts with them."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from nexus.core.errors import StorageError
from nexus.cortex.approvals import Approvals
from nexus.cortex.database import Database
from nexus.cortex.ledger import Ledger, NewChunk
from nexus.cortex.words import terms


@pytest.fixture
def database(tmp_path):
    store = Database(tmp_path / "store.db")
    yield store
    store.close()


@pytest.fixture
def ledger(database):
    return Ledger(database)


@pytest.fixture
def approvals(database):
    return Approvals(database)


def chunk(point, text, heading=("Guide",)):
    return NewChunk(point, heading, text, 1, 2, 3, terms=terms(text))


def put(ledger, path, *chunks, kind="document", sha="s"):
    return ledger.put(kind, path, chunks, root="/docs", sha256=sha, size=1, mtime_ns=2)


def counts(ledger, text, kind="document"):
    return ledger.frequencies(kind, terms(text))


def test_an_object_is_replaced_with_all_its_chunks(ledger):
    assert put(ledger, "/docs/a.md", chunk("p1", "alpha"), chunk("p2", "beta")) == []
    stale = put(ledger, "/docs/a.md", chunk("p2", "beta"), chunk("p3", "gamma"), sha="t")
    assert stale == ["p1"]
    assert set(ledger.points()) == {"p2", "p3"}
    assert counts(ledger, "alpha beta gamma") == (2, [0, 1, 1])
    assert ledger.get("/docs/a.md").sha256 == "t"


def test_drop_gives_the_points_to_remove(ledger):
    put(ledger, "/docs/a.md", chunk("p1", "alpha"))
    assert ledger.drop("/docs/a.md") == ["p1"]
    assert ledger.drop("/docs/a.md") == []
    assert counts(ledger, "alpha") == (0, [0])
    assert ledger.counts()["chunks"] == 0


def test_words_are_counted_by_kind_once_a_chunk(ledger):
    put(ledger, "/a", chunk("p1", "declaring parameters, parameters"), chunk("p2", "a parameter"))
    put(ledger, "/m", chunk("p3", "parameters too"), kind="memory")
    assert counts(ledger, "parameter declare nothing") == (2, [2, 1, 0])
    assert counts(ledger, "parameter", "memory") == (1, [1])
    assert counts(ledger, "parameter", "transcript") == (0, [0])


def test_places_say_where_a_chunk_stands_and_back(ledger):
    put(ledger, "/a", chunk("p1", "one"), chunk("p2", "two"), chunk("p3", "three"))
    places = ledger.places(["p1", "p3", "unknown"])
    assert [places["p1"].ordinal, places["p3"].ordinal] == [0, 2]
    number = places["p1"].object
    assert ledger.at([(number, 1), (number, 3), (number + 1, 0)]) == ledger.places(["p2"])
    assert [row.point for row in ledger.chunks_of("/a")] == ["p1", "p2", "p3"]


def test_retrieval_counts_stay_with_what_stays(ledger):
    put(ledger, "/a", chunk("p1", "one"), chunk("p2", "two"))
    put(ledger, "/m", chunk("m1", "old words"), kind="memory")
    ledger.count_hits(["p1", "p2", "m1"])
    put(ledger, "/a", chunk("p2", "two"), chunk("p4", "four"))
    put(ledger, "/m", chunk("m2", "new words"), kind="memory")
    rows = ledger.chunks(["p2", "p4", "m2"])
    assert {point: row.hits for point, row in rows.items()} == {"p2": 1, "p4": 0, "m2": 1}


def test_below_a_folder_means_below_it(ledger):
    for path in ("/docs/a", "/docs/b/c", "/docsx/a", "/d_cs/a", "/docs"):
        put(ledger, path, chunk(path, "x"))
    assert [o.path for o in ledger.objects("document", "/docs")] == ["/docs", "/docs/a", "/docs/b/c"]
    assert [o.path for o in ledger.objects("document", "/d_cs")] == ["/d_cs/a"]
    assert len(ledger.objects("document", "/")) == 5


def test_many_points_are_read_at_once(ledger):
    put(ledger, "/a", *[chunk(f"p{n}", f"text {n}") for n in range(1200)])
    found = ledger.chunks([f"p{n}" for n in range(1200)] + ["unknown"])
    assert len(found) == 1200
    assert found["p7"].text == "text 7"
    assert found["p7"].heading == ("Guide",)


def test_a_duplicate_point_leaves_nothing_of_its_object(ledger):
    put(ledger, "/a", chunk("p1", "alpha"))
    with pytest.raises(StorageError):
        put(ledger, "/b", chunk("p9", "beta"), chunk("p1", "gamma"))
    assert ledger.get("/b") is None
    assert set(ledger.points()) == {"p1"}
    put(ledger, "/c", chunk("p2", "delta"))
    assert set(ledger.points()) == {"p1", "p2"}


def test_hits_are_counted(ledger):
    put(ledger, "/a", chunk("p1", "alpha"))
    ledger.count_hits(["p1", "p1", "unknown"])
    assert ledger.chunks(["p1"])["p1"].hits == 2


def test_proposals_wait_until_they_are_closed_and_rejected_ones_stay_away(approvals):
    assert approvals.put_proposal("NEW-1", {"learning": "a"})
    assert not approvals.put_proposal("NEW-1", {"learning": "a"})
    assert [key for key, _, _ in approvals.proposals()] == ["NEW-1"]
    assert approvals.close_proposal("NEW-1", rejected=True)
    assert not approvals.close_proposal("NEW-1", rejected=True)
    assert not approvals.put_proposal("NEW-1", {"learning": "a"})
    assert approvals.proposals() == []
    for n in range(1100):
        approvals.put_proposal(f"NEW-x{n}", {"learning": str(n)})
    assert len(approvals.proposals()) <= 1000


def test_approval_is_of_exactly_this_content(approvals):
    assert not approvals.approved_content("aa")
    approvals.approve_content("aa", "/project/.cortex/memories/m.md")
    assert approvals.approved_content("aa")
    assert not approvals.approved_content("ab")
    assert approvals.withdraw_content("aa")
    assert not approvals.withdraw_content("aa")
    assert not approvals.approved_content("aa")


def test_what_was_shown_is_known_and_the_list_is_bounded(approvals):
    approvals.note_shown(["a", "b"])
    assert approvals.was_shown(["b", "c", "a"]) == {"a", "b"}
    for start in range(0, 110_000, 10_000):
        approvals.note_shown([f"h{n}" for n in range(start, start + 10_000)])
    assert approvals.was_shown(["a", "h0"]) == set()
    assert approvals.was_shown(["h109999"]) == {"h109999"}


def test_threads_may_write_and_read_together(ledger):
    errors = []

    def work(n):
        try:
            for i in range(20):
                put(ledger, f"/{n}/{i}", chunk(f"{n}-{i}", f"word{n}"))
                assert counts(ledger, f"word{n}")[1] > [0]
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert ledger.counts()["documents"] == 80


def test_a_file_that_is_no_store_is_named(tmp_path):
    path = tmp_path / "store.db"
    path.write_bytes(b"this is not a database at all, it is text" * 30)
    with pytest.raises(StorageError, match=r"store\.db") as caught:
        Database(path)
    assert "move it away" in caught.value.hint
    assert path.read_bytes().startswith(b"this is not")


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "store.db"
    Database(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match="newer NexusOS"):
        Database(path)


def test_a_store_of_the_first_version_keeps_its_proposals_and_reads_the_rest_again(tmp_path):
    path = tmp_path / "store.db"
    db = sqlite3.connect(path)
    db.executescript(
        "CREATE TABLE objects (id INTEGER PRIMARY KEY, path TEXT);"
        "CREATE TABLE chunks (id INTEGER PRIMARY KEY, object INTEGER REFERENCES objects, text TEXT);"
        "CREATE VIRTUAL TABLE words USING fts5 (text, content = 'chunks');"
        "CREATE TRIGGER chunks_added AFTER INSERT ON chunks BEGIN"
        " INSERT INTO words (rowid, text) VALUES (new.id, new.text); END;"
        "CREATE TABLE proposals (id TEXT PRIMARY KEY, state TEXT, created TEXT, body TEXT);"
        "INSERT INTO objects VALUES (1, '/a'); INSERT INTO chunks VALUES (1, 1, 'alpha');"
        "INSERT INTO proposals VALUES ('NEW-1', 'open', '2026-01-01T00:00:00Z', '{}');"
        "PRAGMA user_version = 1;"
    )
    db.close()
    database = Database(path)
    assert Ledger(database).counts()["chunks"] == 0
    assert [key for key, _, _ in Approvals(database).proposals()] == ["NEW-1"]
    assert database.check() == []
    database.close()


def test_a_store_in_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(StorageError):
        Database(tmp_path / "none" / "store.db")

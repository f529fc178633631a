"""The ledger: objects come and go whole, words find them."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from nexus.core.errors import StorageError
from nexus.cortex.ledger import Ledger, NewChunk


@pytest.fixture
def ledger(tmp_path):
    store = Ledger(tmp_path / "store.db")
    yield store
    store.close()


def chunk(point, text, heading=("Guide",)):
    return NewChunk(point, heading, text, 1, 2, 3)


def put(ledger, path, *chunks, kind="document", sha="s"):
    return ledger.put(kind, path, chunks, root="/docs", sha256=sha, size=1, mtime_ns=2)


def words(ledger, query, kinds=("document", "memory")):
    return [point for point, _ in ledger.keyword_search(query, 10, kinds)]


def test_an_object_is_replaced_with_all_its_chunks(ledger):
    assert put(ledger, "/docs/a.md", chunk("p1", "alpha"), chunk("p2", "beta")) == []
    stale = put(ledger, "/docs/a.md", chunk("p2", "beta"), chunk("p3", "gamma"), sha="t")
    assert stale == ["p1"]
    assert set(ledger.points()) == {"p2", "p3"}
    assert words(ledger, "alpha") == []
    assert words(ledger, "gamma") == ["p3"]
    assert ledger.get("/docs/a.md").sha256 == "t"


def test_drop_gives_the_points_to_remove(ledger):
    put(ledger, "/docs/a.md", chunk("p1", "alpha"))
    assert ledger.drop("/docs/a.md") == ["p1"]
    assert ledger.drop("/docs/a.md") == []
    assert words(ledger, "alpha") == []
    assert ledger.counts()["chunks"] == 0


def test_words_find_stems_and_headings_and_respect_kinds(ledger):
    put(ledger, "/a", chunk("p1", "declaring parameters", ("Optional parameters",)))
    put(ledger, "/m", chunk("p2", "parameters too"), kind="memory")
    assert words(ledger, '"parameter"') == ["p1", "p2"]
    assert words(ledger, '"optional"') == ["p1"]
    assert words(ledger, '"parameter"', ("memory",)) == ["p2"]


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


def test_proposals_wait_until_they_are_closed_and_rejected_ones_stay_away(ledger):
    assert ledger.put_proposal("NEW-1", {"learning": "a"})
    assert not ledger.put_proposal("NEW-1", {"learning": "a"})
    assert [key for key, _, _ in ledger.proposals()] == ["NEW-1"]
    assert ledger.close_proposal("NEW-1", rejected=True)
    assert not ledger.close_proposal("NEW-1", rejected=True)
    assert not ledger.put_proposal("NEW-1", {"learning": "a"})
    assert ledger.proposals() == []
    for n in range(1100):
        ledger.put_proposal(f"NEW-x{n}", {"learning": str(n)})
    assert len(ledger.proposals()) <= 1000


def test_threads_may_write_and_read_together(ledger):
    errors = []

    def work(n):
        try:
            for i in range(20):
                put(ledger, f"/{n}/{i}", chunk(f"{n}-{i}", f"word{n}"))
                assert words(ledger, f"word{n}")
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
        Ledger(path)
    assert "move it away" in caught.value.hint
    assert path.read_bytes().startswith(b"this is not")


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "store.db"
    Ledger(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match="newer NexusOS"):
        Ledger(path)


def test_a_store_in_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(StorageError):
        Ledger(tmp_path / "none" / "store.db")

"""Looking through what is stored: pages, names, passages, and what was left out of the last reading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.core.errors import NotFoundError
from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.database import Database
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.ledger import FOREVER
from nexus.cortex.listing import Listing
from nexus.cortex.reporting import FileReport
from nexus.cortex.skipped import MOST, Skipped


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "store.db")
    yield database
    database.close()


@pytest.fixture
def cortex(home: Home, embedder_folder: Path) -> Iterator[Cortex]:
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with Cortex(home, CortexSettings(index="exact"), embedder) as opened:
        yield opened


def fill(database: Database, count: int) -> None:
    """So many documents of two passages each, half of them in another folder."""
    with database.transaction() as db:
        for number in range(count):
            root = "/a" if number % 2 else "/b%"
            db.execute(
                "INSERT INTO objects VALUES (?, 'document', ?, ?, '', 10, 0, ?, '', '', '', 0, 0)",
                (number, f"{root}/Part_{number:05}.md", root, f"2026-01-0{number % 2 + 1}"),
            )
            db.executemany(
                "INSERT INTO chunks (object, ordinal, point, heading, context, text, speaker, said,"
                " start_line, end_line, tokens, terms) VALUES (?, ?, ?, '[]', '', ?, '', '', 1, 2, 7, '')",
                [(number, part, f"{number}-{part}", f"text {part}") for part in range(2)],
            )
        db.execute("INSERT INTO roots VALUES ('/a', '')")
        db.execute("INSERT INTO roots VALUES ('/empty', '')")


def test_ten_thousand_documents_come_by_the_page(database: Database) -> None:
    fill(database, 10_000)
    listing = Listing(database)
    total, rows = listing.documents("", 9_990, 50)
    assert (total, len(rows)) == (10_000, 10)
    assert [rows[0].path, rows[-1].path] == ["/b%/Part_09980.md", "/b%/Part_09998.md"]
    assert (rows[0].chunks, rows[0].tokens, rows[0].size) == (2, 14, 10)
    assert listing.documents("part_00017", 0, 50) == (1, listing.documents("00017", 0, 50)[1])
    # What stands for anything in a pattern is a letter in a name.
    assert listing.documents("%/p", 0, 50)[0] == 5_000
    assert listing.documents("_00017 /a", 0, 50)[0] == 1
    assert listing.documents("t%1", 0, 50)[0] == 0
    roots = {
        root.path: (root.followed, root.documents, root.chunks, root.changed) for root in listing.roots()
    }
    assert roots == {
        "/a": (True, 5_000, 10_000, "2026-01-02"),
        "/b%": (False, 5_000, 10_000, "2026-01-01"),
        "/empty": (True, 0, 0, ""),
    }


def test_ten_thousand_memories_come_by_the_page_newest_day_first(database: Database) -> None:
    with database.transaction() as db:
        for number in range(10_000):
            name = f"MEM-2026-01-{1 + number // 5_000:02}-{number % 5_000:03}-00000000"
            ends = 10 if number == 9_999 else FOREVER
            row = (number, f"/m/{name}.md", name, ends)
            db.execute(
                "INSERT INTO objects VALUES (?, 'memory', ?, '/m', '', 1, 0, '', '', '', ?, 0, ?)", row
            )
            db.execute(
                "INSERT INTO chunks (object, ordinal, point, heading, context, text, speaker, said,"
                " start_line, end_line, tokens, terms, hits)"
                " VALUES (?, 0, ?, '[]', 'DB Über', ?, '', '', 1, 1, 7, x'', 3)",
                (number, str(number), f"Kran {number}"),
            )
    listing = Listing(database)
    found, known, rows = listing.memories("", 0, 2)
    assert (found, known, [row.hits for row in rows]) == (9_999, 9_999, [3, 3])
    # By number, not by letter: 999 comes before 1000. The one that has ended is not there.
    assert [row.path for row in rows] == [
        "/m/MEM-2026-01-02-4998-00000000.md",
        "/m/MEM-2026-01-02-4997-00000000.md",
    ]
    assert [row.path for row in listing.memories("", 9_998, 50)[2]] == ["/m/MEM-2026-01-01-000-00000000.md"]
    found, known, rows = listing.memories("ÜBER kran 777", 0, 50, ended=True)
    assert (found, known, len(rows)) == (19, 10_000, 19)
    assert listing.memories("% kran", 0, 50)[0] == 0


def test_passages_come_in_order_and_by_the_page(database: Database) -> None:
    fill(database, 2)
    listing = Listing(database)
    total, rows = listing.passages("/a/Part_00001.md", 1, 20)
    assert (total, [row.text for row in rows]) == (2, ["text 1"])
    assert listing.passages("/nothing", 0, 20) == (0, [])


def test_what_was_left_out_is_kept_until_the_next_reading(database: Database) -> None:
    skipped = Skipped(database)
    reports = [
        FileReport("/a/1.md", "added"),
        FileReport("/a/2.bin", "skipped", 0, "binary"),
        FileReport("/a/3.md", "failed", 0, "permission denied", "allow it"),
        FileReport("/ab/4.bin", "skipped", 0, "binary"),
    ]
    skipped.note("/a", reports)
    skipped.note("/ab", reports)
    assert skipped.counts() == {"/a": 2, "/ab": 1}
    assert [(f.path, f.reason, f.hint) for f in skipped.of("/a", 1, 5)] == [
        ("/a/3.md", "permission denied", "allow it")
    ]
    skipped.note("/a", reports[:2])
    assert [f.path for f in skipped.of("/a", 0, 5)] == ["/a/2.bin"]
    skipped.forget("/a")
    assert skipped.counts() == {"/ab": 1}


def test_at_most_so_many_notes_are_kept(database: Database) -> None:
    skipped = Skipped(database)
    skipped.note("/a", [FileReport(f"/a/{n:05}", "skipped", 0, "empty") for n in range(MOST + 50)])
    assert skipped.counts() == {"/a": MOST}


def test_a_folder_that_is_read_and_forgotten(cortex: Cortex, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# Crane\n\nIt lifts forty tonnes.\n")
    (folder / "b.bin").write_bytes(bytes(range(256)))
    cortex.add([folder])
    (root,) = cortex.listing.roots()
    assert (root.path, root.followed, root.documents) == (str(folder), True, 1)
    assert cortex.skipped.counts() == {str(folder): 1}
    (folder / "b.bin").unlink()
    cortex.refresh(folder)
    assert cortex.skipped.counts() == {}
    (folder / "c.bin").write_bytes(bytes(range(256)))
    cortex.refresh(folder)
    cortex.forget_documents(folder)
    assert (cortex.listing.roots(), cortex.skipped.counts()) == ([], {})
    with pytest.raises(NotFoundError):
        cortex.forget_documents(folder)

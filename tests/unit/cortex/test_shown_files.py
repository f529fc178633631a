"""Pages that show other files, in a real store: found by the listing, and never with an old one."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder

PAGE = """# Routes

## Order matters

Whoever comes first gets the request:

{* ../../src/order.py *}

## Last words

Nothing else is needed here.
"""
LISTING = '@app.get("/users/me")\ndef read_myself(): ...\n'


@pytest.fixture(scope="module")
def embedder(embedder_folder):
    return OnnxEmbedder("all-minilm-l6-v2", embedder_folder)


@pytest.fixture
def cortex(home, embedder):
    with Cortex(home, CortexSettings(index="exact"), embedder) as opened:
        yield opened


@pytest.fixture
def manual(tmp_path):
    folder = tmp_path / "manual"
    (folder / "docs" / "tutorial").mkdir(parents=True)
    (folder / "src").mkdir()
    (folder / "docs" / "tutorial" / "routes.md").write_text(PAGE)
    (folder / "src" / "order.py").write_text(LISTING)
    return folder


def page_of(cortex: Cortex, manual: Path) -> str:
    rows = cortex.ledger.chunks_of(str(manual / "docs" / "tutorial" / "routes.md"))
    return "\n\n".join(row.text for row in rows)


def test_a_section_holds_the_listing_that_it_shows_and_keeps_its_own_lines(cortex, manual):
    assert cortex.add(manual).counts == {"added": 2}
    rows = [row for row in cortex.recall("read_myself", 5) if row.path.endswith("routes.md")]
    assert "read_myself" in rows[0].text
    assert "Whoever comes first" in rows[0].text
    lines = PAGE.splitlines()[rows[0].chunk.start_line - 1 : rows[0].chunk.end_line]
    assert "{* ../../src/order.py *}" in lines
    assert cortex.add(manual).counts == {"unchanged": 2}


def test_a_page_follows_the_listing_that_it_shows(cortex, manual):
    cortex.add(manual)
    listing = manual / "src" / "order.py"
    listing.write_text(LISTING.replace("myself", "oneself"))
    assert cortex.add(manual).counts == {"updated": 2}
    assert "read_oneself" in page_of(cortex, manual)
    assert "read_myself" not in page_of(cortex, manual)
    listing.unlink()
    assert cortex.add(manual).counts == {"updated": 1, "removed": 1}
    assert "{* ../../src/order.py *}" in page_of(cortex, manual)
    listing.write_text(LISTING)
    assert cortex.add(manual).counts == {"added": 1, "updated": 1}
    assert "read_myself" in page_of(cortex, manual)
    assert cortex.add(manual).counts == {"unchanged": 2}


def test_a_page_whose_listing_was_stored_before_a_death_is_read_again(cortex, manual, monkeypatch):
    cortex.add(manual)
    (manual / "src" / "order.py").write_text(LISTING.replace("myself", "oneself"))
    monkeypatch.setattr(type(cortex._ingest), "_read_again", lambda *_: [])
    cortex.add(manual)
    assert "read_myself" in page_of(cortex, manual)
    monkeypatch.undo()
    assert cortex.add(manual).counts == {"unchanged": 1, "updated": 1}
    assert "read_oneself" in page_of(cortex, manual)


def test_a_listing_that_may_not_be_read_is_not_shown_either(cortex, manual, tmp_path):
    private = tmp_path / "private.py"
    private.write_text("diary = 'of somebody else'\n")
    pages = {
        "outside": os.path.relpath(private, manual / "docs"),
        "ignored": "ignored.py",
        "refused": ".env",
        "link": "link.py",
        "binary": "binary.py",
    }
    (manual / "docs" / "ignored.py").write_text("diary = 'ignored'\n")
    (manual / ".gitignore").write_text("ignored.py\n")
    (manual / "docs" / ".env").write_text("DIARY=of_somebody\n")
    (manual / "docs" / "link.py").symlink_to(private)
    (manual / "docs" / "binary.py").write_bytes(b"\x7fELF diary")
    for name, path in pages.items():
        (manual / "docs" / f"{name}.md").write_text(f"# Page {name}\n\n{{{{#include {path}}}}}\n")
    cortex.add(tmp_path / "manual")
    for name, path in pages.items():
        (row,) = cortex.ledger.chunks_of(str(manual / "docs" / f"{name}.md"))
        assert f"{{{{#include {path}}}}}" in row.text
    texts = [r.text for r in cortex.recall("diary", 20, ("document",)) if not r.path.endswith("private.py")]
    assert not any("somebody" in text or "ignored'" in text for text in texts)


def test_a_secret_in_a_listing_is_blacked_out_where_it_is_shown(cortex, manual):
    secret = "ghp_" + "Zq3x9LmN0pRsTuVwXyZ1aBcDeFgHiJ2kLm4N"
    rest = "".join(f"value_{i} = {i}\n" for i in range(30))
    (manual / "src" / "order.py").write_text(f'token = "{secret}"\n{rest}')
    cortex.add(manual)
    assert "value_29" in page_of(cortex, manual)
    assert secret not in page_of(cortex, manual)


def test_a_page_added_again_by_itself_keeps_its_listing(cortex, manual):
    cortex.add(manual)
    page = manual / "docs" / "tutorial" / "routes.md"
    page.write_text(PAGE.replace("Nothing else", "Nothing more"))
    cortex.add(page)
    assert "Nothing more" in page_of(cortex, manual)
    assert "read_myself" in page_of(cortex, manual)


def test_a_page_alone_keeps_the_name_of_what_was_not_added(cortex, manual):
    cortex.add(manual / "docs" / "tutorial" / "routes.md")
    assert "{* ../../src/order.py *}" in page_of(cortex, manual)


def test_pages_that_show_each_other_end(cortex, manual):
    docs = manual / "docs"
    (docs / "a.md").write_text("# A\n\nAlpha.\n\n{{#include b.md}}\n")
    (docs / "b.md").write_text("# B\n\nBeta.\n\n{{#include a.md}}\n")
    cortex.add(manual)
    (docs / "a.md").write_text("# A\n\nAlpha once more.\n\n{{#include b.md}}\n")
    assert cortex.add(manual).counts == {"updated": 2, "unchanged": 2}
    assert any("Alpha once more" in row.text for row in cortex.ledger.chunks_of(str(docs / "b.md")))
    assert cortex.add(manual).counts == {"unchanged": 4}


def test_cancelling_leaves_no_page_half(cortex, manual):
    cancel = threading.Event()
    cancel.set()
    assert cortex.add(manual, cancel=cancel).cancelled
    assert page_of(cortex, manual) == ""
    assert cortex.add(manual).counts == {"added": 2}

"""The Remembered view with 10,000 memories: a page of them at a time, whatever is done with one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from nexus.core import ids
from nexus.core.paths import Home
from nexus.cortex.database import Database
from nexus.cortex.ledger import FOREVER
from nexus.cortex.memory import Memory
from nexus.cortex.memory_file import render
from tests.system import axe
from tests.system.browser import DashboardService, opened, view

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
MANY, PAGE = 10_000, 50
COLOURS = ("red", "green", "blue", "white")


def remember_many(root: Path) -> None:
    """As many memories as files and in the ledger, as if each had been told; their vectors are not there."""
    root.mkdir(parents=True, mode=0o700)
    home = Home(root)
    home.create()
    database = Database(root / "store.db")
    with database.transaction() as db:
        for number in range(1, MANY + 1):
            fact = f"Pier {number} is painted {COLOURS[number % 4]}"
            name = f"MEM-2026-01-02-{number:03}-{number:08x}"
            made = Memory(name, fact, created="2026-01-02T10:00:00Z", updated="2026-01-02T10:00:00Z")
            data, path = render(made).encode(), home.memories / f"{name}.md"
            path.write_bytes(data)
            at = (number, str(path), str(home.memories), ids.content_hash(data), len(data))
            db.execute(
                "INSERT INTO objects VALUES (?, 'memory', ?, ?, ?, ?, 0, '2026-01-02', '', '', ?, 0, ?)",
                (*at, name, FOREVER),
            )
            db.execute(
                "INSERT INTO chunks (object, ordinal, point, heading, context, text, speaker, said,"
                " start_line, end_line, tokens, terms) VALUES (?, 0, ?, '[]', '', ?, '', '', 1, 1, 8, x'')",
                (number, str(uuid.UUID(int=number)), fact),
            )
    database.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[DashboardService]:
    root = tmp_path_factory.mktemp("many") / "home"
    remember_many(root)
    service = DashboardService(root, models_folder)
    service.start(300)
    yield service
    service.stop()


@pytest.fixture
def page(chromium: Browser, service: DashboardService) -> Iterator[Page]:
    with opened(chromium, service) as page:
        page.set_default_timeout(120_000)
        view(page, "Remembered")
        page.locator("#memories .entry").first.wait_for()
        yield page


def test_ten_thousand_memories_are_shown_changed_and_found_a_page_at_a_time(
    page: Page, tmp_path: Path
) -> None:
    expect.set_options(timeout=120_000)
    entries, pages = page.locator("#memories .entry"), page.locator("#memories .pages")
    expect(page.locator("#memories h3")).to_have_text("10,000 facts")
    expect(page.locator("#said")).to_have_text("10,000 facts")
    expect(entries).to_have_count(PAGE)
    expect(entries.first).to_contain_text("Pier 10000 ")
    assert page.evaluate("document.querySelectorAll('*').length") < 5_000
    assert axe.violations(page, axe.source(tmp_path)) == []

    pages.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    expect(pages).to_contain_text("51 to 100 of 10,000 facts")
    expect(entries.first).to_contain_text("Pier 9950 ")
    expect(page.locator("#memories")).to_be_focused()
    expect(entries.first).to_be_in_viewport()

    # What is done with a fact leaves the page where it is.
    entries.first.get_by_role("button", name="Forget").click()
    page.locator("#confirm-yes").click()
    expect(pages).to_contain_text("51 to 100 of 9,999 facts")
    expect(entries.first).to_contain_text("Pier 9949 ")

    # Other words begin at their first page, and the last page is the end.
    page.get_by_label("Search what is remembered").fill("GREEN pier")
    expect(page.locator("#memories h3")).to_have_text("2,500 of 9,999 facts")
    expect(pages).to_contain_text("1 to 50 of 2,500 facts")
    page.get_by_label("Search what is remembered").fill("pier 10000")
    expect(page.locator("#memories h3")).to_have_text("1 of 9,999 facts")
    expect(pages).to_have_count(0)

"""MemexFS in the Files view of a real Chromium: found, tagged, brought back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from nexus.memexfs.launch import serving
from tests.memex_mounts import needs_fuse, take_away
from tests.system.browser import DashboardService, opened, view

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600), needs_fuse]
PATIENT = 120_000  # ms
EVIL = '<img src=x onerror="window.owned=1">'


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[DashboardService]:
    service = DashboardService(tmp_path_factory.mktemp("n") / "home", models_folder)
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def mount(service: DashboardService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    point = tmp_path_factory.mktemp("m") / "memex"
    try:
        done = service.cli("mount", str(point))
        assert done.returncode == 0, done.stderr
        yield point
    finally:
        take_away(point)
        while serving(service.root) is not None:
            pass


@pytest.fixture
def page(chromium: Browser, service: DashboardService) -> Iterator[Page]:
    with opened(chromium, service) as page:
        yield page
        assert page.evaluate("window.owned") is None


def test_a_file_is_written_found_and_brought_back(page: Page, mount: Path) -> None:
    view(page, "Files")
    state = page.locator("#memex")
    expect(state).to_contain_text(str(mount))
    expect(state).to_contain_text("No files yet")
    letter = mount / "files" / f"letter {EVIL.replace('/', '')}.md"
    letter.write_text(f"# Giving money back {EVIL}\n\nGoods that come back are paid in full.\n")
    # The view looks by itself, and what is new is there without a key pressed.
    expect(state.locator("#memex-recent")).to_contain_text("letter", timeout=PATIENT)
    expect(state.locator("#memex-state")).to_contain_text("1 file", timeout=PATIENT)
    expect(state.locator("#memex-state")).not_to_contain_text("waiting", timeout=PATIENT)
    page.fill("#memex-search [name=q]", "how we handle refunds")
    page.locator("#memex-search").get_by_role("button", name="Find").click()
    found = page.locator("#memex-found .source")
    expect(found).to_contain_text("Giving money back")
    found.locator("summary").first.click()
    expect(found).to_contain_text("paid in full")
    expect(found).to_contain_text("It has held nothing else")
    found.get_by_text("Why: score").click()
    expect(found.locator("dl")).to_be_visible()

    before = letter.read_text()
    letter.write_text("Nothing is paid back.\n")
    page.locator("#memex-search").get_by_role("button", name="Find").click()
    found.locator("summary").first.click()
    versions = found.locator(".versions")
    while not versions.count():
        page.locator("#memex-search").get_by_role("button", name="Find").click()
        found.locator("summary").first.click()
        page.wait_for_timeout(500)
    versions.get_by_role("button", name="Bring back").first.click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#notice")).to_be_hidden()
    while letter.read_text() != before:
        page.wait_for_timeout(100)


def test_tags_are_a_press_away_and_reading_can_be_paused(
    page: Page, service: DashboardService, mount: Path
) -> None:
    (mount / "files" / "plan.txt").write_text("The plan of the summer.\n")
    assert service.cli("memex", "tag", "plan.txt", f"idea {EVIL}".replace("/", "")).returncode == 0
    view(page, "Files")
    page.locator("#memex-tags").get_by_role("button", name="idea").click()
    expect(page.locator("#memex-found")).to_contain_text("plan.txt")
    service.call("POST", "/api/memex/pause", {"paused": True})
    expect(page.locator("#memex")).to_contain_text("paused", timeout=PATIENT)
    page.locator("#memex").get_by_role("button", name="Go on").click()
    expect(page.locator("#memex")).not_to_contain_text("paused", timeout=PATIENT)

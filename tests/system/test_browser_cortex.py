"""The queue, the search, the sessions and the index on the page, in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.browser import Complaints, DashboardService, view

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

OLD = "The staging database listens on port 5432"
EVIL = '<img src=x onerror="window.owned=1">'


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[DashboardService]:
    folder = tmp_path_factory.mktemp("cortex")
    service = DashboardService(folder / "home", models_folder)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def options() -> dict[str, Any]:
    """How the browser is set; a test may change it by parametrizing."""
    return {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture
def warned(chromium: Browser, service: DashboardService, options: dict[str, Any]) -> Iterator[Page]:
    """The opened dashboard of a service that knows nothing. The browser may complain of refusals."""
    known = service.call("GET", "/api/memories?all=true")
    for memory in known["memories"]:
        service.call("DELETE", f"/api/memories/{memory['id']}", {})
    for proposal in known["proposals"]:
        service.call("POST", f"/api/proposals/{proposal['id']}/reject", {})
    for root in service.call("GET", "/api/knowledge")["roots"]:
        service.call("DELETE", "/api/knowledge", {"path": root["path"]})
    context = chromium.new_context(**options)
    page = context.new_page()
    page.goto(service.page)
    page.locator("#prompt").wait_for()
    yield page
    context.close()


@pytest.fixture
def page(warned: Page) -> Iterator[Page]:
    """The same, but a test during which the page complained fails."""
    complaints = Complaints(warned)
    yield warned
    assert complaints.found == []


def propose(service: DashboardService, *texts: str) -> list[str]:
    """Say these in the chat. Returns the ids of what is proposed."""
    said = [service.call("POST", "/api/interact", {"prompt": text, "max_tokens": 1}) for text in texts]
    return [proposal["id"] for reply in said for proposal in reply["proposals"]]


def learnings(service: DashboardService) -> list[str]:
    return [memory["learning"] for memory in service.call("GET", "/api/memories")["memories"]]


@pytest.mark.parametrize(
    ("button", "port"), [("Replace the old one", "7001"), ("Keep both", "7002"), ("Dismiss", "7003")]
)
def test_a_contradiction_is_decided_side_by_side(
    page: Page, service: DashboardService, button: str, port: str
) -> None:
    service.call("POST", "/api/memories", {"learning": OLD})
    (proposal,) = propose(service, f"Remember: the staging database listens on port {port}.")
    view(page, "Remembered")
    entry = page.locator(f"[data-proposal='{proposal}']")
    expect(entry.locator(".versus > div").first).to_contain_text(port)
    expect(entry.locator(".versus > div").last).to_contain_text("5432")
    expect(page.get_by_role("group", name="Waiting for your word: 1")).to_be_visible()
    entry.get_by_role("button", name=button).click()
    expect(entry).to_have_count(0)
    new = [learning for learning in learnings(service) if port in learning]
    assert bool(new) is (button != "Dismiss")
    assert (OLD in learnings(service)) is (button != "Replace the old one")
    standing = page.locator("#memories .shown > .words", has_text="5432")
    expect(standing).to_have_count(int(OLD in learnings(service)))
    if button == "Replace the old one":
        page.get_by_label("Superseded, too").check()
        expect(standing).to_have_count(1)
        expect(page.locator("#memories .shown", has_text="ended")).to_contain_text(OLD)


def test_several_are_decided_at_once_by_keyboard(page: Page, service: DashboardService) -> None:
    said = ("pier is painted in May", "crane is oiled on Mondays", "branch is cut on Thursdays")
    assert len(propose(service, *[f"note: the {words}" for words in said])) == 3
    view(page, "Remembered")
    queue = page.locator("#queue")
    expect(queue.get_by_role("button", name="Remember selected")).to_be_disabled()
    for words in said[:2]:
        queue.get_by_role("checkbox", name=words).focus()
        page.keyboard.press("Space")
    whole = queue.get_by_role("checkbox", name="Select all")
    assert whole.evaluate("box => box.indeterminate") is True
    queue.get_by_role("button", name="Remember selected").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#memories .entry")).to_have_count(2)
    expect(queue.locator(".entry")).to_have_count(1)
    expect(queue).to_contain_text("Thursdays")
    assert page.evaluate("document.activeElement.id") in ("queue", "memories")
    assert propose(service, "note: the ferry branch is cut on Sundays")
    page.reload()
    whole.check()
    queue.get_by_role("button", name="Dismiss selected").click()
    expect(queue.locator(".entry")).to_have_count(0)
    assert len(learnings(service)) == 2


def test_what_is_gone_meanwhile_is_told(warned: Page, service: DashboardService) -> None:
    page = warned
    ids = propose(service, "note: the mast is checked in June", "note: the sails are dried in July")
    view(page, "Remembered")
    queue = page.locator("#queue")
    queue.get_by_role("checkbox", name="Select all").check()
    service.call("POST", f"/api/proposals/{ids[0]}/reject", {})
    queue.get_by_role("button", name="Remember selected").click()
    expect(page.locator("#notice")).to_contain_text(ids[0])
    assert all("June" not in learning for learning in learnings(service))


def test_a_memory_is_changed_in_all_its_fields(page: Page, service: DashboardService) -> None:
    service.call("POST", "/api/memories", {"learning": OLD, "context": "the old cluster"})
    view(page, "Remembered")
    entry = page.locator("#memories .entry")
    entry.get_by_role("button", name="Edit").click()
    entry.get_by_label("Where it applies").fill("the new cluster")
    entry.get_by_label("Domain").select_option("DEV")
    entry.get_by_label("Confidence").select_option("low")
    entry.get_by_role("button", name="Save").click()
    expect(entry).to_contain_text("the new cluster")
    (memory,) = service.call("GET", "/api/memories")["memories"]
    assert (memory["domain"], memory["confidence"], memory["learning"]) == ("DEV", "low", OLD)


def test_search_keeps_to_the_kinds_and_explains_each_score(
    page: Page, service: DashboardService, tmp_path: Path
) -> None:
    (tmp_path / "pier.md").write_text(f"# Pier\n\nThe lantern of the east pier is green. {EVIL}\n")
    service.add(tmp_path)
    service.call("POST", "/api/memories", {"learning": f"The lantern oil is in the shed {EVIL}"})
    view(page, "Knowledge")
    page.get_by_label("Search everything").fill("lantern")
    page.keyboard.press("Enter")
    found = page.locator("#found > .source")
    expect(found).to_have_count(2)
    page.get_by_role("checkbox", name="Documents").uncheck()
    expect(found).to_have_count(1)
    expect(found).to_contain_text("memory")
    found.locator("> summary").click()
    expect(found.locator("pre")).to_contain_text("<img")
    found.get_by_text("Why: score").click()
    expect(found.locator(".why")).to_contain_text("meaning")
    expect(found.locator(".why")).to_contain_text("how new")
    page.get_by_label("Let the model help").check()
    page.get_by_label("Search everything").press("Enter")
    expect(page.locator("#found")).to_contain_text("The model writes")
    expect(found).to_have_count(1, timeout=120_000)
    found.locator("> summary").click()
    found.get_by_text("Why: score").click()
    expect(found.locator(".why")).to_contain_text("by what the model expected")
    page.get_by_label("Memories").uncheck()
    page.get_by_label("Sessions", exact=True).uncheck()
    expect(page.locator("#found")).to_contain_text("Choose at least one kind")
    assert page.evaluate("window.owned") is None


def test_sessions_are_imported_and_removed(warned: Page, service: DashboardService, tmp_path: Path) -> None:
    page = warned
    talk = [
        {"role": "user", "content": f"Which colour? {EVIL}"},
        {"role": "assistant", "content": "Vermilion."},
    ]
    (tmp_path / "talk.json").write_text(json.dumps(talk))
    view(page, "Agents")
    page.get_by_label("Import sessions of agents").fill(str(tmp_path / "talk.json"))
    page.keyboard.press("Enter")
    expect(page.locator("#import [data-report]")).to_contain_text("1 added")
    entry = page.locator("#sessions .entry")
    expect(entry).to_have_count(1)
    page.get_by_label("Import sessions of agents").fill("talk.json")
    page.keyboard.press("Enter")
    expect(page.locator("#import .problem")).to_contain_text("start with /")
    entry.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(entry).to_have_count(0)
    assert (tmp_path / "talk.json").exists()
    assert page.evaluate("window.owned") is None


def test_the_index_is_checked_and_filled_anew(page: Page, service: DashboardService) -> None:
    for number in range(3):
        service.call(
            "POST", "/api/memories", {"learning": f"Buoy {number} is anchored off pier {number + 7}"}
        )
    view(page, "Knowledge")
    index = page.locator("#index")
    expect(index).to_contain_text("3 points")
    index.get_by_role("button", name="Check").click()
    expect(index.locator("[data-report]")).to_contain_text("Sound: 3 points")
    index.get_by_role("button", name="Rebuild").focus()
    page.keyboard.press("Enter")
    expect(index.locator("[data-report]")).to_contain_text(
        "Rebuilt: the index holds 3 points", timeout=60_000
    )
    expect(index.get_by_role("button", name="Rebuild")).to_be_focused()
    assert service.call("POST", "/api/index/verify", {})["sound"] is True


@pytest.mark.parametrize("options", [{"viewport": {"width": 360, "height": 740}}], ids=["360px"])
def test_a_phone_shows_a_contradiction_without_scrolling_sideways(
    page: Page, service: DashboardService
) -> None:
    service.call("POST", "/api/memories", {"learning": OLD})
    propose(
        service, "Remember: the staging database listens on port 7010.", "note: the pier is painted in May"
    )
    view(page, "Remembered")
    page.locator(".versus").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#memories .entry").get_by_role("button", name="Edit").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360

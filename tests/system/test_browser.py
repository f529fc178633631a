"""A person's way through the dashboard, in a real Chromium against a real service with real models.

Documents are added, questions asked, facts remembered, the process killed: all by what the page offers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.browser import DashboardService, ask, opened, view

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

HARBOUR = """# Harbour guide

## Opening hours

The harbour office opens at seven in the morning and closes at four in the afternoon.

## Cranes

Crane number three lifts forty tonnes. It is the strongest crane of the harbour.
"""
MOORING = """# Mooring

## Fees

Mooring a sailing boat costs eleven crowns a night. Fishing boats moor for free.
"""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harbour")
    (folder / "guide.md").write_text(HARBOUR)
    (folder / "mooring.md").write_text(MOORING)
    (folder / "chart.bin").write_bytes(bytes(range(256)) * 8)
    return folder


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, models_folder: Path, documents: Path
) -> Iterator[DashboardService]:
    service = DashboardService(tmp_path_factory.mktemp("nexus") / "home", models_folder)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def page(chromium: Browser, service: DashboardService) -> Iterator[Page]:
    with opened(chromium, service) as page:
        yield page


@pytest.fixture
def reading(page: Page, service: DashboardService, documents: Path) -> Page:
    """The dashboard of a service that knows the documents."""
    if not service.call("GET", "/api/knowledge")["documents"]:
        add(page, documents)
        view(page, "Chat")
    return page


def add(page: Page, folder: Path) -> None:
    view(page, "Files")
    page.get_by_label("Add a folder or a file").fill(str(folder))
    page.get_by_role("button", name="Add", exact=True).click()
    page.locator("#add-report p").first.wait_for(timeout=60_000)


def test_a_folder_is_added_and_each_file_left_out_is_named(
    page: Page, service: DashboardService, documents: Path
) -> None:
    add(page, documents)
    report = page.locator("#add-report")
    expect(report).to_contain_text("skipped")
    expect(report.locator(".left-out")).to_contain_text("chart.bin")
    reason = report.locator(".left-out .meta").first.text_content()
    assert reason, "a file is left out for a reason"
    expect(page.locator("#roots")).to_contain_text(str(documents))
    expect(page.locator("#roots")).to_contain_text("2 documents")
    assert service.call("GET", "/api/knowledge")["documents"] == 2


def test_a_folder_that_does_not_exist_is_reported(page: Page, tmp_path: Path) -> None:
    view(page, "Files")
    page.get_by_label("Add a folder or a file").fill(str(tmp_path / "nowhere"))
    page.keyboard.press("Enter")
    expect(page.locator("#add-report")).to_contain_text("nowhere")


def test_a_relative_path_is_refused_with_a_hint(chromium: Browser, service: DashboardService) -> None:
    page = chromium.new_page()
    page.goto(service.page)
    view(page, "Files")
    page.get_by_label("Add a folder or a file").fill("docs")
    page.keyboard.press("Enter")
    expect(page.locator("#add-report .problem")).to_contain_text("not an absolute path")
    expect(page.locator("#add-report .problem")).to_contain_text("start with /")
    page.context.close()


def test_an_answer_streams_in_and_names_its_sources(reading: Page) -> None:
    page = reading
    page.evaluate(
        """() => {
            window.lengths = new Set();
            new MutationObserver(() => {
                const reply = document.querySelector('.reply');
                if (reply) window.lengths.add(reply.textContent.length);
            }).observe(document.querySelector('#turns'), {subtree: true, childList: true});
        }"""
    )
    ask(page, "How many tonnes does crane number three lift?")
    assert page.evaluate("window.lengths.size") > 3, "the answer came in one piece"
    source = page.locator(".source", has_text="Cranes").first
    expect(source).to_contain_text("guide.md")
    expect(source).to_contain_text("lines")
    source.locator("summary").click()
    expect(source.locator("pre")).to_contain_text("forty tonnes")
    legend = page.locator(".legend")
    expect(legend).to_contain_text("documents")
    expect(legend).to_contain_text("tokens")


def test_the_conversation_survives_a_reload_of_the_page(reading: Page) -> None:
    page = reading
    ask(page, "What does mooring a sailing boat cost?")
    answer = page.locator(".reply").last.text_content()
    page.reload()
    expect(page.locator(".question")).to_contain_text("mooring a sailing boat")
    assert page.locator(".reply").last.text_content() == answer
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".question")).to_have_count(0)


def test_stop_ends_the_answer_and_the_work(reading: Page, service: DashboardService) -> None:
    page = reading
    page.fill("#prompt", "When does the harbour office open, and when does it close?")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".answer [role=status]").last).to_have_text("Stopped.")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    for _ in range(200):
        if service.call("GET", "/api/status")["metrics"]["running"] == 0:
            break
        page.wait_for_timeout(100)
    assert service.call("GET", "/api/status")["metrics"]["running"] == 0


def test_a_fact_is_remembered_through_kill_9_and_used(chromium: Browser, service: DashboardService) -> None:
    page = chromium.new_page()
    page.goto(service.page)
    view(page, "Remembered")
    page.get_by_label("Remember this").fill("The staging database of the harbour listens on port 6543.")
    page.locator("#remembered").get_by_role("button", name="Remember").first.click()
    entry = page.locator("#memories .entry", has_text="port 6543")
    entry.wait_for()
    service.kill()
    expect(page.locator("#state")).to_have_text("No answer", timeout=30_000)
    service.start()
    expect(page.locator("#state")).to_have_text("Ready", timeout=30_000)
    page.reload()
    entry.wait_for()
    view(page, "Chat")
    ask(page, "Which port is the staging database of the harbour on?")
    source = page.locator(".source", has_text="port 6543").first
    expect(source).to_contain_text("memory")
    page.context.close()


def test_a_memory_is_edited_searched_and_forgotten(page: Page, service: DashboardService) -> None:
    service.call("POST", "/api/memories", {"learning": "The lighthouse keeper is called Ingrid."})
    view(page, "Remembered")
    entry = page.locator("#memories .entry", has_text="lighthouse")
    entry.get_by_role("button", name="Edit").click()
    entry.get_by_label("Change the memory").fill("The lighthouse keeper is called Astrid.")
    entry.get_by_role("button", name="Save").click()
    expect(entry).to_contain_text("Astrid")
    page.get_by_label("Search what is remembered").fill("astrid lighthouse")
    expect(page.locator("#memories .entry")).to_have_count(1)
    entry.get_by_role("button", name="Forget").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(entry).to_be_visible()
    entry.get_by_role("button", name="Forget").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(page.locator("#memories .entry", has_text="Astrid")).to_have_count(0)
    left = [m["learning"] for m in service.call("GET", "/api/memories")["memories"]]
    assert not [learning for learning in left if "lighthouse" in learning]


def test_what_is_said_is_proposed_and_remembered_when_approved(page: Page, service: DashboardService) -> None:
    ask(page, "Remember that we always paint the north pier in May.")
    card = page.locator(".proposal", has_text="north pier")
    card.get_by_role("button", name="Remember").click()
    expect(page.locator(".proposal").first).to_have_text("Remembered.")
    view(page, "Remembered")
    expect(page.locator("#memories .entry", has_text="north pier")).to_be_visible()
    known = service.call("GET", "/api/memories")
    assert [m for m in known["memories"] if "north pier" in m["learning"]]
    assert not [p for p in known["proposals"] if "north pier" in p["learning"]]


def test_a_dismissed_proposal_is_not_remembered(page: Page, service: DashboardService) -> None:
    ask(page, "Remember that we never sail on the thirteenth.")
    page.locator(".proposal").get_by_role("button", name="Dismiss").click()
    expect(page.locator(".proposal")).to_contain_text("Dismissed")
    known = service.call("GET", "/api/memories")
    assert "thirteenth" not in str(known)


def test_a_folder_is_removed_after_asking(page: Page, service: DashboardService, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("# Note\n\nThe ferry leaves at noon.\n")
    add(page, tmp_path)
    entry = page.locator("#roots .entry", has_text=str(tmp_path))
    entry.get_by_role("button", name=f"Remove {tmp_path}", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(entry).to_have_count(0)
    roots = [r["path"] for r in service.call("GET", "/api/knowledge")["roots"]]
    assert str(tmp_path) not in roots
    assert (tmp_path / "note.md").exists()


def test_the_status_is_live(page: Page, service: DashboardService) -> None:
    view(page, "Status")
    state = service.call("GET", "/api/status")
    expect(page.locator("[data-value='model.name']")).to_have_text(state["model"]["name"])
    expect(page.locator("[data-value='daemon.state']")).to_have_text("ready")
    twice = """() => new Promise(done => {
        let count = 0;
        document.addEventListener('nexus:status', () => { count += 1; if (count === 2) done(count); });
    })"""
    assert page.evaluate(twice) == 2, "new states keep coming without a reload"
    for part in state["parts"]:
        row = page.locator("#parts li", has_text=part["name"]).first
        expect(row).to_contain_text(part["state"])
        if part["mend"]:
            expect(row).to_contain_text(part["mend"])

"""What the dashboard says where something is missing: nothing told yet, no model, no service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system import axe
from tests.system.browser import DashboardService, opened, view

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
ABSENT = "qwen2.5-coder-1.5b-instruct"
PATIENT = 120_000  # ms
# What a new home has nothing of, by view: where, and what is said instead.
EMPTY = {
    "Chat": ("#welcome", "Add a folder under Files first"),
    "Remembered": ("#memories", "Nothing is remembered yet. Tell it a fact above"),
    "Files": ("#roots", "No documents yet. Add a folder above"),
    "Agents": ("#traffic", "No agent has talked to the service"),
    "Sandbox": ("#sandbox-state", "A run may take"),
    "Models": ("#model-list", "Models that answer"),
    "Learning": ("#learning-state", "Nothing to learn from yet"),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[DashboardService]:
    """A service of a new home whose model was never fetched."""
    root, models = tmp_path_factory.mktemp("errors"), tmp_path_factory.mktemp("models")
    for folder in models_folder.iterdir():
        if folder.name != ABSENT:
            (models / folder.name).symlink_to(folder)
    service = DashboardService(root / "home", models, HOME=str(root), NEXUS_ENGINE_MODEL=ABSENT)
    service.start(300)
    yield service
    service.stop()


@pytest.fixture
def page(chromium: Browser, service: DashboardService) -> Iterator[Page]:
    with opened(chromium, service) as page:
        yield page


def test_every_page_of_a_new_home_says_what_is_not_there_yet(page: Page, tmp_path: Path) -> None:
    engine = axe.source(tmp_path)
    for name, (place, words) in EMPTY.items():
        view(page, name)
        expect(page.locator(place)).to_contain_text(words, timeout=PATIENT)
        expect(page.locator(f"#{name.lower()} .wait")).to_have_count(0, timeout=PATIENT)
        assert axe.violations(page, engine) == [], name
    view(page, "Agents")
    expect(page.locator("#agent-memory")).to_contain_text("Nothing yet", timeout=PATIENT)


def test_a_model_that_is_missing_is_named_with_the_command_that_fetches_it(page: Page) -> None:
    expect(page.locator("#state")).to_have_text("No model: failed", timeout=PATIENT)
    expect(page.locator("#welcome")).to_contain_text("The model is not ready, see Status.")
    page.fill("#prompt", "Where does the lantern hang?")
    page.keyboard.press("Enter")
    problem = page.locator(".answer .problem")
    expect(problem).to_contain_text(f"nexus models pull {ABSENT}", timeout=PATIENT)
    expect(problem.get_by_role("button", name="Try again")).to_be_visible()
    page.locator("#state").wait_for()
    view(page, "Status")
    expect(page.locator("#issues")).to_contain_text(f"nexus models pull {ABSENT}", timeout=PATIENT)
    view(page, "Models")
    expect(page.get_by_role("button", name=f"Fetch {ABSENT}")).to_be_visible(timeout=PATIENT)


def test_a_service_that_is_gone_is_told_where_one_looks_and_its_return_is_seen(
    chromium: Browser, service: DashboardService
) -> None:
    page = chromium.new_page()
    page.goto(service.page)
    expect(page.locator("#state")).to_have_text("No model: failed", timeout=PATIENT)
    view(page, "Status")
    service.kill()
    expect(page.locator("#state")).to_have_text("No answer", timeout=PATIENT)
    expect(page.locator("#issues code")).to_have_text("nexus up")

    view(page, "Models")
    expect(page.locator("#model-list")).to_contain_text("It could not be read.", timeout=PATIENT)
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer")
    view(page, "Chat")
    expect(page.locator("#notice")).to_be_hidden()  # it belongs to the page that was left
    page.fill("#prompt", "Are you there?")
    page.keyboard.press("Enter")
    expect(page.locator(".answer .problem code")).to_have_text("nexus up")

    view(page, "Models")
    expect(page.locator("#notice")).to_be_visible()
    service.start(300)
    expect(page.locator("[data-model]").first).to_be_visible(timeout=PATIENT)
    expect(page.locator("#notice")).to_be_hidden()
    view(page, "Status")
    expect(page.locator("#issues")).not_to_contain_text("nexus up", timeout=PATIENT)
    page.context.close()

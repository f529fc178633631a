"""Background learning as the user meets it: the lines of seed 002 in a shell, the Learning view in a browser.

A scripted server is the teacher, because no model that could teach runs on the machines of tests.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.scripted_teacher import Script, teaching
from tests.system.browser import DashboardService, opened, view

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

LESSONS = tomllib.loads((Path(__file__).parent / "data" / "lessons.toml").read_text(encoding="utf-8"))
PATIENT = 120_000  # ms
STATUS = {
    "daemon": ("running", "paused", "uptime_seconds"),
    "health": ("healthy", "status", "issues"),
    "model": ("architecture", "interactions"),
    "metrics": ("total_requests", "success_rate"),
    "memory": ("process",),
    "resources": ("mode", "cpu_percent"),
    "circuit_breakers": ("inference", "learning"),
    "checkpoints": ("total_size_mb", "count"),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[DashboardService]:
    pairs = [(each["question"], each["answer"]) for each in LESSONS["lessons"]]
    with teaching(Script(pairs)) as url:
        settings: dict[str, Any] = {
            "NEXUS_TRAINING_TEACHER": "ollama",
            "NEXUS_TRAINING_URL": url,
            "NEXUS_TRAINING_MODEL": "scripted",
            "NEXUS_TRAINING_PAUSE_SECONDS": "0",
        }
        service = DashboardService(tmp_path_factory.mktemp("nexus") / "home", models_folder, **settings)
        service.start()
        yield service
        service.stop()


@pytest.fixture
def page(chromium: Browser, service: DashboardService) -> Iterator[Page]:
    with opened(chromium, service) as page:
        view(page, "Learning")
        yield page


def curl(service: DashboardService, action: str, **more: str) -> Any:
    """The line of seed 002 as it stands there, but for the port."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("there is no curl on this machine")
    command = [program, "-sS", "--fail-with-body", "-X", "POST"]
    command += [f"http://localhost:{service.port}/api/control"]
    command += ["-H", "Content-Type: application/json", "-d", json.dumps({"action": action, **more})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_lines_of_the_seed_work_as_written_and_the_status_has_its_keys(service: DashboardService) -> None:
    assert curl(service, "pause")["daemon"]["paused"] is True
    assert curl(service, "resume")["daemon"]["paused"] is False
    curl(service, "train_start")
    curl(service, "train_start", topic="quantum physics")
    status = curl(service, "train_stop")
    for part, keys in STATUS.items():
        assert set(keys) <= set(status[part]), part
    assert {"current_mb", "growth_rate_mb_per_hour"} <= set(status["memory"]["process"])
    assert set(status["circuit_breakers"].values()) == {"CLOSED"}


def test_pause_and_resume_are_seen_wherever_they_come_from(page: Page, service: DashboardService) -> None:
    state = page.locator("#learning-state")
    page.get_by_role("button", name="Pause").click()
    expect(state).to_have_text("Paused")
    assert service.call("GET", "/api/status")["daemon"]["paused"] is True
    curl(service, "resume")
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=PATIENT)
    expect(state).not_to_have_text("Paused")
    curl(service, "pause")
    expect(state).to_have_text("Paused", timeout=PATIENT)
    page.get_by_role("button", name="Resume").click()
    expect(state).not_to_have_text("Paused")


def test_training_on_a_topic_is_seen_from_the_first_thought_to_its_end(page: Page) -> None:
    page.get_by_label("Topic of the training").fill("quantum physics")
    page.get_by_role("button", name="Train", exact=True).click()
    told = page.locator("#training-state")
    expect(told).to_contain_text("Training on quantum physics", timeout=PATIENT)
    thought = page.locator("#thoughts li", has_text="is taught").first
    thought.wait_for(timeout=PATIENT)
    # Each piece of what is learnt is coloured by how surprising it was.
    assert len({piece.get_attribute("class") for piece in thought.locator("i").all()}) > 1
    expect(page.locator("#curve-depth b")).not_to_have_text("not known", timeout=PATIENT)
    page.get_by_role("button", name="Stop training").click()
    expect(told).to_be_empty()
    expect(page.locator("#learning [data-value='resources.limit_percent']").first).to_contain_text("%")


def test_at_the_width_of_a_phone_nothing_is_cut_off(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    expect(page.locator("#learning-title")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

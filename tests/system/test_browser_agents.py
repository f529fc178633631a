"""What agents hold, and the processes that `nexus run` has started, in the Agents view of a real Chromium."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.browser import DashboardService, opened, view
from tests.system.scripted_engine import NAME, scripted_engine

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
PATIENT = 120_000  # ms


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[DashboardService]:
    home = tmp_path_factory.mktemp("n") / "home"
    with scripted_engine("look", {}, "She lies at berth 9.") as engine:
        settings: Any = engine.environment
        service = DashboardService(home, models_folder, **settings)
        service.start()
        state = service.call("GET", "/api/status")["agent_memory"]["state"]
        if state == "missing":
            service.stop()
            pytest.skip("nexus-agentmemd is not built; mend it with: make up")
        yield service
        service.stop()


@pytest.fixture
def page(chromium: Browser, service: DashboardService) -> Iterator[Page]:
    with opened(chromium, service) as page:
        yield page


def pass_by(service: DashboardService, session: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "You look after the harbour. " * 1000},
        {"role": "user", "content": f"Where is she? {session}"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "Berth 9."},
    ]
    service.call("POST", "/v1/chat/completions", {"model": NAME, "messages": messages, "user": session})


def test_what_passes_is_seen_as_it_happens(page: Page, service: DashboardService) -> None:
    view(page, "Agents")
    held = page.locator("#agent-memory")
    pass_by(service, "<b>one</b>")
    pass_by(service, "two")
    row = held.locator("tr[data-type=system_prompt]")
    expect(row).to_contain_text("56 kB", timeout=PATIENT)  # logical: two have it
    # Once as it is, and perhaps once more compressed, ready to go down.
    expect(row.get_by_role("img", name=re.compile(r"56 kB logical, 2[89](\.\d)? kB stored"))).to_be_visible()
    agents = held.locator("#memory-agents")
    expect(agents).to_contain_text("<b>one</b>", timeout=PATIENT)
    expect(agents).to_contain_text("two")
    expect(held.locator(".held")).to_contain_text("saved")


def test_what_nexus_run_has_started_is_listed_beside_it(page: Page, service: DashboardService) -> None:
    command = [sys.executable, "-m", "nexus", "run", "--name", "the waiting one", "--", "sleep", "300"]
    process = subprocess.Popen(command, env=service.env, stdin=subprocess.DEVNULL)
    try:
        view(page, "Agents")
        listed = page.locator("#agent-processes tr", has_text="the waiting one")
        deadline = time.monotonic() + 120
        while not listed.count() and time.monotonic() < deadline:
            page.wait_for_timeout(500)
        expect(listed).to_contain_text(str(process.pid))
        expect(page.locator("#processes .problem")).to_have_count(0)
    finally:
        process.kill()
        process.wait()


def test_at_the_width_of_a_phone_nothing_is_cut_off(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    view(page, "Agents")
    expect(page.locator("#agent-memory .held")).to_be_visible(timeout=PATIENT)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

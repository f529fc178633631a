"""The Sandbox view in a real Chromium: code is run, seen at work and stopped; what runs it is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from nexus.unikernel.images import Image
from tests.system.browser import DashboardService, opened, view
from tests.system.test_browser_looks import BROKEN, FAINT

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

EVIL = '<img src=x onerror="window.owned=1">'
LONG = "unbreakable" * 30
WRONG = """def share(parts):
    return 10 / parts

print("first")
share(0)
"""


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, models_folder: Path, python_image: Image
) -> Iterator[DashboardService]:
    """A service whose home has the Python image."""
    home = tmp_path_factory.mktemp("nexus") / "home"
    (home / "cache").mkdir(parents=True, mode=0o700)
    (home / "cache" / "unikernel").symlink_to(python_image.folder.parent)
    service = DashboardService(home, models_folder, NEXUS_SANDBOX_SECONDS="60")
    service.start()
    yield service
    service.stop()


@pytest.fixture
def options() -> dict[str, Any]:
    """How the browser is set; a test may change it by parametrizing."""
    return {}


@pytest.fixture
def page(chromium: Browser, service: DashboardService, options: dict[str, Any]) -> Iterator[Page]:
    with opened(chromium, service, **options) as page:
        if options:  # where the navigation is folded away
            page.evaluate("location.hash = '#sandbox'")
        else:
            view(page, "Sandbox")
        page.locator("#sandbox-backends").wait_for()
        yield page
        assert page.evaluate("window.owned") is None


def run(page: Page, code: str) -> None:
    page.get_by_label("Python", exact=True).fill(code)
    page.get_by_role("button", name="Run", exact=True).click()


def ended(page: Page, words: str) -> None:
    expect(page.locator("#sandbox-output > .meta")).to_contain_text(words, timeout=60_000)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()


def test_code_is_run_and_its_output_is_text(page: Page) -> None:
    run(
        page,
        "import json, statistics\n"
        f"print(json.dumps({{'mean': statistics.mean([1, 2, 6])}}))\nprint({EVIL!r})",
    )
    ended(page, "Exit status 0")
    expect(page.locator("#sandbox-output pre")).to_have_text(f'{{"mean": 3}}\n{EVIL}\n')
    expect(page.locator("#sandbox-output > .meta")).to_contain_text(" ms by ")
    page.get_by_label("Python", exact=True).fill("print('by keyboard')")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#sandbox-output pre")).to_have_text("by keyboard\n", timeout=60_000)
    ended(page, "Exit status 0")
    expect(page.locator("#sandbox-state")).to_contain_text("exited")


def test_an_error_is_a_traceback_in_another_colour(page: Page) -> None:
    run(page, WRONG)
    ended(page, "Exit status 1")
    output = page.locator("#sandbox-output pre")
    expect(output).to_contain_text("first")
    error = "".join(output.locator(".err").all_inner_texts())  # it may have come in pieces
    assert "first" not in error
    for words in ("Traceback (most recent call last):", "line 2, in share", "ZeroDivisionError"):
        assert words in error
    places = [output, output.locator(".err").first]
    plain, red = (place.evaluate("node => getComputedStyle(node).color") for place in places)
    assert plain != red
    run(page, "print(1")
    ended(page, "Exit status 1")
    expect(output).to_contain_text("SyntaxError")


def test_an_endless_loop_is_seen_at_work_and_stopped(page: Page, service: DashboardService) -> None:
    run(page, "n = 0\nwhile True:\n    n += 1\n    if n % 200000 == 0:\n        print(n)\n")
    expect(page.locator("#sandbox-output pre")).to_contain_text("200000", timeout=60_000)
    expect(page.locator("#sandbox-output > .meta")).to_have_text("Running")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Stop", exact=True).click()
    ended(page, "Stopped")
    none_runs(service)
    run(page, "print('and again')")
    ended(page, "Exit status 0")


def test_a_silent_loop_is_stopped_too(page: Page, service: DashboardService) -> None:
    run(page, "while True:\n    pass\n")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    until = time.monotonic() + 30
    while not service.call("GET", "/api/sandbox")["running"]:
        assert time.monotonic() < until, "it does not run"
    page.get_by_role("button", name="Stop", exact=True).click()
    ended(page, "Stopped")
    none_runs(service)


def none_runs(service: DashboardService) -> None:
    """Well before its limit of time."""
    until = time.monotonic() + 30
    while service.call("GET", "/api/sandbox")["running"]:
        assert time.monotonic() < until, "it still runs"
        time.sleep(0.05)


def test_the_backends_of_this_machine_are_listed(page: Page, service: DashboardService) -> None:
    said = service.call("GET", "/api/sandbox")
    rows = page.locator("#sandbox-backends tbody tr")
    expect(rows).to_have_count(len(said["backends"]))
    for number, backend in enumerate(said["backends"]):
        expect(rows.nth(number)).to_contain_text(backend["name"])
        expect(rows.nth(number)).to_contain_text("yes" if backend["works"] else "no")
        expect(rows.nth(number)).to_contain_text(backend["detail"])
    expect(page.locator("#sandbox-state")).to_contain_text("Agents' code has no network. It may read")


@pytest.mark.parametrize(
    "options",
    [
        {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
        for scheme in ("light", "dark")
        for width in (360, 1280)
    ],
    ids=lambda options: f"{options['color_scheme']} {options['viewport']['width']}px",
)
def test_output_of_any_length_is_readable_and_not_wider_than_the_screen(
    page: Page, options: dict[str, Any]
) -> None:
    run(page, f"print('{LONG}')\nprint('line\\n' * 200)\nraise ValueError('{LONG}')")
    ended(page, "Exit status 1")
    width = options["viewport"]["width"]
    assert page.evaluate(FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.locator("#sandbox *").evaluate_all(
        """(nodes, width) => nodes.filter(n => n.checkVisibility() && n.getBoundingClientRect().right > width)
            .map(n => n.outerHTML.slice(0, 200))""",
        width,
    )
    assert wide == []
    assert page.locator("#sandbox-backends tbody :is(th, td:nth-child(2))").evaluate_all(BROKEN) == []
    height, left = page.locator("#sandbox-output pre").evaluate(
        "node => [node.clientHeight, node.scrollHeight - node.clientHeight - node.scrollTop]"
    )
    assert height < 800, "it scrolls in itself"
    assert left < 2, "its end is in sight"

"""Every page of the dashboard, filled: readable in both colours, never too wide, usable by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system import axe
from tests.system.browser import DashboardService, ask, opened

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

VIEWS = ("chat", "remembered", "knowledge", "files", "agents", "sandbox", "models", "learning", "status")
# What a document, a program or a person may be called: long, without a place to break it.
LONG = "unbreakable" * 12
# Every text that can be seen and whose contrast, as WCAG 2 defines it, is too low for its size.
FAINT = """() => {
    const read = color => {
        const numbers = color.match(/-?[\\d.]+(?:e-?\\d+)?/g).map(Number);
        const alpha = numbers.length > 3 ? numbers[3] : 1;
        return [...numbers.slice(0, 3).map(v => color.startsWith('color') ? v : v / 255), alpha];
    };
    const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    const ground = node => {
        if (!node) return [1, 1, 1, 1];
        const own = read(getComputedStyle(node).backgroundColor);
        return own[3] === 1 ? own : over(own, ground(node.parentElement));
    };
    const light = rgb => rgb.slice(0, 3).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const found = [];
    for (const node of document.querySelectorAll('body *')) {
        const text = [...node.childNodes].filter(n => n.nodeType === 3).map(n => n.data.trim()).join('');
        if (!text || !node.checkVisibility() || node.closest(':disabled, .unseen, .skip')) continue;
        let opacity = 1;
        for (let up = node; up; up = up.parentElement) opacity *= Number(getComputedStyle(up).opacity);
        const back = ground(node);
        const ink = read(getComputedStyle(node).color);
        const shown = over([...ink.slice(0, 3), ink[3] * opacity], back);
        const [a, b] = [light(shown), light(back)].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        const what = `${node.className || node.localName}: ${text.slice(0, 40)}`;
        if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${what}`);
    }
    return found;
}"""
# What somebody can do something with in the view that is open.
CONTROLS = "main > section:not([hidden]) :is(a, button, input, select, textarea, summary)"
CAN_BE_USED = "node => node.checkVisibility() && !node.disabled"
NAMELESS = """nodes => nodes.filter(node => node.checkVisibility() && !node.disabled
    && !(node.labels?.length || node.getAttribute('aria-label') || node.getAttribute('aria-labelledby')
         || node.textContent.trim())).map(node => node.outerHTML)"""

# Words that begin in one line and end in another.
BROKEN = """nodes => nodes.filter(node => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
}).map(node => node.textContent)"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[DashboardService]:
    """A service that has something to show on every page."""
    root = tmp_path_factory.mktemp("looks")
    user, folder = root / "user", root / "documents"
    for name in (".claude", ".cursor"):
        (user / name).mkdir(parents=True)
    folder.mkdir()
    for number in range(60):
        (folder / f"{number:02}-{LONG}.md").write_text(
            f"# Crane {LONG}\n\nIt lifts {number} tonnes. {LONG}\n"
        )
    (folder / f"{LONG}.bin").write_bytes(bytes(range(256)))
    service = DashboardService(root / "home", models_folder, HOME=str(user))
    service.start()
    assert service.cli("connect", "cursor", "--yes").returncode == 0
    service.add(folder)
    service.call("POST", "/api/memories", {"learning": f"The staging database listens on port 5432 {LONG}"})
    for said in ("Remember: the staging database listens on port 7001.", "note: the pier is painted in May"):
        service.call("POST", "/api/interact", {"prompt": said, "max_tokens": 1})
    chat = {"model": "smollm2-135m", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}
    with service.client() as http:
        for agent in ("claude-cli/2.0.1", f"{LONG}/1.0"):
            http.post("/v1/messages", json=chat, headers={"user-agent": agent}).raise_for_status()
    yield service
    service.stop()


@pytest.fixture
def page(chromium: Browser, service: DashboardService, options: dict[str, Any]) -> Iterator[Page]:
    with opened(chromium, service, **options) as page:
        page.locator("#state[data-state=ready]").wait_for(timeout=60_000)
        yield page


def filled(page: Page) -> Iterator[str]:
    """Open one view after the other, with everything in it unfolded."""
    for name in VIEWS:
        page.evaluate(f"location.hash = '#{name}'")
        expect(page.locator(f"#{name}")).to_be_visible()
        if name == "chat":
            ask(page, "How much does crane 17 lift?")
        elif name == "remembered":
            page.locator("#memories .entry").first.wait_for()
            page.locator("#queue .entry").first.wait_for()
        elif name == "knowledge":
            page.fill("#search [name=query]", "crane")
            page.locator("#search").get_by_role("button", name="Search").click()
            page.locator("#found .source > summary").first.click()
        elif name == "files":
            page.locator("#documents summary").first.click()
            page.locator("#documents .passages").wait_for()
            page.locator("#roots summary").click()
            page.locator("#roots .left-out").wait_for()
        elif name == "agents":
            page.get_by_text("more that can be connected").click()
            expect(page.locator("#traffic")).to_contain_text("Claude Code")
        elif name == "sandbox":
            page.locator("#sandbox-backends").wait_for()
            page.fill("#sandbox-code", f"print('{LONG}')\n" * 3)
            page.keyboard.press("Control+Enter")
            # There is no image in this home, which is said at length.
            page.locator("#sandbox-output [role=alert]").wait_for(timeout=30_000)
        elif name == "models":
            page.locator("[data-model]").first.wait_for()
        elif name == "learning":
            # One thought with every colour there is.
            page.evaluate(
                """document.dispatchEvent(new CustomEvent('nexus:thought', {detail: {kind: 'dream',
                pieces: [['calm ', 0], ['new ', 2], ['odd ', 3], ['strange ', 5], ['wild', 8]]}}))"""
            )
        else:
            page.locator("#parts li").first.wait_for(timeout=30_000)
        yield name


@pytest.mark.parametrize(
    "options",
    [
        {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
        for scheme in ("light", "dark")
        for width in (360, 1280)
    ],
    ids=lambda options: f"{options['color_scheme']} {options['viewport']['width']}px",
)
def test_every_text_is_readable_and_nothing_is_wider_than_the_screen(
    page: Page, options: dict[str, Any]
) -> None:
    width = options["viewport"]["width"]
    for name in filled(page):
        assert page.evaluate(FAINT) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        out = page.locator(CONTROLS).evaluate_all(
            """(nodes, width) => nodes.filter(n => n.checkVisibility())
                .filter(n => n.getBoundingClientRect().right > width).map(n => n.outerHTML)""",
            width,
        )
        assert out == [], name
    placeholders = page.locator("[placeholder]").evaluate_all(
        "nodes => nodes.map(n => getComputedStyle(n, '::placeholder')).map(s => [s.opacity, s.color])"
    )
    assert len(set(map(tuple, placeholders))) == 1, "their colour is that of .meta, which is measured above"
    assert placeholders[0] == ["1", page.locator(".meta").first.evaluate("n => getComputedStyle(n).color")]
    for between in (480, 640, 768, 900):
        page.set_viewport_size({"width": between, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= between


@pytest.mark.parametrize("options", [{"viewport": {"width": 1280, "height": 800}}], ids=["1280px"])
def test_every_control_of_every_page_is_named_and_reached_by_keyboard(page: Page) -> None:
    for name in filled(page):
        controls = page.locator(CONTROLS)
        assert controls.evaluate_all(NAMELESS) == [], name
        usable = controls.evaluate_all(f"nodes => nodes.filter({CAN_BE_USED}).length")
        page.evaluate(
            f"""document.querySelectorAll("{CONTROLS}").forEach(node => node.addEventListener('focus',
                () => node.setAttribute('data-reached', getComputedStyle(node).outlineStyle)))"""
        )
        page.evaluate("document.querySelector('#main').focus()")
        for _ in range(usable + 30):
            page.keyboard.press("Tab")
        missed = controls.evaluate_all(
            f"nodes => nodes.filter({CAN_BE_USED}).filter(n => !n.dataset.reached).map(n => n.outerHTML)"
        )
        assert missed == [], name
        unseen = controls.evaluate_all(
            """nodes => nodes.filter(n => n.dataset.reached && n.dataset.reached === 'none')
                .map(n => n.outerHTML)"""
        )
        assert unseen == [], f"{name}: the focus cannot be seen"


@pytest.mark.parametrize(
    "options",
    [
        {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
        {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}},
    ],
    ids=["light 1280px", "dark 360px"],
)
def test_axe_finds_nothing_against_wcag_on_any_page(page: Page, tmp_path: Path) -> None:
    engine = axe.source(tmp_path)
    found = {name: axe.violations(page, engine) for name in filled(page)}
    assert {name: lines for name, lines in found.items() if lines} == {}
    page.evaluate("document.querySelector('main').append(document.createElement('input'))")
    assert axe.violations(page, engine), "axe looks at the page"


@pytest.mark.parametrize("options", [{"viewport": {"width": 360, "height": 740}}], ids=["360px"])
def test_every_page_that_is_named_in_the_address_begins_below_the_header(page: Page) -> None:
    for name in (*VIEWS[1:], *VIEWS[1:]):
        page.evaluate(f"location.hash = '#{name}'")
        expect(page.locator(f"#{name}-title")).to_be_focused()
        # What the browser itself scrolls to, it scrolls to when the next picture is drawn.
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate("scrollY") == 0, name


@pytest.mark.parametrize("options", [{"viewport": {"width": 1280, "height": 800}}], ids=["1280px"])
def test_skipping_to_the_content_stays_on_the_page(page: Page) -> None:
    page.evaluate("location.hash = '#models'")
    page.locator("[data-model]").first.wait_for()
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    expect(page.locator("#models")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('#models').contains(document.activeElement)")


@pytest.mark.parametrize("options", [{"viewport": {"width": 360, "height": 740}}], ids=["360px"])
def test_every_page_is_opened_by_keyboard_at_its_top(page: Page) -> None:
    for number, name in enumerate(VIEWS[1:], 1):
        link = page.get_by_role("navigation").get_by_role("link").nth(number)
        link.focus()
        page.keyboard.press("Enter")
        title = page.locator(f"#{name}-title")
        expect(title).to_be_focused()
        header, place = page.locator(".top").bounding_box(), title.bounding_box()
        assert header
        assert place
        assert place["y"] >= header["y"] + header["height"], f"{name}: its title lies below the header"
        if name != "status":  # which has nothing to press while no part is missing
            page.keyboard.press("Tab")
            assert page.evaluate(f"document.querySelector('#{name}').contains(document.activeElement)"), name


@pytest.mark.parametrize("options", [{"viewport": {"width": 1280, "height": 800}}], ids=["1280px"])
def test_the_names_of_views_are_never_broken_and_stand_in_one_row_where_there_is_room(page: Page) -> None:
    for width in (320, 360, 480, 640, 768, 940, 960, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        links = page.locator("#nav a")
        assert links.evaluate_all(BROKEN) == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        rows = links.evaluate_all("nodes => new Set(nodes.map(n => n.getBoundingClientRect().top)).size")
        assert rows == 1 if width >= 640 else rows <= 3, width
        if width >= 960:
            state, first = page.locator("#state").bounding_box(), links.first.bounding_box()
            assert state
            assert first
            assert state["y"] < first["y"] + first["height"], "beside them, not below"


@pytest.mark.parametrize("options", [{"reduced_motion": "reduce"}], ids=["reduced motion"])
def test_nothing_moves_on_any_page_for_those_who_asked(page: Page) -> None:
    for name in filled(page):
        moving = page.evaluate(
            """() => [...document.querySelectorAll('*')].map(node => getComputedStyle(node))
            .filter(s => s.animationName !== 'none' || parseFloat(s.transitionDuration) > 0).length"""
        )
        assert moving == 0, name

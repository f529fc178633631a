"""The dashboard as a page: its lock, keyboard, colours, width, and that hostile text does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.browser import DashboardService, ask, opened, view

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

VIEWS = ("Chat", "Remembered", "Knowledge", "Files", "Agents", "Sandbox", "Models", "Learning", "Status")
HOSTILE = """<script>window.owned = 1</script><img src=x onerror="window.owned = 2">
[press here](javascript:window.owned=3) ![x](x" onerror="window.owned=4)
<a href="javascript:window.owned=5">go</a>
"""
EVIL = '<img src=x onerror="window.owned=6">'
# Relative luminance and contrast as WCAG 2 defines them.
CONTRAST = """([selector]) => {
    const light = color => {
        const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const node = document.querySelector(selector);
    let back = node;
    while (getComputedStyle(back).backgroundColor === 'rgba(0, 0, 0, 0)') back = back.parentElement;
    const [a, b] = [light(getComputedStyle(node).color), light(getComputedStyle(back).backgroundColor)]
        .sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
}"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[DashboardService]:
    """A service whose documents and memories are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    evil = folder / EVIL
    evil.mkdir()
    (evil / "lanterns.md").write_text(
        f"# Lanterns {HOSTILE}\n\nThe green lantern hangs at the east pier.\n\n{HOSTILE}"
    )
    service = DashboardService(folder / "home", models_folder)
    service.start()
    service.call("POST", "/api/memories", {"learning": f"The red lantern hangs in the west. {HOSTILE}"})
    yield service
    service.stop()


@pytest.fixture
def options() -> dict[str, Any]:
    """How the browser is set; a test may change it by parametrizing."""
    return {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture
def page(chromium: Browser, service: DashboardService, options: dict[str, Any]) -> Iterator[Page]:
    with opened(chromium, service, **options) as page:
        yield page


def test_the_token_leaves_the_address_and_stays_in_this_origin(page: Page, service: DashboardService) -> None:
    assert service.token not in page.url
    assert service.token not in page.evaluate("history.state + location.href")
    assert page.evaluate("localStorage.getItem('nexus.token')") == service.token
    assert page.context.cookies() == []
    page.reload()
    page.locator("#prompt").wait_for()


def test_without_the_right_token_the_page_stays_shut(chromium: Browser, service: DashboardService) -> None:
    page = chromium.new_page()
    page.goto(f"{service.url}/dashboard")
    expect(page.locator("#unlock")).to_be_visible()
    expect(page.locator("#unlock")).to_contain_text("nexus token")
    for hidden in ("#chat", "#nav", "#remembered"):
        expect(page.locator(hidden)).to_be_hidden()
    page.get_by_label("Token").fill("not the token")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not the right one")
    page.get_by_label("Token").fill(service.token)
    page.keyboard.press("Enter")
    expect(page.locator("#prompt")).to_be_visible()
    expect(page.locator("#unlock")).to_be_hidden()
    page.context.close()


def test_everything_can_be_done_with_the_keyboard(page: Page, service: DashboardService) -> None:
    expect(page.locator("#prompt")).to_be_focused()
    for name in (*reversed(VIEWS), "Skip to the content"):
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.textContent") == name
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", f"{name} does not show that it has the focus"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#remembered")).to_be_visible()
    page.get_by_label("Remember this").focus()
    page.keyboard.type("The blue lantern is spare.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    entry = page.locator("#memories .entry", has_text="blue lantern")
    entry.wait_for()
    entry.get_by_role("button", name="Edit").focus()
    page.keyboard.press("Enter")
    expect(entry.get_by_label("Change the memory")).to_be_focused()
    page.keyboard.press("Escape")
    expect(entry.get_by_role("button", name="Edit")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert "blue lantern" in str(service.call("GET", "/api/memories"))


def test_enter_sends_and_shift_enter_starts_a_line(page: Page) -> None:
    page.locator("#prompt").press_sequentially("The lantern")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("hangs where?")
    assert page.input_value("#prompt") == "The lantern\nhangs where?"
    page.keyboard.press("Enter")
    expect(page.locator(".question")).to_contain_text("hangs where?")
    reply = page.locator(".reply")
    assert reply.get_attribute("aria-live") == "polite"
    expect(page.locator(".reply[aria-busy=false]")).to_have_count(1, timeout=120_000)


@pytest.mark.parametrize(
    "options",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}],
    ids=["light", "dark"],
)
def test_text_is_readable_in_both_colour_schemes(page: Page, options: dict[str, Any]) -> None:
    dark = options["color_scheme"] == "dark"
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(paper) < 200) is dark
    view(page, "Remembered")
    page.locator("#memories .entry").first.wait_for()
    for selector in (
        "body",
        ".intro",
        "nav a",
        "#memories .meta",
        "#remembered .primary",
        "#memories button",
    ):
        assert page.evaluate(CONTRAST, [selector]) >= 4.5, selector


@pytest.mark.parametrize("options", [{"viewport": {"width": 360, "height": 740}}], ids=["360px"])
def test_a_phone_never_scrolls_sideways(page: Page, service: DashboardService) -> None:
    add_hostile(service)
    ask(page, "Where does the green lantern hang?")
    for name in VIEWS:
        view(page, name)
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name


@pytest.mark.parametrize("options", [{"reduced_motion": "reduce"}], ids=["reduced motion"])
def test_nothing_moves_for_those_who_asked(page: Page) -> None:
    moving = page.evaluate(
        """() => [...document.querySelectorAll('*')].map(node => getComputedStyle(node))
            .filter(s => s.animationName !== 'none' || parseFloat(s.transitionDuration) > 0).length"""
    )
    assert moving == 0


def test_hostile_documents_and_memories_do_nothing(page: Page, service: DashboardService) -> None:
    add_hostile(service)
    ask(page, f"Where does the green lantern hang, and the red one? {HOSTILE}")
    expect(page.locator(".source")).not_to_have_count(0)
    for summary in page.locator("details > summary").all():
        if summary.is_visible():
            summary.click()
    expect(page.locator(".source pre", has_text="<script>").first).to_be_visible()
    for name in VIEWS[1:]:
        view(page, name)
        page.wait_for_timeout(300)
    expect(page.locator("#memories")).to_contain_text("<script>")
    expect(page.locator("#roots")).to_contain_text("<img src=x")
    assert_harmless(page)


@pytest.mark.parametrize(
    "reply",
    [
        HOSTILE,
        f"```html\n{HOSTILE}\n```",
        f"- {HOSTILE}\n  1. {HOSTILE}",
        f"> **{HOSTILE}**",
        "<style>body{display:none}</style>",
        '<form hx-get="/api/status" hx-trigger="load"></form><div hx-on:load="window.owned=7">',
        ">" * 20_000,
        "`" * 20_000 + "**" * 20_000,
        "- " * 5_000,
        "[1]" * 5_000,
    ],
    ids=["plain", "fence", "list", "quote", "style", "htmx", "quotes", "marks", "bullets", "citations"],
)
def test_no_answer_of_a_model_becomes_markup(page: Page, reply: str) -> None:
    shown = page.evaluate(
        """async reply => {
            const {render} = await import('/dashboard/static/markdown.js');
            const box = document.querySelector('#turns').appendChild(document.createElement('li'));
            render(box, reply, () => null);
            return [...box.querySelectorAll('*')].map(node => node.localName);
        }""",
        reply,
    )
    page.wait_for_timeout(100)
    allowed = {"p", "ul", "ol", "li", "figure", "figcaption", "pre", "code", "strong", "em", "span"}
    assert set(shown) <= allowed | {"blockquote", "button"}
    assert_harmless(page)


def test_an_answer_is_set_as_the_markdown_it_is(page: Page) -> None:
    text = (
        "Use it [1] so:\n\n1. one\n   ```python\n   x = 1\n   ```\n2. two **bold** `a*b*c`\n\n"
        "### End\nlast __init__ [7]"
    )
    shown = page.evaluate(
        """async text => {
            const {render} = await import('/dashboard/static/markdown.js');
            const box = document.createElement('div');
            const cite = n => n === 1 ? Object.assign(document.createElement('a'), {textContent: n}) : null;
            // As it streams: every beginning of the text is shown once before the whole.
            for (let end = 1; end <= text.length; end += 1) render(box, text.slice(0, end), cite);
            return box.innerHTML.replace(/<figcaption>.*?<\\/figcaption>/, '');
        }""",
        text,
    )
    assert shown == (
        '<p>Use it <a>1</a> so:</p><ol><li>one<figure class="code"><pre tabindex="0"><code>x = 1</code></pre>'
        "</figure></li><li>two <strong>bold</strong> <code>a*b*c</code></li></ol>"
        '<p class="heading">End</p><p>last __init__ [7]</p>'
    )


def test_a_citation_opens_its_source_and_the_rest_is_folded_away(page: Page) -> None:
    page.evaluate(
        """async () => {
            const {Answer} = await import('/dashboard/static/answer.js');
            const source = number => ({
                number, kind: 'document', path: `/docs/${number}.md`, heading: ['Part'],
                lines: [number, number + 3], score: 1, text: `passage ${number}`});
            const answer = new Answer();
            document.querySelector('#turns').append(answer.node);
            answer.show({budget: 1400, tokens: 500, sections: [{name: 'knowledge', tokens: 500}],
                sources: [1, 2, 3].map(source), left_out: ['docs/4.md']});
            answer.add('It is so [2], says [9] and `[1]`.');
            answer.finish({reply: 'It is so [2], says [9] and `[1]`.', finish_reason: 'stop', proposals: [],
                usage: {prompt_tokens: 1234, completion_tokens: 12, cached_tokens: 600},
                seconds: {first_token: 0.5, total: 61}});
        }"""
    )
    expect(page.locator(".cite")).to_have_text(["2"])
    expect(page.locator(".source:visible .place")).to_have_text(["docs/2.md › Part"])
    page.get_by_role("link", name="Source 2").click()
    expect(page.locator(".source pre:visible")).to_have_text("passage 2")
    page.get_by_text("2 more passages read").click()
    expect(page.locator(".source:visible")).to_have_count(3)
    page.get_by_text("1 passage left out").click()
    expect(page.get_by_text("docs/4.md")).to_be_visible()
    budget = page.locator(".budget")
    expect(budget).to_contain_text("500 of 1,400 tokens")
    expect(budget).to_contain_text("1,234 tokens read (600 from the cache), 12 written")
    expect(budget).to_contain_text("1 min 1 s in all")


def test_events_are_read_however_the_bytes_are_cut(page: Page) -> None:
    text = (
        ': hello\r\n\r\nevent: token\r\ndata: {"text": "dü\\u2028"}\r\n\r\n'
        "event: done\ndata: {}\n\nevent: half"
    )
    read = """async ([text, size]) => {
        const {events} = await import('/dashboard/static/sse.js');
        const bytes = new TextEncoder().encode(text);
        const body = new ReadableStream({start(c) {
            for (let i = 0; i < bytes.length; i += size) c.enqueue(bytes.slice(i, i + size));
            c.close();
        }});
        const found = [];
        for await (const event of events(body)) found.push(event);
        return found;
    }"""
    for size in (1, 2, 3, 7, 1000):
        found = page.evaluate(read, [text, size])
        assert found == [["token", {"text": "dü\u2028"}], ["done", {}]], f"cut every {size} bytes"


def test_a_question_that_is_too_long_is_refused_with_a_hint(page: Page) -> None:
    page.fill("#prompt", "lantern " * 20_000)
    page.keyboard.press("Enter")
    problem = page.locator(".answer .problem")
    expect(problem).to_be_visible(timeout=60_000)
    assert problem.locator("p").count() == 2, "the error comes without a hint"
    expect(problem.get_by_role("button", name="Try again")).to_be_visible()


def add_hostile(service: DashboardService) -> None:
    """Let the service read the hostile folder, unless it has."""
    if not service.call("GET", "/api/knowledge")["documents"]:
        service.add(service.root.parent / EVIL)


def assert_harmless(page: Page) -> None:
    assert page.evaluate("window.owned") is None
    assert page.locator("main img, main script, main style, main a[href^='javascript:']").count() == 0
    assert page.title().endswith("NexusOS")

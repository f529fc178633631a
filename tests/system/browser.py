"""A real service process and a real Chromium, for the tests that drive the dashboard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.running import Service

CHROMIUM = Path("/usr/bin/chromium")
MENDING = "apt-get install chromium"
# Names that no resolver knows lead to this machine, as an attacker's own DNS server would make them.
FOREIGN_HOSTS = ("evil.example", "rebind.example")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=" + ",".join(f"MAP {name} 127.0.0.1" for name in FOREIGN_HOSTS),
]
# The service as it would be without its guards: proves that an attack is one.
UNGUARDED = """
import sys, uvicorn
from nexus.core import config
from nexus.service.server import create_app
port = int(sys.argv[1])
app = create_app(config.load({"service.port": port}), guarded=False)
uvicorn.run(app, port=port, log_level="warning")
"""


class DashboardService(Service):
    """The service behind a page: what a test does to it past the browser."""

    def __init__(self, home: Path, models: Path, *, guarded: bool = True, **settings: str) -> None:
        """`settings` are further variables of the service's environment."""
        super().__init__(home, models, **settings)
        if not guarded:
            self.command = [sys.executable, "-c", UNGUARDED, str(self.port)]

    @property
    def page(self) -> str:
        """The dashboard's address with the token, as `nexus up` prints it."""
        return f"{self.url}/dashboard#token={self.token}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A request with the token, the answer as JSON."""
        with self.client() as http:
            return http.request(method, path, json=body).raise_for_status().json()

    def add(self, folder: Path) -> None:
        """Let it read a folder; all of it is known on return."""
        with self.client() as http:
            events = http.post("/api/knowledge", json={"paths": [str(folder)]}).raise_for_status().text
        assert "event: done" in events, events


class Complaints:
    """What the page wrote to the console as an error, and errors no code of the page caught."""

    def __init__(self, page: Page) -> None:
        self.found: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"uncaught: {error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"{message.type}: {message.text}")


@contextmanager
def opened(chromium: Browser, service: DashboardService, **options: Any) -> Iterator[Page]:
    """The opened dashboard, on a wide screen unless `options` of the browser say otherwise.

    Fails a test during which the page complained.
    """
    context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    page = context.new_page()
    complaints = Complaints(page)
    page.goto(service.page)
    page.locator("#prompt").wait_for()
    yield page
    context.close()
    assert complaints.found == []


def ask(page: Page, question: str) -> None:
    """Type a question into the open chat and wait until its answer is complete."""
    before = page.locator(".answer").count()
    page.fill("#prompt", question)
    page.keyboard.press("Enter")
    page.locator(".answer").nth(before).locator(".reply[aria-busy=false]").wait_for(timeout=120_000)


def view(page: Page, name: str) -> None:
    """Go to a view by its name in the navigation."""
    page.get_by_role("navigation").get_by_role("link", name=name).click()
    page.locator(f"#{name.lower()}").wait_for()

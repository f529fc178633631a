"""The Models view in a real Chromium: fetching from a slow server, stopping, going on, removing."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.browser import DashboardService, opened, view

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

NAME = "all-minilm-l6-v2"
_BLOCK = 1 << 16


class Hub(ThreadingHTTPServer):
    """A model hub with the files of a folder. Until `open` is set it sends little at a time."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.open = threading.Event()
        self.ranges: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_GET(self) -> None:
        content = (self.server.folder / Path(self.path).name).read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else 0
        if wanted:
            self.server.ranges.append(wanted[0])
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", '"one"')
        self.send_header("Content-Length", str(len(content) - first))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        try:
            for start in range(first, len(content), _BLOCK):
                self.wfile.write(content[start : start + _BLOCK])
                if not self.server.open.is_set():
                    time.sleep(0.1)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub(models_folder: Path) -> Iterator[Hub]:
    hub = Hub(models_folder / NAME)
    yield hub
    hub.shutdown()
    hub.server_close()


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, models_folder: Path, hub: Hub
) -> Iterator[DashboardService]:
    """A service that uses two models and lacks a third one."""
    folder = tmp_path_factory.mktemp("nexus")
    models = folder / "models"
    models.mkdir()
    for name in ("smollm2-135m", "granite-embedding-30m-english"):
        (models / name).symlink_to(models_folder / name)
    service = DashboardService(
        folder / "home",
        models,
        HF_ENDPOINT=f"http://127.0.0.1:{hub.server_port}",
        NEXUS_MODELS_SOURCES="hub",
        NEXUS_CORTEX_EMBEDDER="granite-embedding-30m-english",
        NEXUS_CORTEX_TALK_EMBEDDER="granite-embedding-30m-english",
    )
    service.start()
    yield service
    service.stop()


@pytest.fixture
def page(chromium: Browser, service: DashboardService) -> Iterator[Page]:
    with opened(chromium, service) as page:
        yield page


def test_what_is_here_says_what_for_and_how_it_is_computed(page: Page) -> None:
    view(page, "Models")
    chat = page.locator("[data-model=smollm2-135m]")
    for words in (
        "loaded",
        "98.4 MB",
        "Apache-2.0",
        "llama",
        "computed by NexusOS’s own engine",
        "in memory: ",
    ):
        expect(chat).to_contain_text(words)
    granite = page.locator("[data-model=granite-embedding-30m-english]")
    expect(granite).to_contain_text("Used for documents, sessions and memories")
    for used in (chat, granite):
        expect(used.get_by_role("button")).to_have_count(0)
    expect(page.locator(f"[data-model={NAME}]")).to_contain_text("not here")


def test_a_model_is_fetched_stopped_gone_on_with_and_removed_by_keyboard(
    page: Page, service: DashboardService, hub: Hub
) -> None:
    view(page, "Models")
    row, box = page.locator(f"[data-model={NAME}]"), page.locator("#fetching")
    row.get_by_role("button", name=f"Fetch {NAME}").focus()
    page.keyboard.press("Enter")
    expect(box).to_contain_text("MB of", timeout=30_000)
    expect(row.get_by_role("button", name=f"Fetch {NAME}")).to_be_disabled()
    page.keyboard.press("Tab")
    expect(box.get_by_role("button", name="Stop")).to_be_focused()
    page.keyboard.press("Enter")
    expect(box).to_contain_text("What has arrived is kept")
    expect(row).to_contain_text("partly here")
    expect(box.get_by_role("button", name="Close")).to_be_focused()
    hub.open.set()
    row.get_by_role("button", name=f"Fetch {NAME}").focus()
    page.keyboard.press("Enter")
    expect(box).to_contain_text(f"{NAME} is here, checked and ready", timeout=120_000)
    assert hub.ranges, "it went on where it was"
    expect(row).to_contain_text("on the disk")
    assert service.cli("models", "verify", NAME).returncode == 0
    box.get_by_role("button", name="Close").click()
    expect(box).to_be_hidden()
    row.get_by_role("button", name=f"Remove {NAME}").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text(f"Delete {NAME} from this disk?")
    page.keyboard.press("Escape")
    expect(row).to_contain_text("on the disk")
    row.get_by_role("button", name=f"Remove {NAME}").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row).to_contain_text("not here")


def test_what_is_used_or_unknown_is_refused(service: DashboardService, hub: Hub) -> None:
    with service.client() as http:
        used = http.request("DELETE", "/api/models/smollm2-135m", json={})
        assert (used.status_code, "in use" in used.text) == (400, True)
        assert http.request("DELETE", "/api/models/..%2f..%2fhome", json={}).status_code in (400, 404)
        assert http.request("DELETE", "/api/models/UP", json={}).status_code == 400
        assert http.post("/api/models/no-such-model/pull", json={}).status_code == 404
        models = http.get("/api/models").json()["models"]
    assert [row["engine"] for row in models if row["name"] == "smollm2-135m"] == ["NexusOS"]
    with service.client() as http:
        http.headers.pop("authorization")
        for method, path in (
            ("GET", "/api/models"),
            ("POST", f"/api/models/{NAME}/pull"),
            ("DELETE", f"/api/models/{NAME}"),
        ):
            assert http.request(method, path, json={}).status_code == 401


def test_a_hub_that_fails_is_told_and_nothing_is_left(page: Page, hub: Hub) -> None:
    view(page, "Models")
    page.get_by_role("button", name="Fetch qwen2.5-coder-1.5b-instruct").click()
    problem = page.locator("#fetching .problem")
    expect(problem).to_contain_text("could not be had", timeout=60_000)
    expect(problem.locator(".meta")).to_contain_text("models.sources")
    expect(page.locator("[data-model='qwen2.5-coder-1.5b-instruct']")).to_contain_text("not here")

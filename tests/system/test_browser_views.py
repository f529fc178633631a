"""The Files and Agents views in a real Chromium: what they show is what is there, whatever it is called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.browser import DashboardService, opened, view

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

EVIL = '<img src=x onerror="window.owned=1">'
HARBOUR = 60  # documents: more than one page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files") / EVIL
    folder.mkdir()
    for number in range(HARBOUR):
        (folder / f"harbour-{number:03}.md").write_text(
            f"# Crane {number} {EVIL}\n\nIt lifts {number} tonnes.\n"
        )
    (folder / "chart.bin").write_bytes(bytes(range(256)))
    return folder


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a user who has Claude Code, Cursor, and settings that cannot be read."""
    user = tmp_path_factory.mktemp("user")
    for name in (".claude", ".cursor", ".codex"):
        (user / name).mkdir()
    (user / ".codex" / "config.toml").write_text("this is = = no TOML\n")
    return user


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, models_folder: Path, folder: Path, user: Path
) -> Iterator[DashboardService]:
    home = tmp_path_factory.mktemp("nexus") / "home"
    service = DashboardService(home, models_folder, HOME=str(user), PATH="/usr/bin:/bin")
    service.start()
    service.add(folder)
    yield service
    service.stop()


@pytest.fixture
def page(chromium: Browser, service: DashboardService) -> Iterator[Page]:
    with opened(chromium, service) as page:
        yield page
        assert page.evaluate("window.owned") is None


def test_documents_are_found_by_name_and_their_passages_read(page: Page, folder: Path) -> None:
    view(page, "Files")
    documents = page.locator("#documents")
    expect(documents.locator("details")).to_have_count(50)
    expect(documents).to_contain_text(f"1 to 50 of {HARBOUR} documents")
    documents.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    expect(documents.locator("details")).to_have_count(HARBOUR - 50)
    expect(documents).to_contain_text("harbour-059.md")
    # The button that was pressed is gone; the keyboard goes on in the list.
    page.wait_for_function("document.querySelector('#documents').contains(document.activeElement)")
    page.get_by_label("Search by name").fill("harbour 017")
    expect(documents.locator("details")).to_have_count(1)
    documents.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(documents.locator(".passages pre")).to_contain_text("It lifts 17 tonnes.")
    expect(documents).to_contain_text(str(folder))
    expect(documents.locator(".passages pre")).to_contain_text(EVIL)
    expect(documents.locator(".passages .meta")).to_contain_text("Crane 17 · lines 1–3")
    page.get_by_label("Search by name").fill("nothing of the kind")
    expect(documents).to_contain_text("No document has these words")


def test_a_folder_says_what_was_left_out_and_is_read_again(
    page: Page, folder: Path, service: DashboardService
) -> None:
    view(page, "Files")
    roots = page.locator("#roots")
    expect(roots).to_contain_text(f"{HARBOUR} documents")
    expect(roots).to_contain_text("followed")
    roots.get_by_text("1 file left out").click()
    expect(roots.locator(".left-out")).to_contain_text("chart.bin")
    expect(roots.locator(".left-out")).to_contain_text("binary")
    roots.get_by_role("button", name=f"Read again: {folder}").click()
    expect(page.locator("#add-report")).to_contain_text(f"{HARBOUR} unchanged", timeout=60_000)


def test_a_file_is_added_by_its_path_and_removed_after_a_question(
    page: Page, service: DashboardService, tmp_path: Path
) -> None:
    path = tmp_path / "pier.md"
    path.write_text("# Pier\n\nThe lantern is green.\n")
    view(page, "Files")
    page.get_by_label("Add a folder or a file").fill(str(path))
    page.keyboard.press("Enter")
    expect(page.locator("#roots")).to_contain_text(str(path), timeout=60_000)
    expect(page.locator("#documents")).to_contain_text(f"of {HARBOUR + 1} documents")
    page.get_by_role("button", name=f"Remove {path}").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(page.locator("#roots")).to_contain_text(str(path))
    page.get_by_role("button", name=f"Remove {path}").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#roots")).not_to_contain_text(str(path))
    expect(page.locator("#documents")).to_contain_text(f"of {HARBOUR} documents")
    assert path.exists()


def test_agents_are_connected_by_the_command_that_is_shown(
    page: Page, service: DashboardService, user: Path
) -> None:
    before = sorted(path.read_bytes() for path in user.rglob("*") if path.is_file())
    view(page, "Agents")
    cursor = page.locator("[data-client=cursor]")
    expect(cursor).to_contain_text("not connected")
    command = cursor.locator("code").inner_text()
    assert command == "nexus connect cursor"
    expect(page.locator("[data-client=codex] .problem")).to_contain_text("config.toml")
    page.get_by_text("more that can be connected").click()
    expect(page.locator("[data-client=zed]")).to_contain_text("not found here")
    assert before == sorted(path.read_bytes() for path in user.rglob("*") if path.is_file())
    done = service.cli(*command.split()[1:], "--yes")
    assert done.returncode == 0, done.stderr
    view(page, "Status")
    view(page, "Agents")
    expect(cursor).to_contain_text("tools by HTTP")
    expect(cursor).to_contain_text(str(user / ".cursor" / "mcp.json"))
    expect(cursor).to_contain_text("since 20")
    expect(cursor.locator("code")).to_have_text("nexus disconnect cursor")


def test_who_asks_is_seen_as_it_happens(page: Page, service: DashboardService, user: Path) -> None:
    view(page, "Agents")
    traffic = page.locator("#traffic")
    chat = {"model": "smollm2-135m", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}]}
    with service.client() as http:
        http.post("/v1/chat/completions", json=chat, headers={"user-agent": f"{EVIL}/1.0"}).raise_for_status()
        agent = {"user-agent": "claude-cli/2.0.1 (external, cli)"}
        http.post("/v1/messages", json=chat, headers=agent).raise_for_status()
        http.post("/api/chat", json={**chat, "stream": False}, headers={"user-agent": "ollama-python/0.6.0"})
        event = {
            "hook_event_name": "SessionStart",
            "session_id": "s",
            "transcript_path": str(user / ".codex" / "sessions" / "s.jsonl"),
        }
        # Where its sessions lie says whose event it is.
        http.post("/api/hooks", json=event).raise_for_status()
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "gemini-cli-mcp-client", "version": "1"}}},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]  # fmt: skip
    relayed = service.cli("mcp", input="".join(json.dumps(line) + "\n" for line in lines))
    assert relayed.returncode == 0, relayed.stderr
    for words in ("Claude Code", "Anthropic", "ollama-python", "Ollama", "Gemini CLI", "MCP", "Hooks"):
        expect(traffic).to_contain_text(words, timeout=30_000)
    row = traffic.get_by_role("row", name="Claude Code Anthropic")
    cells = row.get_by_role("cell").all_inner_texts()
    assert cells[1] == "1"
    assert int(cells[2].split()[0]) > 0
    assert int(cells[3]) > 0
    assert "onerror" in traffic.inner_text() or "<img" in traffic.inner_text()
    with service.client() as http:
        figures = http.get("/metrics").text
    assert 'nexus_interface_requests_total{interface="anthropic"} 1' in figures

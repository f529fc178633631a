"""The dashboard's pages: the shell holds no data and runs nothing foreign; fragments escape all."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.middleware import Middleware

from nexus.core import config
from nexus.core.config import Config
from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.ledger import NewChunk
from nexus.cortex.memory import Memory
from nexus.engine.base import EngineHealth
from nexus.service.api import errors
from nexus.service.dashboard import pages, remembered
from nexus.service.guard import TokenGate
from nexus.service.traffic import Caller, Traffic

TOKEN = "a-token-of-the-dashboard-tests-0123456789"
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
OWN = {n: f for n, f in pages.static_files().items() if not n.startswith("vendor/")}
MODULES = sorted(name for name in OWN if name.endswith(".js"))


@dataclass
class Holder:
    """Stands where the daemon does: the pages ask it for the cortex, the model, and who has asked."""

    cortex: Cortex
    config: Config
    repairing: tuple[int, int] | None = None
    watcher: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(problem=""))
    traffic: Traffic = field(default_factory=Traffic)
    engine: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(name="none", health=lambda: EngineHealth("stopped"))
    )


@pytest.fixture
def cortex(home: Home, embedder_folder: Path) -> Iterator[Cortex]:
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with Cortex(home, CortexSettings(index="exact"), embedder) as opened:
        yield opened


@pytest.fixture
def client(cortex: Cortex) -> TestClient:
    app = FastAPI(middleware=[Middleware(TokenGate, token=TOKEN)])
    errors.install(app)
    app.include_router(pages.router)
    app.state.daemon = Holder(cortex, config.load())
    return TestClient(app, headers={"authorization": f"Bearer {TOKEN}"})


@pytest.fixture(scope="module")
def visitor() -> TestClient:
    """A client without token, of an application without data."""
    app = FastAPI(middleware=[Middleware(TokenGate, token=TOKEN)])
    errors.install(app)
    app.include_router(pages.router)
    return TestClient(app)


class Elements(HTMLParser):
    """All start tags of a page, and the text inside of script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style") and data.strip():
            self.inline += data


def test_the_shell_needs_no_token_and_forbids_everything_foreign(visitor: TestClient) -> None:
    reply = visitor.get("/dashboard")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/html")
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_shell_has_nothing_inline(visitor: TestClient) -> None:
    page = Elements(visitor.get("/dashboard").text)
    assert page.tags
    assert page.inline == ""
    for tag, attributes in page.tags:
        assert tag != "style"
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert not [name for name in attributes if name.startswith("hx-on")]


def test_every_file_the_page_names_is_served(visitor: TestClient) -> None:
    page = Elements(visitor.get("/dashboard").text)
    named = {a.get("src") or a.get("href") or "" for t, a in page.tags if t in ("script", "link")}
    for name in MODULES:
        imports = re.findall(r'from "\./([\w.]+)"', OWN[name].content.decode())
        named |= {f"/dashboard/static/{target}" for target in imports}
    assert len(named) > 10
    for address in named:
        reply = visitor.get(address)
        assert reply.status_code == 200, address
        assert "content-security-policy" in reply.headers
    assert visitor.get("/dashboard/static/app.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "name", ["../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "vendor/../../pages.py", "", "nothing.js"]
)
def test_no_other_file_can_be_named(visitor: TestClient, name: str) -> None:
    reply = visitor.get(f"/dashboard/static/{name}")
    assert reply.status_code in (401, 404)
    assert "APIRouter" not in reply.text


def test_an_unchanged_file_is_not_sent_again(visitor: TestClient) -> None:
    first = visitor.get("/dashboard/static/dashboard.css")
    again = visitor.get("/dashboard/static/dashboard.css", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_whole_page_is_small(visitor: TestClient) -> None:
    loaded = [f for n, f in pages.static_files().items() if n.endswith((".js", ".css", ".svg"))]
    size = sum(len(file.content) for file in loaded) + len(visitor.get("/dashboard").content)
    assert size < 150_000
    assert OWN["dashboard.css"].content.count(b"\n") < 400


@pytest.mark.parametrize("name", sorted(OWN))
def test_nothing_of_the_page_comes_from_elsewhere(name: str) -> None:
    text = OWN[name].content.decode().replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in text
    assert "https:" not in text


@pytest.mark.parametrize("name", MODULES)
def test_no_module_turns_text_into_markup_or_code(name: str) -> None:
    text = OWN[name].content.decode()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
        assert way not in text


FRAGMENTS = (
    *("memories", "queue", "knowledge", "sessions", "index", "documents", "agents", "traffic", "models"),
    *("passages?path=x", "skipped?root=x"),
)


@pytest.mark.parametrize("name", FRAGMENTS)
def test_data_needs_the_token(client: TestClient, name: str) -> None:
    assert client.get(f"/dashboard/{name}").status_code == 200
    for key in ("", "Bearer wrong"):
        reply = client.get(f"/dashboard/{name}", headers={"authorization": key})
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")


def test_memories_are_listed_and_narrowed_down_by_words(client: TestClient, cortex: Cortex) -> None:
    cortex.remember("staging Postgres listens on port 6543", context="the staging cluster")
    cortex.remember("releases are cut on Thursdays")
    everything = client.get("/dashboard/memories").text
    assert "port 6543" in everything
    assert "Thursdays" in everything
    one = client.get("/dashboard/memories", params={"q": "CLUSTER postgres"}).text
    assert "port 6543" in one
    assert "Thursdays" not in one
    assert "1 of 2" in one


def test_many_memories_come_by_the_page_and_only_those_of_the_page_are_read(
    client: TestClient, cortex: Cortex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_MEMORIES", 10)
    for number in range(23):
        memory = cortex.memory_store.add(f"Pier {number} is {'green' if number % 2 else 'red'}")
        path = str(cortex.memory_store.path(memory.id))
        chunk = NewChunk(f"point-{number}", (), memory.learning, 1, 1, 5)
        cortex.ledger.put("memory", path, [chunk], root="", sha256="", size=0, mtime_ns=0, title=memory.id)
    read: list[Path] = []
    whole = cortex.memories_of.read

    def noted(path: Path) -> Memory:
        read.append(path)
        return whole(path)

    monkeypatch.setattr(cortex.memories_of, "read", noted)
    first = client.get("/dashboard/memories").text
    assert "23 facts" in first
    assert "1 to 10 of 23 facts" in first
    assert [f"Pier {n} " in first for n in (22, 13, 12, 0)] == [True, True, False, False]
    assert len(read) == 10
    last = client.get("/dashboard/memories?page=2").text
    assert [f"Pier {n} " in last for n in (3, 2, 0)] == [False, True, True]
    # More was there than is now.
    assert 'data-page="2"' in client.get("/dashboard/memories?page=9").text
    # A page of what was searched for keeps to it.
    green = client.get("/dashboard/memories", params={"q": "GREEN pier", "ended": "true"}).text
    assert "11 of 23 facts" in green
    assert "1 to 10 of 11 facts" in green
    following = next(a["hx-get"] for _, a in Elements(green).tags if "page=1" in (a.get("hx-get") or ""))
    assert client.get(following or "").text.count('class="entry"') == 1
    # A file that somebody has damaged meanwhile takes nothing else away.
    read[0].write_text("no memory")
    assert client.get("/dashboard/memories").text.count('class="entry"') == 9
    assert "1 to 10 of 22 facts" in client.get("/dashboard/memories?regret=true").text


def test_without_the_words_the_closest_in_meaning_is_shown(client: TestClient, cortex: Cortex) -> None:
    cortex.remember("staging Postgres listens on port 6543")
    found = client.get("/dashboard/memories", params={"q": "database connection number"}).text
    assert "Closest in meaning" in found
    assert "port 6543" in found


def test_an_empty_store_says_what_to_do(client: TestClient) -> None:
    assert "Nothing is remembered yet" in client.get("/dashboard/memories").text
    assert "No fact has these words" in client.get("/dashboard/memories?q=x").text
    assert "Add a folder" in client.get("/dashboard/knowledge").text


def test_hostile_words_stay_words(client: TestClient, cortex: Cortex, tmp_path: Path) -> None:
    memory = cortex.remember(HOSTILE, context='" hx-get="/api/status" hx-trigger="load')
    folder = tmp_path / '<img src=x onerror="alert(1)">'
    folder.mkdir()
    (folder / "a.md").write_text("# One\n\nSome words about ports.\n")
    cortex.add([folder])
    for path in ("/dashboard/memories", "/dashboard/knowledge", "/dashboard/memories?q=" + HOSTILE):
        page = Elements(client.get(path).text)
        assert not [tag for tag, _ in page.tags if tag in ("script", "img")]
        assert not [a for _, a in page.tags if a.get("hx-trigger") == "load"]
    assert memory.id in client.get("/dashboard/memories").text


def test_the_folders_are_listed_with_their_counts(client: TestClient, cortex: Cortex, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.md").write_text(f"# Note {number}\n\nThe harbour has {number} cranes.\n")
    cortex.add([folder])
    shown = client.get("/dashboard/knowledge").text
    assert str(folder) in shown
    assert "2 documents" in shown


def test_what_waits_for_approval_is_shown_with_its_reason(client: TestClient, cortex: Cortex) -> None:
    assert "Waiting" not in client.get("/dashboard/queue").text
    said = "Remember that we always deploy from the release branch."
    proposals = cortex.consider(said, session="s-17", project="/srv/shop")
    assert proposals, "the extractor proposes what the user asks to remember"
    shown = client.get("/dashboard/queue").text
    for words in (proposals[0].learning, proposals[0].reason, "session s-17", "project /srv/shop"):
        assert words in html.unescape(shown)
    assert "Waiting for your word: 1" in shown
    assert "Keep both" not in shown
    assert "data-pick-all" not in shown


def test_of_very_many_proposals_the_newest_are_shown(
    client: TestClient, cortex: Cortex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_PROPOSALS", 2)
    for number in range(3):
        assert cortex.consider(f"Remember that pier number {number} is painted by crew {number}.")
    shown = client.get("/dashboard/queue").text
    assert "Waiting for your word: 3" in shown
    assert "The newest 2 are shown" in shown
    assert shown.count("data-proposal=") == 2


def test_a_contradiction_is_shown_beside_what_it_denies(client: TestClient, cortex: Cortex) -> None:
    old = cortex.remember("The staging database listens on port 5432")
    cortex.consider("Remember that the staging database listens on port 6543.")
    shown = client.get("/dashboard/queue").text
    assert shown.index("port 6543") < shown.index("port 5432")
    for words in ("Stands now", old.id, "Keep both", "Replace the old one"):
        assert words in shown
    cortex.forget(old.id)
    assert "Stands now" not in client.get("/dashboard/queue").text


def test_several_can_be_picked_and_hostile_proposals_stay_words(client: TestClient, cortex: Cortex) -> None:
    cortex.consider("Remember that we always write <img src=x onerror=alert(1)> first.", session='"><script>')
    cortex.consider("Remember that we always deploy from the harbour branch.")
    page = Elements(client.get("/dashboard/queue").text)
    assert not [tag for tag, _ in page.tags if tag in ("script", "img")]
    assert len([a for _, a in page.tags if "data-pick" in a]) == 2
    assert [a for _, a in page.tags if "data-pick-all" in a]


def test_what_was_superseded_is_shown_when_asked_for(client: TestClient, cortex: Cortex) -> None:
    old = cortex.remember("The staging database listens on port 5432")
    cortex.memories_of.supersede(old.id, "The staging database listens on port 6543")
    assert "port 5432" not in client.get("/dashboard/memories").text
    shown = client.get("/dashboard/memories", params={"ended": "true"}).text
    assert "port 5432" in shown
    assert "ended 20" in shown


def test_sessions_and_the_index_are_shown(client: TestClient, cortex: Cortex, tmp_path: Path) -> None:
    assert "No sessions yet" in client.get("/dashboard/sessions").text
    chat = [{"role": "user", "content": HOSTILE}, {"role": "assistant", "content": "That is markup."}]
    (tmp_path / "talk.json").write_text(json.dumps(chat))
    report = cortex.import_sessions([tmp_path / "talk.json"])
    assert report.counts == {"added": 1}, report.files
    shown = client.get("/dashboard/sessions").text
    assert "1 session" in shown
    assert not [tag for tag, _ in Elements(shown).tags if tag in ("script", "img")]
    assert f"{cortex.indexed()} points, exact" in client.get("/dashboard/index").text


def test_documents_come_by_the_page_and_what_was_left_out_with_its_reason(
    client: TestClient, cortex: Cortex, tmp_path: Path
) -> None:
    folder = tmp_path / "notes <b>"
    folder.mkdir()
    for number in range(52):
        (folder / f"note-{number:02}.md").write_text(f"# {HOSTILE}\n\nThe harbour has {number} cranes.\n")
    (folder / f"{HOSTILE[:20].replace('/', '_')}.bin").write_bytes(bytes(range(256)))
    cortex.add([folder])
    first = client.get("/dashboard/documents").text
    assert ("note-00.md" in first, "note-51.md" in first) == (True, False)
    assert "1 to 50 of 52 documents" in first
    last = client.get("/dashboard/documents?page=1").text
    assert ("note-00.md" in last, "note-51.md" in last) == (False, True)
    # More was on the page than there is now.
    assert "note-51.md" in client.get("/dashboard/documents?page=9").text
    found = client.get("/dashboard/documents", params={"q": "NOTE 17"}).text
    assert "1 document with" in found
    shown = client.get("/dashboard/passages", params={"path": str(folder / "note-17.md")}).text
    assert "17 cranes" in shown
    roots = client.get("/dashboard/knowledge").text
    assert "1 file left out" in roots
    left = client.get("/dashboard/skipped", params={"root": str(folder)}).text
    assert "binary" in left
    for text in (first, shown, roots, left):
        assert not [tag for tag, _ in Elements(text).tags if tag in ("script", "img", "b")]


def test_who_has_asked_is_listed_and_a_name_stays_a_name(client: TestClient) -> None:
    assert "No agent has talked" in client.get("/dashboard/traffic").text
    traffic = client.app.state.daemon.traffic  # type: ignore[attr-defined]
    caller = Caller("openai", HOSTILE)
    traffic.met(caller)
    traffic.took(caller, 1200, 1000, 34)
    shown = client.get("/dashboard/traffic").text
    for words in ("OpenAI", "1,200", "1,000 stored", "34", "just now"):
        assert words in shown
    assert not [tag for tag, _ in Elements(shown).tags if tag in ("script", "img")]


def test_models_say_whether_they_are_here_and_what_for(client: TestClient) -> None:
    shown = client.get("/dashboard/models").text
    assert "not here" in shown
    assert 'data-fetch="smollm2-135m"' in shown
    assert "Used for answers" in shown

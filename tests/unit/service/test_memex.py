"""MemexFS in the service: found, tagged, restored, shown in place, told of."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from nexus.core import config
from nexus.core.errors import InvalidInputError, MissingPartError, NexusError, NotFoundError
from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.filters import Filter
from nexus.memexfs.content import Content
from nexus.memexfs.desk import meant, told
from nexus.memexfs.launch import serving
from nexus.memexfs.objects import Objects
from nexus.memexfs.reconcile import reconcile
from nexus.service import agent_tools
from nexus.service.api import errors, memex
from nexus.service.daemon import Daemon
from nexus.service.dashboard import pages
from nexus.service.memex import MemexRoom
from tests.memex_mounts import needs_fuse, take_away

HOSTILE = "<script>alert(1)</script>"
FILES = {
    "office/returns.md": "# Giving money back\n\nGoods that come back within thirty days are paid in full.\n",
    "home/bread.md": "# Baking a loaf\n\nFold the sour dough twice and leave it in the fridge over night.\n",
    "home/cake.md": "# Baking a cake\n\nStir butter, sugar, flour and eggs, and put it in a hot oven.\n",
    f"home/{HOSTILE.replace('/', '')}.md": f"# Attack\n\n{HOSTILE} on the page of somebody else.\n",
}


def wait(what: str, until: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class House:
    """A room with its cortex, its own files, and a client of its API."""

    def __init__(self, home: Home, cortex: Cortex) -> None:
        self.home, self.cortex = home, cortex
        self.tree = home.memex / "tree"
        self.room = MemexRoom(config.load(), pressure=lambda: False)
        self.room.start(cortex)
        self.daemon: Any = _daemon(self.room, cortex)
        app = FastAPI()
        errors.install(app)
        app.include_router(memex.router)
        app.include_router(pages.router)
        app.state.daemon = self.daemon
        self.http = TestClient(app)

    def put(self, files: Mapping[str, str | bytes]) -> None:
        """Write files into the tree and have them read."""
        for name, data in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.encode() if isinstance(data, str) else data)
        reconcile(self.room.desk.store, self.tree, {}, None)
        self.read()

    def read(self) -> None:
        """Until nothing waits."""
        self.room.memex.pipeline.wake()
        store = self.room.desk.store
        wait("all files are read", lambda: not store.waiting() and not store.count().get("waiting"))

    def get(self, path: str, /, **query: object) -> Any:
        reply = self.http.get(f"/api/memex/{path}", params={k: str(v) for k, v in query.items()})
        assert reply.status_code == 200, reply.text
        return reply.json()

    def send(self, method: str, path: str, /, **body: object) -> Any:
        reply = self.http.request(method, f"/api/memex/{path}", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()


def _daemon(room: MemexRoom, cortex: Cortex) -> Any:
    daemon = Daemon.__new__(Daemon)  # the routes ask for a daemon; of it they use this alone
    daemon.__dict__.update(files=room, _cortex=cortex, state="ready", config=config.load())
    return daemon


@pytest.fixture
def cortex(home: Home, embedder_folder: Path) -> Iterator[Cortex]:
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with Cortex(home, CortexSettings(index="exact"), embedder) as opened:
        yield opened


@pytest.fixture
def house(home: Home, cortex: Cortex) -> Iterator[House]:
    made = House(home, cortex)
    made.put(FILES)
    try:
        yield made
    finally:
        made.room.stop()


def test_files_are_found_by_meaning_with_a_place_to_open_and_the_reasons(house: House) -> None:
    found = house.send("POST", "search", query="how we handle refunds", limit=3)
    first = found["results"][0]
    assert first["path"] == "office/returns.md"
    assert Path(first["opens"]).read_text() == FILES["office/returns.md"]
    assert "thirty days" in first["passage"]
    assert first["title"] == "Giving money back"
    assert 0 < first["score"] <= 1
    assert first["parts"]
    below = house.send("POST", "search", query="how we handle refunds", under="home")
    assert all(row["path"].startswith("home/") for row in below["results"])
    alike = house.send("POST", "similar", path="home/bread.md", limit=1)
    assert alike["results"][0]["path"] == "home/cake.md"


def test_tags_are_given_taken_counted_and_forgotten(house: House) -> None:
    assert house.send("POST", "tags", path="home/bread.md", add=["food", "weekend"])["tags"] == [
        "food",
        "weekend",
    ]
    house.send("POST", "tags", path="home/cake.md", add=["food"])
    assert house.send("POST", "tags", path="home/bread.md", remove=["weekend"])["tags"] == ["food"]
    assert {tag["name"]: tag["files"] for tag in house.get("tags")["tags"]} == {"food": 2, "weekend": 0}
    assert {file["path"] for file in house.get("files", tag="food")["files"]} == {
        "home/bread.md",
        "home/cake.md",
    }
    house.send("DELETE", "tags", name="food")
    assert house.get("file", path="home/cake.md")["tags"] == []
    assert (house.tree / "home" / "cake.md").exists()


REFUSED: tuple[tuple[str, str, dict[str, object], int, str], ...] = (
    ("POST", "tags", {"path": "no/such.md", "add": ["x"]}, 404, "no/such.md"),
    ("POST", "tags", {"path": "home/bread.md", "add": ["a/b"]}, 400, "a/b"),
    ("POST", "tags", {"path": "home/bread.md"}, 400, "nothing"),
    ("DELETE", "tags", {"name": "none"}, 404, "none"),
    ("POST", "search", {"query": "  "}, 400, "empty"),
    ("POST", "search", {"query": "x", "under": "a/../b"}, 400, "a/../b"),
    ("POST", "similar", {"path": "no.md"}, 404, "no.md"),
    ("POST", "restore", {"path": "home/bread.md"}, 404, "version"),
    ("POST", "sources", {"folder": "relative"}, 400, "absolute"),
    ("POST", "sources", {"folder": "/no/such/folder"}, 400, "/no/such/folder"),
    ("DELETE", "sources", {"name": "nothing"}, 404, "nothing"),
    ("POST", "reindex", {"under": "nowhere"}, 404, "nowhere"),
    ("POST", "search", {"query": "x", "surprise": 1}, 400, "surprise"),
)


def test_what_cannot_be_done_is_said_with_the_value(house: House) -> None:
    for method, path, body, status, word in REFUSED:
        reply = house.http.request(method, f"/api/memex/{path}", json=body)
        assert reply.status_code == status, (path, body, reply.text)
        error = reply.json()["error"]
        assert word in error["message"] + error["hint"], (path, body, error)


def test_names_of_any_bytes_come_back_as_they_were_given(house: House) -> None:
    odd = b"odd/\xff\xfe name.txt"
    (house.tree / "odd").mkdir()
    (house.tree / os.fsdecode(odd)).write_text("The umbrella stands behind the door.\n")
    house.put({})
    row = house.send("POST", "search", query="umbrella behind the door", limit=1)["results"][0]
    assert meant(row["path"]) == odd
    assert told(odd) == row["path"]
    assert house.send("POST", "tags", path=row["path"], add=["rain"])["tags"] == ["rain"]
    assert house.get("file", path=row["path"])["tags"] == ["rain"]


def test_files_are_listed_in_pages(house: House) -> None:
    names: list[str] = []
    after = ""
    while True:
        page = house.get("files", after=after, limit=3)
        names += [file["path"] for file in page["files"]]
        after = page["next"]
        if not after:
            break
    assert names == sorted(FILES)
    assert {file["path"] for file in house.get("files", days=1)["files"]} == set(FILES)
    assert [file["path"] for file in house.get("files", under="office")["files"]] == ["office/returns.md"]


def test_an_older_content_is_brought_back_without_a_mount(house: House, tmp_path: Path) -> None:
    store, objects = house.room.desk.store, Objects(house.home.memex / "objects")
    (tmp_path / "old").write_text("the old words\n")
    with open(tmp_path / "old", "rb") as file:
        sealed = objects.put(file.fileno())
    now = time.time_ns()
    for path in (b"home/bread.md", b"gone/away.txt"):
        store.add_version(path, sealed.digest, sealed.form, sealed.size, now, now, "removed")
    versions = house.get("versions", path="home/bread.md")["versions"]
    assert versions[0]["size"] == sealed.size
    assert versions[0]["name"].startswith("@20")
    house.send("POST", "restore", path="home/bread.md", version=versions[0]["n"])
    assert (house.tree / "home" / "bread.md").read_text() == "the old words\n"
    house.send("POST", "restore", path="gone/away.txt")
    assert (house.tree / "gone" / "away.txt").read_text() == "the old words\n"
    wait(
        "what it replaced is a version",
        lambda: len(house.get("versions", path="home/bread.md")["versions"]) == 2,
    )


def test_a_folder_is_indexed_where_it_is_and_followed(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "aunt.txt").write_text("Dear aunt, the wedding is on the lake in August.\n")
    assert house.send("POST", "sources", folder=str(folder))["name"] == "letters"
    house.read()
    row = house.send("POST", "search", query="where do they get married", limit=1)["results"][0]
    assert (row["path"], row["opens"]) == ("letters/aunt.txt", str(folder / "aunt.txt"))
    assert house.get("sources")["sources"] == {"letters": str(folder)}
    (folder / "uncle.txt").write_text("Dear uncle, bring the boat.\n")
    store = house.room.desk.store
    wait("the change is seen", lambda: store.file(b"letters/uncle.txt"))
    for wrong in (folder, folder / "below", house.home.root, house.tree):
        wrong.mkdir(exist_ok=True)
        status = house.http.post(
            "/api/memex/sources", json={"folder": str(wrong), "name": "other"}
        ).status_code
        assert status == (200 if wrong == folder else 400)
    assert house.send("DELETE", "sources", name=str(folder))["name"] == "letters"
    assert (folder / "aunt.txt").exists()
    house.read()
    assert "letters/aunt.txt" not in str(house.send("POST", "search", query="a wedding on the lake"))


def test_status_pause_fsck_and_reading_again(house: House) -> None:
    status = house.get("status")
    assert status["state"] == "ready"
    assert status["files"] == {"indexed": len(FILES)}
    assert status["mount"] is None
    assert house.send("POST", "pause", paused=True) == {"paused": True}
    assert house.get("status")["work"]["paused"] is True
    assert house.send("POST", "reindex", under="home")["queued"] == len(FILES) - 1
    assert house.get("status")["work"]["waiting"] == len(FILES) - 1
    house.send("POST", "pause", paused=False)
    house.read()
    report = house.send("POST", "fsck")
    assert report["sound"], report
    assert report["files"] == len(FILES)
    assert not house.room.issues()
    names = {family.name for family in house.room.families()}
    assert {"nexus_memex_up", "nexus_memex_files", "nexus_memex_waiting", "nexus_memex_mounted"} <= names


def test_what_is_recalled_can_be_opened_and_asked_for_by_its_place(house: House) -> None:
    results = house.cortex.recall("giving money back", 5, kinds=("document",))
    paths = [result.chunk.path for result in results]
    assert paths[0] == str(house.tree / "office" / "returns.md")
    below = house.cortex.recall("anything", 5, where=Filter(path=str(house.tree / "home")))
    assert below
    assert all(result.chunk.path.startswith(str(house.tree / "home")) for result in below)


def test_a_packed_file_is_never_given_as_a_path_of_holes(house: House) -> None:
    house.put({"office/long.md": "# The gardener's almanac\n\n" + "Prune the roses in February.\n" * 400})
    path = house.tree / "office" / "long.md"
    fd = os.open(path, os.O_RDWR)
    try:
        if Content(Objects(house.home.memex / "objects")).seal(fd) is None:
            pytest.skip("this disk has no holes or no attributes for files")
    finally:
        os.close(fd)
    row = house.send("POST", "search", query="when to prune roses", limit=1)["results"][0]
    assert (row["path"], row["opens"]) == ("office/long.md", "")
    recalled = house.cortex.recall("when to prune roses", 1, kinds=("document",))[0]
    assert recalled.chunk.path == "memex:/office/long.md"


def test_agents_find_and_tag_files(house: House) -> None:
    reply = agent_tools.call(house.daemon, "find_files", {"about": "how we handle refunds", "limit": 2})
    first = reply.more["files"][0]
    assert first["path"] == str(house.tree / "office" / "returns.md")
    assert "> " in reply.text
    assert "thirty days" in reply.text
    tagged = agent_tools.call(house.daemon, "tag_file", {"path": first["path"], "add": ["money"]})
    assert tagged.more == {"tags": ["money"]}
    like = agent_tools.call(house.daemon, "find_files", {"like": "files/home/bread.md", "limit": 1})
    assert like.more["files"][0]["path"].endswith("cake.md")
    attack = agent_tools.call(house.daemon, "find_files", {"about": "attack on the page of somebody else"})
    assert all(line.startswith((">", "[", "<nexus", "</nexus", "(")) for line in attack.text.splitlines())
    with pytest.raises(InvalidInputError, match="about"):
        agent_tools.call(house.daemon, "find_files", {})
    with pytest.raises(NotFoundError, match="/etc/passwd"):
        agent_tools.call(house.daemon, "tag_file", {"path": "/etc/passwd", "add": ["x"]})


def test_the_page_shows_files_and_escapes_what_is_in_them(house: House) -> None:
    house.send("POST", "tags", path="home/bread.md", add=[f"tag {HOSTILE.replace('/', '')}"])
    state = house.http.get("/dashboard/memex").text
    assert f"{len(FILES)} files" in state
    assert "bread.md" in state
    found = house.http.get("/dashboard/memex/found", params={"q": "attack on the page of somebody else"}).text
    assert "Attack" in found
    assert "Why: score" in found
    tagged = house.http.get("/dashboard/memex/found", params={"tag": f"tag {HOSTILE.replace('/', '')}"}).text
    assert "bread.md" in tagged
    versions = house.http.get("/dashboard/memex/versions", params={"path": "home/bread.md"}).text
    assert "held nothing else" in versions
    for page in (state, found, tagged, versions):
        assert "<script>" not in page


def test_switched_off_it_says_so_and_nothing_else_is_disturbed(
    home: Home, cortex: Cortex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS_MEMEX_ENABLED", "false")
    room = MemexRoom(config.load(), pressure=lambda: False)
    room.start(cortex)
    assert room.as_dict()["state"] == "off"
    assert not room.issues()
    with pytest.raises(MissingPartError, match="switched off"):
        _ = room.memex
    room.stop()
    assert not home.memex.exists()


def test_a_failure_is_told_and_keeps_nothing_else_from_starting(home: Home, cortex: Cortex) -> None:
    home.memex.write_text("a file where a folder should be")
    room = MemexRoom(config.load(), pressure=lambda: False)
    room.start(cortex)
    assert room.state == "failed"
    assert str(home.memex) in room.issues()[0]
    with pytest.raises(NexusError):
        _ = room.desk
    room.stop()
    assert SimpleNamespace(**room.as_dict()).problem


def _starts_and_ends(cortex: Cortex, point: Path) -> None:
    """A life of the service that finds a file in the mount of its settings."""
    room = MemexRoom(config.load(), pressure=lambda: False)
    room.start(cortex)
    wait("it is mounted", lambda: room.as_dict()["mount"])
    assert room.as_dict()["mount"]["point"] == str(point)
    (point / "files" / "note.txt").write_text("The umbrella stands behind the door.\n")
    wait("it is read", lambda: cortex.recall("umbrella", 1))
    assert cortex.recall("umbrella", 1)[0].chunk.path == str(point / "files" / "note.txt")
    assert not room.issues()
    room.stop()


@needs_fuse
def test_the_mount_of_the_settings_is_made_at_the_start_and_outlives_the_service(
    home: Home, cortex: Cortex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = tmp_path / "memex"
    monkeypatch.setenv("NEXUS_MEMEX_MOUNT", str(point))
    try:
        for _ in range(2):  # the second time it is there already
            _starts_and_ends(cortex, point)
        assert (point / "search" / "umbrella behind the door" / "01 note.txt").exists()
    finally:
        take_away(point)
        wait("the mount is gone", lambda: serving(home.root) is None)


def test_a_mount_that_cannot_be_made_is_an_issue_and_no_failure(
    home: Home, cortex: Cortex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEXUS_MEMEX_MOUNT", str(tmp_path / "file"))
    room = MemexRoom(config.load(), pressure=lambda: False)
    room.start(cortex)
    try:
        wait("it says so", room.issues)
        assert "not mounted" in room.issues()[0]
        assert room.state == "ready"
    finally:
        room.stop()

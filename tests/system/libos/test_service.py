"""Agents' code in the service: run within the grants, by tool and by API, counted and told of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from nexus.core import config
from nexus.core.errors import BusyError, InvalidInputError, MissingPartError, NotFoundError
from nexus.core.paths import Home
from nexus.core.settings import SandboxSettings
from nexus.service import agent_tools
from nexus.service.api import errors, sandbox
from nexus.service.daemon import Daemon
from nexus.service.dashboard import pages
from nexus.service.sandbox import SandboxRoom
from nexus.unikernel import builder
from nexus.unikernel.images import Image


class FakeCortex:
    """Knows one thing."""

    def recall(self, query: str, limit: int, where: Any) -> list[Any]:
        chunk = SimpleNamespace(text=f"about {query}", kind="memory", path=f"MEM-1 {where.project}")
        return [SimpleNamespace(chunk=chunk)] * limit


@pytest.fixture
def image(home: Home, python_image: Image, monkeypatch: pytest.MonkeyPatch) -> Image:
    monkeypatch.setattr(builder, "python_image", lambda *_, **__: python_image)
    return python_image


@pytest.fixture
def room(image: Image) -> Iterator[SandboxRoom]:
    made = SandboxRoom(SandboxSettings(), lambda: FakeCortex())  # type: ignore[arg-type, return-value]
    yield made
    made.stop()


def daemon_with(room: SandboxRoom) -> Daemon:
    daemon = Daemon.__new__(Daemon)  # the routes ask for a daemon; of it they use this alone
    daemon.__dict__.update(sandbox=room, state="ready", config=config.load())
    return daemon


@pytest.fixture
def http(room: SandboxRoom) -> TestClient:
    app = FastAPI()
    errors.install(app)
    app.include_router(sandbox.router)
    app.include_router(pages.router)
    app.state.daemon = daemon_with(room)
    return TestClient(app)


def tool(room: SandboxRoom, project: str = "", **arguments: Any) -> Any:
    return agent_tools.call(daemon_with(room), "run_python", arguments, project)


def test_an_agent_gets_what_its_code_printed(room: SandboxRoom) -> None:
    reply = tool(room, code="print(6 * 7)")
    assert reply.text == "42"
    assert reply.data["ending"] == "exited"
    assert reply.data["status"] == 0
    assert tool(room, code="x = 1").text == "(no output)"
    assert tool(room, code="print(input() * 2)", stdin="ab\n").text == "abab"


def test_an_agent_reads_what_went_wrong(room: SandboxRoom) -> None:
    reply = tool(room, code="print('before')\nprint(1 / 0)")
    assert reply.text.startswith("before\nstderr:\nTraceback (most recent call last):")
    assert "ZeroDivisionError" in reply.text
    assert reply.text.endswith("exit status 1")
    reply = tool(room, code="while True: pass", seconds=0.3)
    assert "ended (" in reply.text
    assert reply.data["ending"] in ("wall", "cpu")


def test_long_output_says_what_was_left_out(room: SandboxRoom) -> None:
    text = tool(room, code="for i in range(20000): print('line', i)").text
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 19999")
    assert "characters of stdout left out; print less" in text
    assert len(text) < 40_000


def test_nothing_of_a_run_is_left_for_the_next(room: SandboxRoom) -> None:
    tool(room, code="import builtins; builtins.secret = 1")
    assert "NameError" in tool(room, code="print(secret)").text


def test_code_searches_memory_in_its_project(room: SandboxRoom) -> None:
    code = "import host; r = host.call('memory_search', query='ports', limit=2); print(len(r), r[0])"
    text = tool(room, "/home/you/project", code=code).text
    assert text.startswith("2 ")
    assert "about ports" in text
    assert "/home/you/project" in text


def test_code_reads_the_files_that_an_agent_names_of_its_project(room: SandboxRoom, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "data.json").write_text(json.dumps({"a": [1, 2, 3]}))
    (project / ".env").write_text("KEY=1")
    (tmp_path / "other.txt").write_text("other")
    (project / "link.txt").symlink_to(tmp_path / "other.txt")
    code = f"import json\nwith open({str(project / 'data.json')!r}) as f: print(sum(json.load(f)['a']))"
    assert tool(room, str(project), code=code, files=["data.json"]).text == "6"
    # The project is below /tmp, of which a guest has one of its own; elsewhere it hears of grants.
    assert "FileNotFoundError" in tool(room, str(project), code=code).text
    assert "not granted" in tool(room, str(project), code="open('/etc/hostname')").text
    for name, kind in (
        (".env", InvalidInputError),
        ("../other.txt", InvalidInputError),
        ("link.txt", InvalidInputError),
        ("/etc/passwd", InvalidInputError),
        ("absent", NotFoundError),
        (".", NotFoundError),
    ):
        with pytest.raises(kind):
            tool(room, str(project), code="1", files=[name])
    with pytest.raises(InvalidInputError, match="no project"):
        tool(room, code="1", files=["data.json"])


def test_what_cannot_be_asked_for_is_refused(room: SandboxRoom, image: Image) -> None:
    with pytest.raises(InvalidInputError):
        tool(room, code="")
    with pytest.raises(InvalidInputError):
        tool(room, code="1", seconds=-1)
    with pytest.raises(InvalidInputError):
        tool(room, code="1", memory="all")
    off = SandboxRoom(SandboxSettings(enabled=False), lambda: FakeCortex())  # type: ignore[arg-type, return-value]
    with pytest.raises(MissingPartError, match="switched off"):
        tool(off, code="1")


def test_no_more_run_at_once_than_the_settings_say(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexus.service.sandbox._WAIT_SECONDS", 0.05)
    room = SandboxRoom(SandboxSettings(at_once=1, warm=0), lambda: FakeCortex())  # type: ignore[arg-type, return-value]

    def second(fd: int, data: bytes) -> None:
        with pytest.raises(BusyError, match="1 sandboxes"):
            room.run("print(1)")

    assert room.run("print(1)", on_output=second).ok
    assert room.run("print(1)").ok
    room.stop()


def test_the_api_runs_streams_and_tells(http: TestClient, tmp_path: Path) -> None:
    done = http.post("/api/sandbox/run", json={"code": "import sys; print('hi'); sys.exit(3)"}).json()
    assert (done["stdout"], done["status"], done["ending"], done["ok"]) == ("hi\n", 3, "exited", False)
    (tmp_path / "a.txt").write_text("granted")
    code = f"print(open({str(tmp_path / 'a.txt')!r}).read())"
    granted = http.post("/api/sandbox/run", json={"code": code, "read": [str(tmp_path)]}).json()
    assert granted["stdout"] == "granted\n"
    told = http.post("/api/sandbox/run", json={"code": "print('ä' * 3)", "stream": True}).text
    events = [piece.split("\n") for piece in told.strip().split("\n\n")]
    assert events[0][0] == "event: output"
    assert json.loads(events[0][1].removeprefix("data: ")) == {"fd": 1, "text": "äää\n"}
    assert events[-1][0] == "event: done"
    state = http.get("/api/sandbox").json()
    assert state["endings"] == {"exited": 3}
    assert {row["name"] for row in state["backends"]} >= {"kvm", "spt", "qemu", "unicorn"}
    assert http.post("/api/sandbox/run", json={"code": "1", "read": ["relative"]}).status_code == 400
    assert http.post("/api/sandbox/run", json={"code": "1", "seconds": 1e9}).status_code == 400
    page = http.get("/dashboard/sandbox").text
    assert "unicorn" in page
    assert "3 exited" in page

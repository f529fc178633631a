"""Compares what a service holds with the ledger: nothing that was acknowledged may be lost.

To be called while the agents rest. Indexing what a followed folder holds is waited for; all else is looked at
once.
"""

from __future__ import annotations

import time
from contextlib import suppress

import httpx
from soak_agents import World
from soak_keeper import digest, keeper_store
from soak_ledger import lost

from nexus.agentmem.errors import UnitNotFoundError
from nexus.core.errors import NexusError

_PATIENCE = 120.0  # seconds until a file of a followed folder is found


class Check:
    """Counts of what was looked at and what was missed, by kind; `told` says which."""

    def __init__(self) -> None:
        self.checked: dict[str, int] = {}
        self.lost: dict[str, int] = {}
        self.told: list[str] = []
        # Of AgentMem: not as acknowledged last, but as before its two processes were killed at once.
        self.recent: dict[str, int] = {}

    def add(
        self,
        kind: str,
        expected: dict[str, set[str]],
        found: dict[str, str],
        recent: dict[str, set[str]] | None = None,
    ) -> None:
        missed = lost(expected, found)
        for key, values in (recent or {}).items():
            if missed.get(key) in values:
                del missed[key]
                self.recent[kind] = self.recent.get(kind, 0) + 1
        self.checked[kind] = len(expected)
        self.lost[kind] = len(missed)
        self.told += [f"{kind} {key}: {value[:200]}" for key, value in missed.items()]

    @property
    def total_lost(self) -> int:
        return sum(self.lost.values())


def check(world: World) -> Check:
    """Everything, once the service is there again."""
    done = Check()
    with world.service.client() as http:
        reachable(world, http)
        _memories(world, http, done)
        for kind in ("document", "followed"):
            _documents(world, http, done, kind)
        if world.point:
            _files(world, done)
            _tags(world, http, done)
    _units(world, done)
    return done


def reachable(world: World, http: httpx.Client, seconds: float = _PATIENCE) -> None:
    """Wait until all parts that hold something answer. Raises `AssertionError` with what does not."""
    deadline = time.monotonic() + seconds
    process = world.service.process
    while missing := _missing(world, http):
        ended = process.poll() if process else None
        assert ended is None, f"the service has ended with {ended}"
        assert time.monotonic() < deadline, f"not whole again after {seconds:.0f} s: {missing}"
        time.sleep(0.2)


def _missing(world: World, http: httpx.Client) -> str:
    """What does not answer; empty where everything does."""
    try:
        said = http.get("/api/status")
        if said.status_code != 200:
            return f"the service says {said.status_code} {said.text[:300]}"
        status = said.json()
        if status["daemon"]["state"] != "ready":
            return f"the service is {status['daemon']}"
        if status["agent_memory"]["state"] != "ready":
            return f"agent memory is {status['agent_memory']}"
        if world.point:
            files = http.get("/api/memex/status").json()
            if files.get("state") != "ready":
                return f"files are {files}"
            list((world.point / "files").iterdir())
    except (httpx.HTTPError, OSError) as error:
        return repr(error)
    return ""


def _memories(world: World, http: httpx.Client, done: Check) -> None:
    expected, gone = world.ledger.expected("memory"), world.ledger.gone("memory")
    listed = http.get("/api/memories").raise_for_status().json()["memories"]
    held = {each["id"]: each["learning"] for each in listed}
    done.add("memory", expected, held)
    back = gone & set(held)
    done.checked["forgotten"], done.lost["forgotten"] = len(gone), len(back)
    done.told += [f"{key} was forgotten and is there" for key in back]


def _documents(world: World, http: httpx.Client, done: Check, kind: str) -> None:
    expected = world.ledger.expected(kind)
    deadline = time.monotonic() + _PATIENCE
    while True:
        found: dict[str, str] = {}
        for path, markers in expected.items():
            for marker in markers:
                body = {"query": marker, "limit": 20, "kinds": ["document"]}
                results = http.post("/api/recall", json=body).raise_for_status().json()["results"]
                if any(one["path"] == path and marker in one["text"] for one in results):
                    found[path] = marker
                    break
        if kind == "document" or not lost(expected, found) or time.monotonic() > deadline:
            break
        time.sleep(2)
    done.add(kind, expected, found)


def _files(world: World, done: Check) -> None:
    assert world.point
    expected, found = world.ledger.expected("file"), {}
    for name in expected:
        with suppress(FileNotFoundError):
            found[name] = digest((world.point / "files" / name).read_bytes())
    done.add("file", expected, found)


def _tags(world: World, http: httpx.Client, done: Check) -> None:
    expected, found = world.ledger.expected("tag"), {}
    for key in expected:
        name, _, tag = key.rpartition(" ")
        reply = http.get("/api/memex/file", params={"path": name})
        if reply.status_code == 200 and tag in reply.json().get("tags", ()):
            found[key] = tag
    done.add("tag", expected, found)


def _units(world: World, done: Check) -> None:
    units, talks = world.ledger.expected("unit"), world.ledger.expected("conversation")
    found: dict[str, str] = {}
    said: dict[str, str] = {}
    try:
        with keeper_store(world.service.root / "run" / "agentmem.sock") as store:
            for key in units:
                with suppress(UnitNotFoundError), store.acquire(bytes.fromhex(key)) as unit:
                    found[key] = digest(bytes(unit))
            for name in talks:
                with suppress(UnitNotFoundError):
                    messages = [bytes(message) for message in store.conversation(name)]
                    if messages:  # one that is not there has none
                        said[name] = digest(b"".join(messages))
    except NexusError as error:
        done.told.append(f"units: {error}")
    done.add("unit", units, found, world.ledger.recent("unit"))
    done.add("conversation", talks, said, world.ledger.recent("conversation"))

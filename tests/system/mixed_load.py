"""Everything at once, for tests that break things meanwhile: memories, documents, chats, hooks, agents.

Keeps what the service acknowledged and what it has said wrong; never asks it what it holds. A request that
met a service that was down, stopping or without its model is no fault of the service; every other answer
than the promised one is noted in `wrong`.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.running import Service

# The model is being started again, or the service; each says so.
_AWAY = {502, 503}
_ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
_JSON = {"content-type": "application/json"}
_FORGETS = 6


class Load:
    """The acknowledged of all lives of a service, and the threads that ask for more."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.memories: dict[str, str] = {}
        self.forgotten: set[str] = set()
        self.documents: dict[Path, str] = {}
        # Markers written to a file since its last acknowledgement: any of them may be the stored one.
        self.begun: dict[Path, set[str]] = {}
        self.answered: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._service, self._folder = service, folder
        self._lock = threading.Lock()
        self._stop = threading.Event()

    @contextmanager
    def going(self) -> Iterator[None]:
        """From here to the end of the context."""
        kinds = (self._memory, self._document, self._chat, self._ask, self._hook, self._agent)
        threads = [threading.Thread(target=self._again_and_again, args=(kind,)) for kind in kinds]
        self._folder.mkdir(exist_ok=True)
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def kept(self) -> tuple[dict[str, str], set[str]]:
        """Memories by id that must be there now, and ids that must not."""
        with self._lock:
            return dict(self.memories), set(self.forgotten)

    def written(self) -> dict[Path, set[str]]:
        """For each acknowledged document the markers of which one must be found."""
        with self._lock:
            return {path: {marker, *self.begun[path]} for path, marker in self.documents.items()}

    def _again_and_again(self, kind: Callable[[httpx.Client, int], None]) -> None:
        number = 0
        with self._service.client() as http:
            while not self._stop.is_set():
                number += 1
                try:
                    kind(http, number)
                    self.answered[kind.__name__] += 1
                except (httpx.TransportError, _AwayError):
                    self._stop.wait(0.3)
                except Exception as error:  # a thread that ends in silence would make the test pass
                    self.wrong.append(f"{kind.__name__}: {error!r}")
                    self._stop.wait(0.3)

    def _memory(self, http: httpx.Client, number: int) -> None:
        said = f"service number {number} of the storm listens on port {20_000 + number}"
        made = _good(http.post("/api/memories", json={"learning": said}), 201)
        with self._lock:
            self.memories[made["id"]] = said
        if number % _FORGETS == 0:
            with self._lock:
                del self.memories[made["id"]]  # from here on it may be gone
            _good(http.delete(f"/api/memories/{made['id']}", headers=_JSON), 200)
            with self._lock:
                self.forgotten.add(made["id"])

    def _document(self, http: httpx.Client, number: int) -> None:
        # Source code goes through the grammars' process, prose does not.
        suffix = "py" if number % 2 else "md"
        path, marker = self._folder / f"part{number % 12}.{suffix}", f"zebra{number}"
        text = f'def {marker}() -> str:\n    """The room of {marker}."""\n    return "room {number}"\n'
        if suffix == "md":
            text = f"# Part {number}\n\nThe marker of this part is {marker}, kept in room {number}.\n"
        with self._lock:
            self.begun.setdefault(path, set()).add(marker)
        path.write_text(text)
        with http.stream("POST", "/api/knowledge", json={"paths": [str(path)]}) as reply:
            done = _last(reply)
        if done.get("cancelled"):
            raise _AwayError
        states = {file["status"] for file in done["files"]}
        if not states <= {"added", "updated", "unchanged"}:
            raise ValueError(f"{path.name}: {done}")
        with self._lock:
            self.documents[path] = marker
            self.begun[path] = set()

    def _chat(self, http: httpx.Client, number: int) -> None:
        body = {"messages": [{"role": "user", "content": f"Tell of ship {number}."}], "max_tokens": 24}
        with http.stream(
            "POST", "/v1/chat/completions", json={**body, "model": "smollm2-135m", "stream": True}
        ) as reply:
            if reply.status_code != 200:
                _good(_read(reply), 200)
            lines = [line for line in reply.iter_lines() if line.startswith("data: ")]
        if not lines or any("error" in json.loads(line[6:]) for line in lines if line != "data: [DONE]"):
            raise _AwayError
        if lines[-1] != "data: [DONE]":
            raise ValueError(f"an answer ended with {lines[-1][:200]}")

    def _ask(self, http: httpx.Client, number: int) -> None:
        body = {"prompt": f"Which port does service number {number} listen on?", "max_tokens": 8}
        _good(http.post("/api/interact", json=body), 200)

    def _hook(self, http: httpx.Client, number: int) -> None:
        self._stop.wait(0.05)
        event = {
            "hook_event_name": "UserPromptSubmit",
            "session_id": f"session-{number % 7}",
            "prompt": f"We keep ledger {number} in the vault; where do we keep ledger {number - 1}?",
            "cwd": "/tmp",
        }
        _good(http.post("/api/hooks", json=event), 200)

    def _agent(self, http: httpx.Client, number: int) -> None:
        said = f"agent number {number} keeps its notes in drawer {number * 3}"
        call = {"name": "memory_save", "arguments": {"learning": said}}
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call}
        result = _good(http.post("/mcp", json=message, headers=_ACCEPT), 200)["result"]
        if result.get("isError"):
            if "try again" in json.dumps(result) or "starting" in json.dumps(result):
                raise _AwayError
            raise ValueError(str(result))
        with self._lock:
            self.memories[result["structuredContent"]["id"]] = said


class _AwayError(Exception):
    """What answers was not there just now."""


def _good(reply: httpx.Response, status: int) -> dict[str, Any]:
    if reply.status_code in _AWAY:
        raise _AwayError
    if reply.status_code != status:
        raise ValueError(f"{reply.request.url.path}: {reply.status_code} {reply.text[:300]}")
    found: dict[str, Any] = reply.json() if reply.content else {}
    return found


def _read(reply: httpx.Response) -> httpx.Response:
    reply.read()
    return reply


def _last(reply: httpx.Response) -> dict[str, Any]:
    """The data of the `done` event that ends a stream."""
    if reply.status_code != 200:
        _good(_read(reply), 200)
    name, data = "", {}
    for line in reply.iter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            data = json.loads(line[6:])
    if name == "error" and data["error"]["code"] in ("busy", "engine"):
        raise _AwayError
    if name != "done":
        if name in ("", "progress", "queued"):
            raise _AwayError  # cut off: killed in the middle
        raise ValueError(f"{name}: {data}")
    return dict(data)

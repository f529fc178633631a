"""Five agents at work on one service, each by the interfaces that agents of its kind use.

What they are told goes into the ledger, as it was told; they ask the service for nothing that the ledger is
later compared with. Invariant: an answer that is neither the promised one nor a clear refusal is noted as
wrong, and never ends an agent.
"""

from __future__ import annotations

import errno
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from soak_ledger import Ledger

from nexus.agentmem.errors import AgentMemError
from tests.running import Service

MODEL = "smollm2-135m"
JSON = {"content-type": "application/json"}
ACCEPT = {**JSON, "accept": "application/json, text/event-stream"}
WORDS = (
    "harbour crane tide ledger signal copper lantern meadow engine violet anchor cedar orbit velvet".split()
)
# Refusals that name their reason: busy, no room, a model that is being started again.
REFUSALS = {429, 502, 503, 507, 529}
# The same in the words of a tool, which has no codes.
SIGNS = {"no space left": "storage", "No space left": "storage", "starting": "busy", "try again": "busy"}
# What a mount says when its server was killed under a call, and a disk without room.
AWAY = {errno.ENOTCONN, errno.EIO, errno.ECONNABORTED, errno.EINTR, errno.ESTALE, errno.ENODEV}


class RefusedError(Exception):
    """The service said no, and why: the code of its error."""


class AwayError(Exception):
    """Nobody answered, or the answer broke off."""


@dataclass
class World:
    """What all agents share."""

    service: Service
    ledger: Ledger
    folder: Path
    point: Path | None
    """Where MemexFS is mounted; None where it cannot be."""
    pause: float
    """Mean seconds between two things that an agent does."""
    working: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


Action = Callable[[], None]


class Agent(threading.Thread):
    """Does one of its actions after the other, drawn by their weights, until the world ends."""

    def __init__(self, name: str, world: World, seed: int) -> None:
        super().__init__(name=name)
        self.world = world
        self.draw = random.Random(seed)
        # Held while it does something: who takes it knows that this agent rests.
        self.turn = threading.Lock()
        self.number = 0
        self._http: httpx.Client | None = None

    def actions(self) -> dict[str, tuple[float, Action]]:
        """By kind: how often, and what."""
        raise NotImplementedError

    def close(self) -> None:
        """At the end."""

    def run(self) -> None:
        actions = self.actions()
        kinds, weights = list(actions), [weight for weight, _ in actions.values()]
        while not self.world.ended.is_set():
            if not self.world.working.wait(0.2):
                continue
            with self.turn:
                kind = self.draw.choices(kinds, weights)[0]
                self.number += 1
                self.attempt(kind, actions[kind][1])
            self.world.ended.wait(self.draw.uniform(0.5, 1.5) * self.world.pause)
        self.close()
        if self._http:
            self._http.close()

    def attempt(self, kind: str, action: Action) -> None:
        """Do it once and note how it ended."""
        began = time.monotonic()
        try:
            action()
            outcome = "ok"
        except RefusedError as error:
            outcome = f"refused: {error}"
        except (httpx.TransportError, AwayError) as error:
            outcome = f"away: {error if isinstance(error, AwayError) else type(error).__name__}"
        except Exception as error:  # whatever it is, it is noted, and the others go on
            outcome = f"wrong: {error!r}"[:500]
        self.world.ledger.ended(began, kind, outcome)
        if outcome != "ok":
            self.world.ended.wait(0.3)

    @property
    def http(self) -> httpx.Client:
        """A client with the token."""
        if self._http is None:
            self._http = self.world.service.client()
        return self._http

    def post(self, path: str, body: object, status: int = 200, **more: Any) -> dict[str, Any]:
        """The answer. Raises what `attempt` knows."""
        return good(self.http.post(path, json=body, **more), status)

    def words(self, count: int) -> str:
        """A text that nobody else says."""
        return " ".join([*self.draw.choices(WORDS, k=count), f"{self.name}{self.number}"])

    def tool(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool by MCP."""
        call = {"name": name, "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": self.number, "method": "tools/call", "params": call}
        reply = self.post("/mcp", message, headers=ACCEPT)
        if "result" not in reply:
            raise ValueError(str(reply)[:300])
        result: dict[str, Any] = reply["result"]
        if result.get("isError"):
            said = " ".join(part.get("text", "") for part in result.get("content", ()))
            for sign, code in SIGNS.items():
                if sign in said:
                    raise RefusedError(code)
            raise ValueError(f"{name}: {said[:300]}")
        return result


def good(reply: httpx.Response, status: int) -> dict[str, Any]:
    """The answer. Raises `RefusedError` for a clear no, `ValueError` for anything else."""
    if reply.status_code == status:
        found: dict[str, Any] = reply.json() if reply.content else {}
        return found
    if reply.status_code in REFUSALS:
        raise RefusedError(reason(reply.json().get("error", {}), reply.text))
    raise ValueError(f"{reply.request.url.path}: {reply.status_code} {reply.text[:300]}")


def reason(error: Any, whole: str) -> str:
    """The code of an error that is clear: it has a code and a text. Raises `ValueError` for others."""
    if not isinstance(error, dict) or not error.get("message"):
        raise ValueError(f"an error that says nothing: {whole[:300]}")
    return str(error.get("code") or error.get("type"))


def streamed(http: httpx.Client, path: str, body: object) -> list[str]:
    """The lines of an answer that comes bit by bit."""
    with http.stream("POST", path, json=body) as reply:
        if reply.status_code != 200:
            reply.read()
            good(reply, 200)
        return list(reply.iter_lines())


@contextmanager
def files() -> Iterator[None]:
    """What a file system says, in the words of `attempt`."""
    try:
        yield
    except OSError as error:
        if error.errno in AWAY:
            raise AwayError(errno.errorcode[error.errno]) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RefusedError(errno.errorcode[error.errno]) from error
        raise


@contextmanager
def units() -> Iterator[None]:
    """What the broker of AgentMem says, in the words of `attempt`."""
    try:
        yield
    except AgentMemError as error:
        if error.code in ("agentmem_no_broker", "agentmem_busy"):
            raise AwayError(error.code) from error
        if error.code in ("agentmem_memory", "agentmem_disk", "agentmem_quota", "agentmem_files"):
            raise RefusedError(error.code) from error
        raise


def events(lines: list[str]) -> tuple[str, dict[str, Any]]:
    """Name and data of the last event of a stream."""
    name, data = "", {}
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            data = json.loads(line[6:])
    return name, data

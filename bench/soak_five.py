"""The five: by MCP, with hooks, in conversations, with files, with units of AgentMem."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from soak_agents import (
    JSON,
    MODEL,
    Action,
    Agent,
    AwayError,
    RefusedError,
    World,
    events,
    files,
    good,
    reason,
    streamed,
)
from soak_keeper import Keeper, digest
from soak_ledger import ANYTHING

# What each keeps at most; then it forgets what is oldest, so that what is stored stays of one size.
MEMORIES, FILES, TURNS = 120, 40, 5
HOOK = Path(sys.executable).with_name("nexus-hook")


class Rememberer(Agent):
    """Saves, searches and forgets memories over MCP, and runs Python."""

    def actions(self) -> dict[str, tuple[float, Action]]:
        return {
            "memory_save": (4, self._save),
            "memory_search": (4, lambda: self._ask("memory_search", query=self.words(6))),
            "context_pack": (2, lambda: self._ask("context_pack", question=f"Where is {self.words(4)}?")),
            "memory_status": (1, lambda: self._ask("memory_status")),
            "find_files": (1, lambda: self._ask("find_files", about=self.words(3))),
            "memory_forget": (1, self._forget),
            "run_python": (1, self._run),
        }

    def _ask(self, tool: str, **arguments: Any) -> None:
        self.tool(tool, **arguments)

    def _save(self) -> None:
        said = f"agent number {self.number} keeps its notes in drawer {self.number * 3} near {self.words(5)}"
        made = self.tool("memory_save", learning=said)["structuredContent"]["id"]
        self.world.ledger.keep("memory", made, said)
        if len(self.world.ledger.held("memory")) > 2 * MEMORIES:
            self._forget()

    def _forget(self) -> None:
        key = next(iter(self.world.ledger.held("memory")), None)
        if key is None:
            return
        self.world.ledger.leaving("memory", key)
        try:
            self.tool("memory_forget", id=key)
        except ValueError as error:
            # A kill between the deed and its answer: the second try finds nothing.
            if "no memory" not in str(error):
                raise
        self.world.ledger.left("memory", key)

    def _run(self) -> None:
        number = self.number
        said = self.tool("run_python", code=f"print(sum(range({number})))")["content"][0]["text"]
        if str(sum(range(number))) not in said:
            raise ValueError(f"run_python: {said[:200]}")


class Hooked(Agent):
    """Works in sessions whose hooks the service hears: prompts, transcripts, Anthropic's messages."""

    def __init__(self, name: str, world: World, seed: int) -> None:
        super().__init__(name, world, seed)
        self._claude = world.folder / "claude"
        self._work = world.folder / "work"
        self._sessions = self._claude / "projects" / "-work"
        for made in (self._work, self._sessions):
            made.mkdir(parents=True, exist_ok=True)

    def actions(self) -> dict[str, tuple[float, Action]]:
        return {
            "hook": (6, self._prompt),
            "hook program": (1, self._program),
            "session": (1, self._session),
            "/v1/messages": (2, self._message),
        }

    def _event(self, name: str, session: str, **more: Any) -> dict[str, Any]:
        return {"hook_event_name": name, "session_id": session, "cwd": str(self._work), **more}

    def _prompt(self) -> None:
        prompt = f"We keep ledger {self.number} in the vault; where is {self.words(9)}?"
        self.post("/api/hooks", self._event("UserPromptSubmit", f"soak-{self.number % 97}", prompt=prompt))

    def _program(self) -> None:
        event = self._event("UserPromptSubmit", f"soak-{self.number % 7}", prompt=self.words(10))
        env = {"NEXUS_HOME": str(self.world.service.root), "CLAUDE_CONFIG_DIR": str(self._claude)}
        subprocess.run(
            [HOOK], input=json.dumps(event).encode(), env=env, capture_output=True, timeout=60, check=True
        )

    def _session(self) -> None:
        name = str(uuid.UUID(int=self.draw.getrandbits(128), version=4))
        path = self._sessions / f"{name}.jsonl"
        self.post("/api/hooks", self._event("SessionStart", name, source="startup"))
        said = (("user", self.words(14)), ("assistant", f"Noted: {self.words(12)}."))
        path.write_text("".join(json.dumps(self._line(name, *one)) + "\n" for one in said))
        for ending in ("Stop", "SessionEnd"):
            self.post("/api/hooks", self._event(ending, name, transcript_path=str(path), reason="other"))

    def _line(self, session: str, role: str, text: str) -> dict[str, Any]:
        return {
            "type": role,
            "message": {"role": role, "content": text},
            "uuid": str(uuid.UUID(int=self.draw.getrandbits(128), version=4)),
            "sessionId": session,
            "cwd": str(self._work),
            "timestamp": "2026-11-20T07:00:00Z",
        }

    def _message(self) -> None:
        said = [{"role": "user", "content": f"Tell me of {self.words(12)}."}]
        self.post("/v1/messages", {"model": MODEL, "max_tokens": 12, "messages": said})


class Talker(Agent):
    """Talks with the model: conversations that grow, answers that stream, questions to what is known."""

    def __init__(self, name: str, world: World, seed: int) -> None:
        super().__init__(name, world, seed)
        self._said: list[dict[str, str]] = []

    def actions(self) -> dict[str, tuple[float, Action]]:
        return {
            "/v1/chat/completions": (3, self._turn),
            "/api/interact": (1, self._ask),
            "/v1/responses": (1, self._respond),
            "/v1/embeddings": (1, self._embed),
            "nonsense": (1, self._nonsense),
            "/api/status": (2, lambda: self._status()),
        }

    def _turn(self) -> None:
        if len(self._said) >= 2 * TURNS:
            self._said = []
        asked = [*self._said, {"role": "user", "content": f"Say something about {self.words(10)}."}]
        body = {"model": MODEL, "messages": asked, "max_tokens": 16, "stream": True}
        lines = [
            line[6:] for line in streamed(self.http, "/v1/chat/completions", body) if line[:6] == "data: "
        ]
        if not lines:
            raise AwayError("cut off")
        parts = [json.loads(line) for line in lines if line != "[DONE]"]
        if parts and "error" in parts[-1]:
            raise RefusedError(reason(parts[-1]["error"], str(parts[-1])))
        if lines[-1] != "[DONE]":
            raise AwayError("cut off")
        choices = [part["choices"] for part in parts]
        text = "".join(one[0]["delta"].get("content") or "" for one in choices if one)
        self._said = [*asked, {"role": "assistant", "content": text}]

    def _ask(self) -> None:
        self.post("/api/interact", {"prompt": f"Where is {self.words(5)}?", "max_tokens": 8})

    def _respond(self) -> None:
        self.post("/v1/responses", {"model": MODEL, "input": self.words(9), "max_output_tokens": 12})

    def _embed(self) -> None:
        self.post("/v1/embeddings", {"model": "all-minilm-l6-v2", "input": [self.words(8)]})

    def _nonsense(self) -> None:
        reply = self.http.post("/v1/chat/completions", json={"model": self.words(2)})
        if reply.status_code not in (400, 503):
            raise ValueError(f"nonsense was answered with {reply.status_code}")

    def _status(self) -> None:
        good(self.http.get("/api/status"), 200)


class Librarian(Agent):
    """Changes documents of a followed folder, and files under the mount; tags and finds them."""

    def __init__(self, name: str, world: World, seed: int) -> None:
        super().__init__(name, world, seed)
        self.followed = world.folder / "followed"
        self.added = world.folder / "added"
        for made in (self.followed, self.added):
            made.mkdir(exist_ok=True)

    def actions(self) -> dict[str, tuple[float, Action]]:
        found: dict[str, tuple[float, Action]] = {
            "document added": (2, self._add),
            "document changed": (2, self._change),
            "recall": (3, lambda: self._recall()),
            "memory by HTTP": (2, self._remember),
        }
        if self.world.point:
            found |= {
                "file written": (4, self._write),
                "file tagged": (1, self._tag),
                "files searched": (1, self._search),
            }
        return found

    def _text(self, suffix: str) -> tuple[str, str]:
        marker = f"zebra{self.number}"
        if suffix == "py":
            return (
                marker,
                f'def {marker}() -> str:\n    """The room of {marker}."""\n    return "{self.words(9)}"\n',
            )
        return marker, f"# Part {self.number}\n\nThe marker of this part is {marker}: {self.words(40)}.\n"

    def _add(self) -> None:
        suffix = "py" if self.number % 2 else "md"
        path = self.added / f"part{self.draw.randrange(20)}.{suffix}"
        marker, text = self._text(suffix)
        ledger = self.world.ledger
        ledger.begin("document", str(path), marker)
        path.write_text(text)
        name, data = events(streamed(self.http, "/api/knowledge", {"paths": [str(path)]}))
        if name == "error":
            raise RefusedError(reason(data["error"], str(data)))
        if name != "done" or data.get("cancelled"):
            raise AwayError("cut off")
        states = {file["status"]: file.get("reason", "") for file in data["files"]}
        if "failed" in states and "space" in str(data):
            raise RefusedError("storage")
        if not set(states) <= {"added", "updated", "unchanged"}:
            raise ValueError(f"{path.name}: {data}"[:300])
        ledger.keep("document", str(path), marker)

    def _change(self) -> None:
        """Nobody tells the service: it follows this folder."""
        path = self.followed / f"note{self.draw.randrange(20)}.md"
        marker, text = self._text("md")
        path.write_text(text)
        self.world.ledger.keep("followed", str(path), marker)

    def _recall(self) -> None:
        self.post("/api/recall", {"query": self.words(5), "limit": 5})

    def _remember(self) -> None:
        ledger = self.world.ledger
        said = f"service number {self.number} of the soak listens on port {20_000 + self.number}"
        made = self.post("/api/memories", {"learning": said}, 201)["id"]
        ledger.keep("memory", made, said)
        changed = f"{said}, and its log is kept by {self.words(3)}"
        ledger.begin("memory", made, changed)
        good(self.http.patch(f"/api/memories/{made}", json={"learning": changed}), 200)
        ledger.keep("memory", made, changed)
        if self.number % 3:
            ledger.leaving("memory", made)
            good(self.http.delete(f"/api/memories/{made}", headers=JSON), 200)
            ledger.left("memory", made)

    def _write(self) -> None:
        assert self.world.point
        ledger, name = self.world.ledger, f"paper{self.draw.randrange(FILES)}.md"
        path = self.world.point / "files" / name
        text = self._text("md")[1] * self.draw.randrange(1, 40)
        value, whole = digest(text.encode()), self.draw.random() < 0.5
        ledger.begin("file", name, value if whole else ANYTHING)
        with files():
            written = path.with_suffix(".part") if whole else path
            with open(written, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if whole:
                written.replace(path)
        ledger.keep("file", name, value)

    def _tag(self) -> None:
        """What is tagged is named by where it stands under files/."""
        name = self.draw.choice([*self.world.ledger.held("file"), ""])
        if not name:
            return
        tag = f"soak-{self.draw.randrange(30)}"
        reply = self.http.post("/api/memex/tags", json={"path": name, "add": [tag]})
        if reply.status_code == 404:
            return  # not read yet
        good(reply, 200)
        self.world.ledger.keep("tag", f"{name} {tag}", tag)

    def _search(self) -> None:
        assert self.world.point
        self.post("/api/memex/search", {"query": self.words(4), "limit": 5})
        with files():
            list((self.world.point / "search" / self.words(3)).iterdir())


def crew(world: World, seed: int) -> list[Agent]:
    """All five, not yet started."""
    kinds = (Rememberer, Hooked, Talker, Librarian, Keeper)
    return [kind(kind.__name__.lower(), world, seed + number) for number, kind in enumerate(kinds)]

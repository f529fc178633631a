"""What must not be stored is stored nowhere: a grep over every byte the service wrote finds no secret.

Made-up credentials of thirty kinds go in by every door there is: files, memories, prompts, searches, a
session of an agent, events of hooks. What is looked for is the end of each: a half removed one is a leak.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

import pytest

from nexus.agentmem import Store
from nexus.cortex.evaluation.credentials import HIGH, LOW, Maker
from tests.running import Service, running

KINDS = (
    "aws-access-key aws-secret-key google-api-key azure-storage-key digitalocean-token vault-token "
    "github-token gitlab-token npm-token pypi-token docker-token openai-key anthropic-key hugging-face-token "
    "slack-token slack-webhook discord-bot-token sendgrid-key stripe-key shopify-token grafana-token "
    "sentry-token linear-key notion-token figma-token private-key database-password password-in-url"
).split()
DOUBTFUL = ("json-web-token", "authorization-header", "password-or-key")
DOORS = ("file", "page", "memory", "prompt", "query", "session", "hook", "title")


def _secret(kind: str, door: str) -> str:
    return {**HIGH, **LOW}[kind](Maker(int.from_bytes(f"{kind} {door}".encode())))


def _tails(secret: str) -> set[bytes]:
    """The end of every long run of letters in a credential: what a partial removal would leave."""
    runs = re.findall(r"[A-Za-z0-9_+/#-]{8,}", secret.split("@")[0])  # the host of a URL may stay
    tails = {run[-12:].encode() for run in runs if re.search(r"\d|[a-z][A-Z]", run)}
    assert tails, secret
    return tails


def _bytes(path: Path) -> bytes:
    """A file without its long holes: a log that is laid out ahead is mostly zeros."""
    return re.sub(rb"\0{512,}", b"\0", path.read_bytes())


def _units(service: Service) -> dict[str, bytes]:
    """Everything that the broker of AgentMem holds: each piece as it is read, and what it maps to others."""
    deadline = time.monotonic() + 120
    with service.client() as http:
        while (state := http.get("/api/status").json()["agent_memory"])["waiting"]:
            assert time.monotonic() < deadline, state
            time.sleep(0.1)
    if state["state"] == "missing":
        return {"not built": b"Remember"}
    assert state["recorded"] >= 5
    socket, found = service.root / "run" / "agentmem.sock", {}
    with sqlite3.connect(f"file:{service.root}/agentmem/conversations.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT realm, agent, name FROM conversations").fetchall()
    for realm, agent, name in rows:
        with Store.connect(socket, realm=realm, agent=agent, durable=True) as store:
            pieces = [bytes(store.acquire(piece.id)) for piece in store.conversation(name).pieces()]
            found[name] = b"\0".join([realm.encode(), agent.encode(), *pieces])
    with Store.connect(socket) as store:
        broker = Path("/proc") / str(store.stats()["process"]["pid"]) / "fd"
    with suppress(PermissionError):  # of a process that hides its memory, for all but root
        for file in broker.iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                if str(file.readlink()).startswith("/memfd:agentmem-unit"):
                    found[f"memfd {file.name}"] = _bytes(file)
    return found


@pytest.fixture(scope="module")
def canaries() -> dict[tuple[str, str], str]:
    return {(kind, door): _secret(kind, door) for kind in (*KINDS, *DOUBTFUL) for door in DOORS}


def _put_files(folder: Path, canaries: dict[tuple[str, str], str]) -> None:
    folder.mkdir()
    for number, ((kind, door), secret) in enumerate(canaries.items()):
        if door == "file":
            (folder / f"notes{number}.txt").write_text(f"The harbour opens at nine.\n\n{secret}\n")
            (folder / f"module{number}.py").write_text(
                f'"""Opens the harbour."""\n\nVALUE = """{secret}"""\n'
            )
            # Long enough to be kept, and then everything but the credential is.
            (folder / f"keeper{number}.py").write_text(
                f'"""{"The keeper opens the harbour at nine. " * 40}"""\n\nVALUE = """{secret}"""\n'
            )
        if door == "page":
            fence = f"# Harbour {kind}\n\nHow it is called:\n\n```\n{secret}\n```\n\nIt opens at nine.\n"
            (folder / f"page{number}.md").write_text(fence)


def _session(path: Path, canaries: dict[tuple[str, str], str], folder: Path) -> None:
    lines = []
    for number, ((kind, door), secret) in enumerate(canaries.items()):
        same = {
            "sessionId": "5e551011-0000-4000-8000-000000000001",
            "uuid": f"u{number}",
            "timestamp": f"2026-07-01T10:00:{number % 60:02}.000Z",
            "cwd": str(folder),
        }
        if door == "session":
            question = {"role": "user", "content": f"Remember that we always deploy {kind} with {secret} ok?"}
            reply = {
                "role": "assistant",
                "content": [{"type": "text", "text": f"I use\n{secret}\nfor that."}],
            }
            lines += [{**same, "type": "user", "message": question}]
            lines += [{**same, "uuid": f"a{number}", "type": "assistant", "message": reply}]
        if door == "title":
            lines.append({"type": "summary", "summary": f"Set up {secret}", "leafUuid": f"u{number}"})
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _save(http, arguments: dict[str, str]) -> str:
    """What the tool of an agent answers."""
    call = {"name": "memory_save", "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
    answer = http.post("/mcp", json=message, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


@pytest.mark.slow
def test_no_secret_is_in_anything_the_service_wrote(tmp_path, canaries, models_folder, smollm2_path):
    documents, home = tmp_path / "documents", tmp_path / "home"
    _put_files(documents, canaries)
    transcript = tmp_path / "agent" / "projects" / "-srv-harbour" / "5e551011.jsonl"
    _session(transcript, canaries, documents)
    known = "The lighthouse keeper is called Aurelia."
    (documents / "plain.md").write_text(f"# Keeper\n\n{known}\n")

    with running(home, models_folder) as service, service.client() as http:
        added = http.post("/api/knowledge", json={"paths": [str(documents)]})
        assert added.status_code == 200, added.text
        report = json.loads(added.text.strip().rpartition("data: ")[2])
        kept = [file for file in report["files"] if "/keeper" in file["path"]]
        assert len(kept) == len(KINDS) + len(DOUBTFUL)
        assert {file["status"] for file in kept} == {"added"}
        assert all("blacked out" in file["reason"] for file in kept)
        taken = http.post("/api/sessions", json={"paths": [str(transcript)]})
        assert taken.status_code == 200, taken.text
        for (kind, door), secret in canaries.items():
            if door == "memory":
                text = f"We call the harbour service with {secret} every day"
                assert http.post("/api/memories", json={"learning": text}).status_code == 422, kind
                body = {"learning": "We call the harbour service every day", "context": text}
                assert http.post("/api/memories", json=body).status_code == 422, kind
                reply = _save(http, {"learning": body["learning"], "context": text})
                assert "secret_refused" in reply, kind
            if door == "query" and kind in KINDS[::4]:
                http.post("/api/recall", json={"query": f"where is {secret} used"}).raise_for_status()
            if door == "hook":
                event = {
                    "hook_event_name": "UserPromptSubmit",
                    "session_id": "canary",
                    "cwd": str(documents),
                    "prompt": f"Remember: always use {secret} for the harbour deployment.",
                }
                http.post("/api/hooks", json=event).raise_for_status()
                # What is refused is quoted in the log.
                path = f"/srv/ {secret}.jsonl"
                stop = {**event, "hook_event_name": "Stop", "transcript_path": path}
                http.post("/api/hooks", json=stop).raise_for_status()
        prompts = [secret for (_, door), secret in canaries.items() if door == "prompt"]
        words = "Remember these for me:\n" + "\n".join(sorted(prompts, key=len)[:20])
        asked = {"model": "nexus", "max_tokens": 8, "messages": [{"role": "user", "content": words}]}
        assert http.post("/v1/chat/completions", json=asked).status_code == 200
        for secret in sorted(prompts, key=len)[:4]:  # by way of the model itself, in every kind of piece
            tool = {"name": "open", "description": f"Opens {secret}", "parameters": {"type": "object"}}
            passed = {
                "model": "smollm2-135m",
                "max_tokens": 1,
                "user": f"Remember {secret}",
                "messages": [
                    {"role": "system", "content": f"Call it with {secret} always"},
                    {"role": "user", "content": f"Remember {secret} for me"},
                ],
                "tools": [{"type": "function", "function": tool}],
            }
            assert http.post("/v1/chat/completions", json=passed).status_code == 200
        found = http.post("/api/recall", json={"query": "Who is the lighthouse keeper?"}).json()["results"]
        assert any("Aurelia" in result["text"] for result in found)
        shown = (
            http.get("/api/proposals").text + http.get("/api/memories").text + http.get("/api/status").text
        )
        units = _units(service)

    written = {path: _bytes(path) for path in home.rglob("*") if path.is_file() and not path.is_symlink()}
    assert any(b"Remember" in data for data in units.values()), "and this"
    written |= {home / "agentmem" / name: data for name, data in units.items()}
    written[tmp_path / "home.log"] = _bytes(tmp_path / "home.log")
    assert any(b"Aurelia" in data for data in written.values()), "the search below would prove nothing"
    leaks = []
    for (kind, door), secret in canaries.items():
        for tail in _tails(secret):
            leaks += [
                f"{kind} of {door} in {path.relative_to(tmp_path)}"
                for path, data in written.items()
                if tail in data
            ]
            if tail.decode() in shown:
                leaks.append(f"{kind} of {door} is shown")
    assert leaks == []

"""Hooks in the form of Claude Code's events: what an agent is given, what is noted, what is refused."""

from __future__ import annotations

import json
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest

from nexus.service.quoting import tokens_of
from tests.running import running

PROGRAM = Path(sysconfig.get_path("scripts")) / "nexus-hook"
SECRET = "AKIA" + "Q3EGRN7XJ2WLM5PD"


@pytest.fixture(scope="module")
def service(tmp_path_factory, models_folder, granite_folder, smollm2_path):
    root = tmp_path_factory.mktemp("hooks") / "home"
    claude = root.parent / "claude"
    with running(root, models_folder, CLAUDE_CONFIG_DIR=str(claude)) as service:
        yield service


@pytest.fixture
def http(service):
    with service.client() as client:
        yield client


def send(service, name: str, **fields: object) -> str:
    """What the agent is given, by the real client over the real socket."""
    event = {"hook_event_name": name, "session_id": "s1", "cwd": "/", **fields}
    done = subprocess.run(
        [str(PROGRAM)],
        input=json.dumps(event).encode(),
        env={"NEXUS_HOME": str(service.root), "CLAUDE_CONFIG_DIR": service.env["CLAUDE_CONFIG_DIR"]},
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert done.stderr == b""
    if not done.stdout:
        return ""
    answer = json.loads(done.stdout)["hookSpecificOutput"]
    assert answer["hookEventName"] == name
    return str(answer["additionalContext"])


def eventually(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def learnings(http) -> list[str]:
    return [p["learning"] for p in http.get("/api/memories").json()["proposals"]]


def test_a_prompt_gets_what_is_known_once_and_again_after_a_compaction(service, http):
    http.post("/api/memories", json={"learning": "the wind tunnel is booked through the Oslo desk"})
    prompt = "How do I book the wind tunnel?"
    given = send(service, "UserPromptSubmit", prompt=prompt, session_id="once")
    assert "> the wind tunnel is booked through the Oslo desk" in given
    assert "confirmed by the user" in given
    assert "never instructions" in given
    assert tokens_of(given) <= 600
    assert send(service, "UserPromptSubmit", prompt=prompt, session_id="once") == ""
    assert "Oslo desk" in send(service, "UserPromptSubmit", prompt=prompt, session_id="other")
    assert "Oslo desk" in send(service, "SessionStart", source="compact", session_id="once")


def test_a_briefing_stays_within_its_budget_and_says_what_is_left_out(service, http):
    for number in range(40):
        http.post(
            "/api/memories",
            json={
                "learning": f"runbook {number}: drain albatross queue {number} first",
                "type": "procedural",
            },
        )
    given = send(service, "SessionStart", source="startup", session_id="brief")
    assert tokens_of(given) <= 600
    assert "more not shown)" in given
    assert "runbook 39" in given


def test_a_session_begins_with_what_holds_always_and_without_facts_of_elsewhere(service, http, tmp_path):
    (tmp_path / ".cortex").mkdir()
    http.post("/api/memories", json={"learning": "the heron archive lies in cellar two"})
    http.post(
        "/api/memories",
        json={"learning": "the heron build needs clang", "project": str(tmp_path)},
    )
    here = send(service, "SessionStart", source="startup", session_id="in", cwd=str(tmp_path))
    assert "needs clang" in here
    assert "cellar two" not in here
    elsewhere = send(service, "SessionStart", source="startup", session_id="out", cwd="/")
    assert "heron" not in elsewhere
    asked = send(service, "UserPromptSubmit", prompt="Where is the heron archive?", session_id="out")
    assert "cellar two" in asked


@pytest.mark.parametrize("prompt", ["yes", "go on", "ok!", "/clear", "", "   ", "…", "do it now please"])
def test_a_nod_gets_nothing(service, prompt):
    assert send(service, "UserPromptSubmit", prompt=prompt, session_id="nod") == ""


def test_what_a_user_says_is_proposed_and_not_remembered(service, http):
    send(service, "UserPromptSubmit", prompt="Remember: our staging database listens on port 6543")
    eventually(lambda: any("6543" in text for text in learnings(http)))
    assert all("6543" not in m["learning"] for m in http.get("/api/memories").json()["memories"])
    assert "wait" in send(service, "SessionStart", source="startup", session_id="later")


def test_what_was_recalled_is_not_proposed_again(service, http):
    fact = "the kestrel gateway must always be restarted before the falcon gateway"
    http.post("/api/memories", json={"learning": fact})
    assert fact in send(service, "UserPromptSubmit", prompt="In which order do kestrel and falcon restart?")
    before = learnings(http)
    send(service, "Stop", last_assistant_message=f"Remember: {fact}.", stop_hook_active=False)
    send(service, "UserPromptSubmit", prompt="note: the heron mirror is rebuilt on Mondays")
    eventually(lambda: any("heron" in text for text in learnings(http)))
    assert [text for text in learnings(http) if "kestrel" in text] == [t for t in before if "kestrel" in t]


def test_a_secret_in_a_prompt_is_kept_nowhere(service, http):
    send(service, "UserPromptSubmit", prompt=f"Remember: the deploy key is {SECRET}")
    send(service, "Stop", last_assistant_message=f"I noted that the key is {SECRET}.")
    send(service, "UserPromptSubmit", prompt="note: the ibis pager is carried by the night shift")
    eventually(lambda: any("ibis" in text for text in learnings(http)))
    files = [path for path in service.root.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in service.log()


def service_repaired(http) -> bool:
    """Whether every passage has its vector."""
    return bool(http.post("/api/index/verify", json={}).json()["sound"])


def test_a_finished_session_is_found_by_the_next_one(service, http):
    folder = Path(service.env["CLAUDE_CONFIG_DIR"]) / "projects" / "-p"
    folder.mkdir(parents=True)
    transcript = folder / "0aa.jsonl"
    said = [
        ("user", "Why does the pelican exporter time out?"),
        ("assistant", "The pelican exporter times out because its batch size is 9000; 500 works."),
    ]
    lines = [
        {
            "type": role,
            "message": {"role": role, "content": text},
            "uuid": str(number),
            "sessionId": "0aa",
            "cwd": "/",
            "timestamp": "2026-11-20T07:00:00Z",
        }
        for number, (role, text) in enumerate(said)
    ]
    transcript.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert send(service, "SessionEnd", transcript_path=str(transcript), reason="other") == ""

    def found() -> str:
        body = {"query": "pelican exporter batch size", "kinds": ["transcript"]}
        return json.dumps(http.post("/api/recall", json=body).json())

    eventually(lambda: "9000" in found())
    # Found by its words at once; that it is about the question shows when it has its vector.
    eventually(lambda: service_repaired(http))
    given = send(service, "UserPromptSubmit", prompt="the pelican exporter times out again", session_id="new")
    assert "earlier session, 2026-11-20" in given
    assert "batch size is 9000" in given
    own = send(
        service,
        "UserPromptSubmit",
        prompt="the pelican exporter times out again",
        session_id="own",
        transcript_path=str(transcript),
    )
    assert "9000" not in own


@pytest.mark.parametrize("kind", ["outside", "link", "folder", "name", "relative", "missing"])
def test_a_transcript_that_is_none_is_not_read(service, tmp_path, kind):
    secret = tmp_path / "secret.jsonl"
    secret.write_text('{"type": "user", "message": {"role": "user", "content": "cormorant"}}\n')
    folder = Path(service.env["CLAUDE_CONFIG_DIR"]) / "projects" / kind
    folder.mkdir(parents=True)
    paths = {
        "outside": secret,
        "link": folder / "link.jsonl",
        "folder": folder / "folder.jsonl",
        "name": folder / "name.txt",
        "relative": "../secret.jsonl",
        "missing": folder / "missing.jsonl",
    }
    (folder / "link.jsonl").symlink_to(secret)
    (folder / "folder.jsonl").mkdir()
    (folder / "name.txt").write_text(secret.read_text())
    assert send(service, "SessionEnd", transcript_path=str(paths[kind])) == ""
    eventually(lambda: "transcript_path" in service.log())
    with service.client() as client:
        reply = client.post("/api/recall", json={"query": "cormorant", "kinds": ["transcript"]})
    assert "cormorant" not in reply.text.replace('"query"', "")


@pytest.mark.parametrize(
    "event",
    [
        {"hook_event_name": "Unheard"},
        {"hook_event_name": 7},
        {},
        {"hook_event_name": "UserPromptSubmit", "prompt": 7, "session_id": None, "cwd": ["/"]},
        {"hook_event_name": "UserPromptSubmit", "prompt": "half a \ud800 character of a question"},
        {"hook_event_name": "SessionStart", "cwd": "/no/such\u0000folder"},
        {"hook_event_name": "Stop", "transcript_path": "\ud800.jsonl"},
    ],
)
def test_odd_events_are_answered_with_nothing(service, http, event):
    reply = http.post("/api/hooks", content=json.dumps(event), headers={"content-type": "application/json"})
    assert reply.status_code == 200
    assert set(reply.json()) <= {"hookSpecificOutput"}
    assert http.get("/readyz").status_code == 200


def test_the_same_over_http_and_only_with_the_token(service, http):
    event = {"hook_event_name": "Stop", "session_id": "s"}
    assert http.post("/api/hooks", json=event).json() == {}
    assert http.post("/api/hooks", json=[]).status_code == 400
    http.headers.pop("authorization")
    assert http.post("/api/hooks", json=event).status_code == 401


def test_capture_can_be_switched_off(tmp_path, models_folder, granite_folder, smollm2_path):
    with running(tmp_path / "home", models_folder, NEXUS_CORTEX_CAPTURE="off") as service:
        service.env["CLAUDE_CONFIG_DIR"] = str(tmp_path)
        send(service, "UserPromptSubmit", prompt="Remember: the osprey server is called osprey-2")
        status = service.stop()
    assert status == 0
    assert b"osprey" not in b"".join(p.read_bytes() for p in (tmp_path / "home").rglob("*") if p.is_file())

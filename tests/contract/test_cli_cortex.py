"""The commands of Cortex against a real service: every option does what it says, bad input is named."""

from __future__ import annotations

import json
import sqlite3

import pytest

from tests import warm_nexus
from tests.running import running

OLD = "The staging database listens on port 5432"
NEW = "The staging database listens on port 6543"
FOREIGN = """---
id: MEM-2026-11-20-001-abcd
learning: {}
type: factual
domain: DEV
confidence: high
keywords: [lantern]
context: ''
verified: true
---
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory, models_folder, embedder_folder, smollm2_path):
    with running(tmp_path_factory.mktemp("cli") / "home", models_folder) as service:
        service.run = warm_nexus.run
        yield service


@pytest.fixture(autouse=True)
def nothing_is_left(service):
    yield
    with service.client() as http:
        known = http.get("/api/memories", params={"all": "true"}).json()
        for memory in known["memories"]:
            if memory["source"] != "project":
                http.request("DELETE", f"/api/memories/{memory['id']}", json={})
        for proposal in known["proposals"]:
            http.post(f"/api/proposals/{proposal['id']}/reject", json={})
        for root in http.get("/api/knowledge").json()["roots"]:
            http.request("DELETE", "/api/knowledge", json={"path": root["path"]})
        for session in http.get("/api/sessions").json()["sessions"]:
            http.request("DELETE", "/api/knowledge", json={"path": session["path"]})


def said(service, *arguments, **more):
    """What a command that succeeds prints as JSON."""
    done = service.cli(*arguments, "--json", **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(service, *arguments, **more):
    """The one line of a command that fails, and its status."""
    done = service.cli(*arguments, **more)
    assert done.returncode != 0, done.stdout
    assert done.stderr.startswith("nexus: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr, done.returncode


def propose(service, text):
    """Say something in the chat; returns the ids of what is proposed."""
    with service.client() as http:
        reply = http.post("/api/interact", json={"prompt": text, "max_tokens": 2}).json()
    return [proposal["id"] for proposal in reply["proposals"]]


def session(path, *turns):
    lines = [
        {
            "type": role,
            "sessionId": "s1",
            "cwd": str(path.parent),
            "uuid": f"u{number}",
            "timestamp": f"2026-11-{number + 10}T08:00:00Z",
            "message": {"role": role, "content": text},
        }
        for number, (role, text) in enumerate(turns)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_model_orders_what_was_found(service, tmp_path):
    for name, text in (("bell", "The bell rings at noon."), ("gate", "The gate is shut at dusk by Ole.")):
        (tmp_path / f"{name}.md").write_text(f"# The {name}\n\n{text}\n")
    service.cli("add", str(tmp_path))
    asked = ("recall", "who closes the gate?", "--path", str(tmp_path))
    plain, ordered = said(service, *asked), said(service, *asked, "--rerank")
    assert {r["point"] for r in ordered} == {r["point"] for r in plain}
    assert all(r["scores"]["likelihood"] == 0 for r in plain)
    assert all(r["scores"]["likelihood"] < 0 for r in ordered)
    assert ordered[0]["path"].endswith("gate.md")
    assert ordered[0]["scores"]["likelihood"] == max(r["scores"]["likelihood"] for r in ordered)
    assert "nats a token" in service.cli(*asked, "--rerank", "--explain").stdout
    assert len(said(service, *asked, "--rerank", "-n", "1")) == 1
    assert said(service, "recall", "gate", "--path", "/no/such/place", "--rerank") == []
    told, _ = refused(service, "recall", "gate " * 300, "--path", str(tmp_path), "--rerank")
    assert "tokens" in told
    assert "128" in told


def test_recall_finds_what_the_answer_may_say(service, tmp_path):
    texts = {"bell": "The bell rings at noon.", "gate": "Ole turns the key of the gate at dusk."}
    for name, text in texts.items():
        (tmp_path / f"{name}.md").write_text(f"# The {name}\n\n{text}\n")
    service.cli("add", str(tmp_path))
    asked = ("recall", "what must I know?", "--path", str(tmp_path))
    for name, text in texts.items():
        best = said(service, *asked, "--expect", text)[0]
        assert best["path"].endswith(f"{name}.md")
        assert best["scores"]["expected"] > 0
    drafted = said(service, *asked, "--draft")
    assert {r["point"] for r in drafted} == {r["point"] for r in said(service, *asked)}
    told = service.cli(*asked, "--draft", "--rerank", "--explain")
    assert "the model expected: " in told.stderr
    assert "nats a token" in told.stdout
    told, _ = refused(service, *asked, "--draft", "--expect", "the gate")
    assert "leave one of them out" in told


def test_recall_keeps_to_kind_place_and_project(service, tmp_path):
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pier.md").write_text(f"# Pier\n\nThe lantern of the {name} pier is green.\n")
    service.cli("add", str(tmp_path))
    service.cli("remember", "The lantern oil is in the shed", "--global")
    service.cli("remember", "The lantern keeper is Ingrid", "--project", str(tmp_path / "north"))
    everything = said(service, "recall", "lantern", "-n", "20")
    assert {r["kind"] for r in everything} == {"document", "memory"}
    assert {r["kind"] for r in said(service, "recall", "lantern", "--kind", "memory")} == {"memory"}
    south = said(service, "recall", "lantern", "--path", str(tmp_path / "south"))
    assert [r["path"] for r in south] == [str(tmp_path / "south" / "pier.md")]
    others = said(service, "recall", "lantern", "--kind", "memory", "--project", str(tmp_path / "south"))
    assert ["shed" in r["text"] for r in others] == [True]
    own = said(service, "recall", "lantern", "--kind", "memory", "--project", ".", cwd=tmp_path / "north")
    assert len(own) == 2
    assert said(service, "recall", "lantern", "--kind", "document", "--before", "2020-01-01") == []
    assert said(service, "recall", "lantern", "--after", "2020-01-01T00:00:00Z")
    explained = service.cli("recall", "lantern", "-n", "1", "--explain").stdout
    for part in ("meaning", "words", "recency", "cosine"):
        assert part in explained


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recall", ""], "empty"),
        (["recall", "x", "--after", "yesterday"], "'yesterday' is not a time"),
        (["recall", "x", "--before", "2026-13-01"], "2026-13-01"),
        (["recall", "x", "--after", "2026-02-01", "--before", "2026-01-01"], "swap"),
        (["recall", "x", "--kind", "song"], "'song'"),
        (["recall", "x", "--domain", "HARBOUR"], "HARBOUR"),
        (["recall", "x", "--project", "/no/such/folder"], "/no/such/folder"),
        (["recall", "x", "-n", "0"], "limit"),
        (["remember", "x", "--type", "poem"], "'poem'"),
        (["remember", "x", "--domain", "HARBOUR"], "HARBOUR"),
        (["remember", "x", "--global", "--share"], "--share"),
        (["remember", "x", "--global", "--project", "."], "--project ."),
        (["memories", "list", "--domain", "HARBOUR"], "HARBOUR"),
        (["memories", "show", "nonsense"], "nonsense"),
        (["memories", "edit", "MEM-2020-01-01-001", "--verified"], "MEM-2020-01-01-001"),
        (["memories", "supersede", "MEM-2020-01-01-001", "x"], "MEM-2020-01-01-001"),
        (["memories", "approve"], "no proposal is named"),
        (["memories", "approve", "NEW-1"], "NEW-1"),
        (["memories", "approve", "a", "b", "--all-from-project"], "b does not go"),
        (["memories", "reject", "NEW-1"], "NEW-1"),
        (["memories", "import", "/no/such/file"], "/no/such/file"),
        (["memories", "withdraw", "/no/such/folder"], "/no/such/folder"),
        (["memories", "reject", "NEW-1"], "nexus memories proposals"),
        (["sessions", "import", "/tmp", "--codex"], "--codex"),
        (["sessions", "import", "/no/such/folder"], "/no/such/folder does not exist"),
        (["context", "x", "--tokens", "5"], "tokens"),
        (["forget", "/no/such/file"], "/no/such/file"),
    ],
)
def test_bad_input_is_one_line_with_the_value(service, arguments, words):
    line, _ = refused(service, *arguments)
    assert words in line


def test_context_has_numbered_sources_and_keeps_to_its_tokens(service, tmp_path):
    (tmp_path / "pier.md").write_text("# Pier\n\nThe green lantern hangs at the east pier, above the door.\n")
    service.cli("add", str(tmp_path))
    shown = service.cli("context", "Where does the green lantern hang?").stdout
    assert f"[1] {tmp_path}/pier.md" in shown
    asked = "Where does the green lantern hang?"
    assert said(service, "context", asked, "--tokens", "300")["budget"] < 400
    assert said(service, "context", asked)["budget"] > 900
    vague = "what must I know about it?", "--expect", "The green lantern hangs at the east pier."
    assert said(service, "context", *vague)["sources"][0]["path"] == f"{tmp_path}/pier.md"


def test_a_contradiction_is_named_and_superseded(service):
    old = said(service, "remember", OLD)
    told = service.cli("remember", NEW)
    new = told.stdout.split()[0]
    assert f"contradicts {old['id']}" in told.stderr
    assert service.cli("memories", "supersede", old["id"], new).returncode == 0
    assert [m["id"] for m in said(service, "memories", "list")["memories"]] == [new]
    assert len(said(service, "memories", "list", "--all")["memories"]) == 2
    assert "[ends 20" in service.cli("memories", "list", "--all").stdout
    newest = said(service, "memories", "supersede", new, "The staging database has moved to port 7654")
    assert newest["supersedes"] == [new]


def test_a_memory_is_edited_by_options_and_in_the_editor(service, tmp_path):
    made = said(service, "remember", OLD)
    changes = ("--unverified", "--confidence", "low", "--valid-to", "2030-01-01")
    edited = said(service, "memories", "edit", made["id"], *changes)
    assert (edited["verified"], edited["confidence"], edited["valid_to"][:4]) == (False, "low", "2030")
    assert said(service, "memories", "edit", made["id"], "--valid-to", "never")["valid_to"] == ""
    line, status = refused(service, "memories", "edit", made["id"], "--confidence", "certain")
    assert "'certain'" in line
    assert status == 2
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/5432/6543/' \"$1\"\n")
    editor.chmod(0o755)
    env = {**service.env, "EDITOR": str(editor), "VISUAL": ""}
    before, service.env = service.env, env
    try:
        assert "6543" in service.cli("memories", "edit", made["id"]).stdout
        assert "stays as it is" in service.cli("memories", "edit", made["id"]).stderr
    finally:
        service.env = before


def test_proposals_are_listed_with_their_reasons_and_decided_on(service):
    old = said(service, "remember", OLD)
    ids = propose(service, f"Remember: {NEW}.") + propose(service, "note: releases are cut on Thursdays")
    assert len(ids) == 2
    shown = service.cli("memories", "proposals").stdout
    assert f"contradicts {old['id']}: {OLD}" in shown
    assert "why: " in shown
    assert service.cli("memories", "approve", ids[0], "--keep-old").returncode == 0
    assert {m["learning"] for m in said(service, "memories", "list")["memories"]} >= {OLD}
    assert service.cli("memories", "reject", ids[1]).returncode == 0
    assert "nothing waits" in service.cli("memories", "proposals").stderr
    assert propose(service, "note: releases are cut on Thursdays") == []


def test_approving_supersedes_what_it_contradicts(service):
    old = said(service, "remember", OLD)
    (proposal,) = propose(service, f"Remember: {NEW}.")
    assert f"supersedes {old['id']}" in service.cli("memories", "approve", proposal).stderr
    assert [m["learning"] for m in said(service, "memories", "list")["memories"]] == [f"{NEW}."]


def test_memories_of_a_project_are_shown_in_full_and_asked_about(service, tmp_path):
    folder = tmp_path / ".cortex" / "memories"
    folder.mkdir(parents=True)
    file = folder / "MEM-2026-11-20-001-abcd.md"
    file.write_text(FOREIGN.format("The lantern of this project is lit at six"))
    (tmp_path / ".cortex" / "index.pkl").write_bytes(b"x")
    command = ("memories", "approve", "--all-from-project", str(tmp_path))
    for answer in ("n\n", ""):
        asked = service.cli(*command, input=answer)
        assert asked.returncode == 1
        assert "lit at six" in asked.stdout
        assert "index.pkl" in asked.stderr
        assert "nothing was approved" in asked.stderr
    assert said(service, "recall", "lantern lit") == []
    assert service.cli(*command, input="y\n").stdout.strip().endswith("1 approved")
    assert "lit at six" in said(service, "recall", "lantern lit")[0]["text"]
    assert "all 1 of them are approved" in service.cli(*command).stderr
    line, _ = refused(service, "memories", "edit", "MEM-2026-11-20-001-abcd", "--verified")
    assert "only read" in line
    file.write_text(FOREIGN.format("The lantern of this project is lit at nine"))
    assert service.cli(*command, "--yes").stdout.strip().endswith("1 approved")
    assert "1 memories" in service.cli("memories", "withdraw", str(tmp_path)).stderr
    assert said(service, "recall", "lantern lit") == []


def test_a_memory_is_shared_with_its_project(service, tmp_path):
    line, _ = refused(service, "remember", "x", "--share", cwd=tmp_path)
    assert "--project" in line
    done = service.cli("remember", "Builds need make 4.3", "--share", "--project", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / ".cortex" / "memories").glob("MEM-*.md"))) == 1
    service.cli("memories", "withdraw", str(tmp_path))


def test_memories_go_out_and_come_in_again(service, tmp_path):
    made = said(service, "remember", OLD)
    for target in (tmp_path / "out", tmp_path / "new" / "out.jsonl"):
        assert "1 memories" in service.cli("memories", "export", str(target)).stderr
        assert said(service, "memories", "import", str(target))["unchanged"] == [made["id"]]
        service.cli("forget", made["id"])
        assert "1 added" in service.cli("memories", "import", str(target)).stdout
        assert said(service, "memories", "show", made["id"])["learning"] == OLD
    (tmp_path / "bad.jsonl").write_text('{"id": 1}\n')
    wrong = service.cli("memories", "import", str(tmp_path / "bad.jsonl"))
    assert wrong.returncode == 1
    assert "bad.jsonl:1" in wrong.stdout


def test_sessions_are_imported_listed_found_and_forgotten(service, tmp_path):
    projects = tmp_path / "claude" / "projects" / "-srv-shop"
    projects.mkdir(parents=True)
    file = projects / "one.jsonl"
    session(file, ("user", "Which colour has the lantern?"), ("assistant", "The lantern is vermilion."))
    service.env["CLAUDE_CONFIG_DIR"] = str(tmp_path / "claude")
    try:
        assert "1 added" in service.cli("sessions", "import", "--claude-code").stdout
        assert said(service, "sessions", "import", "--claude-code")["counts"] == {"unchanged": 1}
    finally:
        del service.env["CLAUDE_CONFIG_DIR"]
    assert str(file) in service.cli("sessions", "list").stdout
    found = said(service, "recall", "vermilion", "--kind", "transcript")
    assert found[0]["path"] == str(file)
    assert "session " in service.cli("recall", "vermilion").stdout
    assert service.cli("forget", str(file)).returncode == 0
    assert said(service, "sessions", "list") == []
    service.env["CODEX_HOME"] = str(tmp_path / "none")
    try:
        line, status = refused(service, "sessions", "import", "--codex")
    finally:
        del service.env["CODEX_HOME"]
    assert str(tmp_path / "none" / "sessions") in line
    assert status == 5


def test_the_index_tells_its_state_and_is_mended(service, tmp_path):
    (tmp_path / "a.md").write_text("# Alpha\n\nThe alpha service writes to the blue bucket.\n")
    service.cli("add", str(tmp_path))
    state = said(service, "index", "status")
    assert state["points"] == state["counts"]["chunks"] >= 1
    assert str(tmp_path) in service.cli("index", "status").stdout
    assert said(service, "index", "verify")["sound"] is True
    assert service.cli("index", "verify").stdout.startswith("sound: ")
    assert f"holds {state['points']} points" in service.cli("index", "rebuild").stdout
    assert "blue bucket" in said(service, "recall", "blue bucket")[0]["text"]


def test_an_index_that_is_not_sound_is_told_with_the_remedy(service, tmp_path):
    (tmp_path / "a.md").write_text("# Beta\n\nThe beta service writes to the red bucket.\n")
    service.cli("add", str(tmp_path))
    with sqlite3.connect(service.root / "store.db") as db:
        db.execute("DELETE FROM chunks WHERE text LIKE '%red bucket%'")
    db.close()
    wrong = service.cli("index", "verify")
    assert wrong.returncode == 1
    assert "1 points in the index of what is gone" in wrong.stdout
    assert "nexus index rebuild" in wrong.stderr
    assert json.loads(service.cli("index", "verify", "--json").stdout)["stale"] == 1
    assert service.cli("index", "rebuild").returncode == 0
    assert service.cli("index", "verify").returncode == 0

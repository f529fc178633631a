"""The running service under good and bad use: real process, real embedder, real small model."""

from __future__ import annotations

import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.running import Service, running


@pytest.fixture(scope="module")
def service(tmp_path_factory, models_folder, embedder_folder, smollm2_path):
    root = tmp_path_factory.mktemp("service") / "home"
    with running(root, models_folder, NEXUS_SERVICE_QUEUE="8") as service:
        yield service


@pytest.fixture
def http(service):
    with service.client() as client:
        yield client


def events(reply):
    name = ""
    for line in reply.iter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_an_answer_comes_with_its_frame_its_sources_and_its_cost(http, tmp_path):
    (tmp_path / "ports.md").write_text("# Ports\n\n## Metrics\n\nThe metrics server listens on port 9107.\n")
    with http.stream("POST", "/api/knowledge", json={"paths": [str(tmp_path)]}) as reply:
        added = dict(events(reply))
    assert added["done"]["counts"] == {"added": 1}
    body = {"prompt": "Which port does the metrics server listen on?", "stream": True}
    with http.stream("POST", "/api/interact", json=body) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        seen = list(events(reply))
    names = [name for name, _ in seen]
    assert names[0] == "frame"
    assert names[-1] == "done"
    assert set(names[1:-1]) == {"token"}
    frame, done = seen[0][1], seen[-1][1]
    assert frame["tokens"] <= frame["budget"]
    assert frame["sources"][0]["path"] == str(tmp_path / "ports.md")
    assert frame["sources"][0]["heading"][-1] in ("Ports", "Metrics")
    assert done["reply"] == "".join(data["text"] for name, data in seen if name == "token")
    assert done["usage"]["prompt_tokens"] > frame["tokens"]
    whole = http.post("/api/interact", json={**body, "stream": False}).json()
    assert whole["reply"] == done["reply"]
    assert whole["sources"] == whole["frame"]["sources"]


def test_what_is_said_is_proposed_and_remembered_only_when_approved(http):
    prompt = "note: the release branch is cut on Thursdays"
    proposals = http.post("/api/interact", json={"prompt": prompt, "max_tokens": 4}).json()["proposals"]
    assert [p["learning"] for p in proposals]
    assert all("Thursdays" not in m["learning"] for m in http.get("/api/memories").json()["memories"])
    made = http.post(f"/api/proposals/{proposals[0]['id']}/approve", json={})
    assert made.status_code == 201
    found = http.post("/api/recall", json={"query": "when is the release branch cut?"}).json()["results"]
    assert found[0]["kind"] == "memory"
    assert set(found[0]["scores"]) >= {"words", "meaning", "recency", "frequency"}
    assert http.request("DELETE", f"/api/memories/{made.json()['id']}", json={}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/api/interact", {"prompt": ""}, 400, "empty"),
        ("/api/interact", {"prompt": " \n"}, 400, "empty"),
        ("/api/interact", {"prompt": "word " * 9000}, 400, "tokens"),
        ("/api/interact", {"prompt": "x", "temperature": 3}, 400, "temperature"),
        ("/api/interact", {"prompt": "x", "tempratur": 3}, 400, "tempratur"),
        ("/api/interact", {}, 400, "prompt"),
        ("/api/interact", [], 400, "body"),
        ("/api/interact", {"prompt": "a\ud800b"}, 400, "unicode"),
        ("/api/recall", {"query": "a\ud800b"}, 400, "unicode"),
        ("/api/context", {"prompt": ""}, 400, "empty"),
        ("/api/recall", {"query": ""}, 400, "empty"),
        ("/api/recall", {"query": "x", "limit": 0}, 400, "limit"),
        ("/api/memories", {"learning": ""}, 400, "empty"),
        ("/api/memories", {"learning": "x" * 5000}, 400, "5000"),
        ("/api/memories", {"learning": "key AKIA" + "Q3EGRN7XJ2WLM5PD"}, 422, "credential"),
        ("/api/knowledge", {"paths": []}, 400, "paths"),
        ("/api/knowledge", {"paths": ["relative"]}, 400, "absolute"),
        ("/api/knowledge", {"paths": ["/a\0b"]}, 400, "absolute"),
        ("/api/recall", {"query": "x", "kinds": ["song"]}, 400, "song"),
        ("/api/recall", {"query": "x", "kinds": []}, 400, "kinds"),
        ("/api/recall", {"query": "x", "after": "soon"}, 400, "soon"),
        ("/api/recall", {"query": "x", "domain": "HARBOUR"}, 400, "HARBOUR"),
        ("/api/recall", {"query": "x", "project": "shop"}, 400, "shop"),
        ("/api/memories", {"learning": "x", "type": "poem"}, 400, "poem"),
        ("/api/memories", {"learning": "x", "share": True}, 400, "project"),
        ("/api/memories/MEM-2020-01-01-001/supersede", {"learning": "x"}, 404, "MEM-2020-01-01-001"),
        ("/api/memories/export", {"path": "out"}, 400, "'out'"),
        ("/api/memories/import", {"path": "/no/such/folder"}, 404, "/no/such/folder"),
        ("/api/projects/approve", {"path": "/no/such", "contents": ["a"]}, 404, "/no/such"),
        ("/api/projects/approve", {"path": "/tmp", "contents": ["abc"]}, 400, "abc"),
        ("/api/sessions", {}, 400, "paths or clients"),
        ("/api/sessions", {"clients": ["vim"]}, 400, "vim"),
        ("/api/context", {"prompt": "x", "tokens": 1}, 400, "tokens"),
        ("/api/nothing", {}, 404, "/api/nothing"),
        ("/api/proposals/NEW-1/approve", {}, 404, "NEW-1"),
    ],
)
def test_bad_input_is_refused_with_the_value(http, path, body, status, words):
    content = json.dumps(body)
    reply = http.post(path, content=content, headers={"content-type": "application/json"})
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert words in f"{error['message']} {error['hint']}"
    assert error["code"]


def test_malformed_json_is_refused(http):
    reply = http.post("/api/interact", content=b"{", headers={"content-type": "application/json"})
    assert reply.status_code == 400


def test_a_missing_folder_is_reported_in_the_stream(http):
    with http.stream("POST", "/api/knowledge", json={"paths": ["/no/such/folder"]}) as reply:
        seen = dict(events(reply))
    assert "/no/such/folder" in seen["error"]["error"]["message"]


def test_memories_cannot_be_read_across_the_folder(http):
    assert http.get("/api/memories/..%2f..%2fetc%2fpasswd").status_code in (400, 404)
    assert http.get("/api/memories/MEM-..").status_code in (400, 404)


def test_fifty_at_once_are_answered_or_told_to_come_back(service):
    def ask(n):
        with service.client() as client:
            reply = client.post("/api/interact", json={"prompt": f"say {n}", "max_tokens": 4})
            return reply.status_code, reply.headers.get("retry-after"), reply.json()

    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(ask, range(50)))
    answered = [r for r in replies if r[0] == 200]
    refused = [r for r in replies if r[0] == 503]
    assert len(answered) + len(refused) == 50
    assert len(answered) >= 9
    assert refused
    assert all(int(retry) > 0 and body["error"]["code"] == "busy" for _, retry, body in refused)
    with service.client() as client:
        wait_until(lambda: client.get("/api/status").json()["metrics"]["running"] == 0)


# Straight to the model, with a temperature: it talks for many seconds.
STORY = {
    "model": "smollm2-135m",
    "messages": [{"role": "user", "content": "Write a very long novel about the sea and its ships."}],
    "max_tokens": 3000,
    "temperature": 1,
    "stream": True,
}


def test_a_client_that_leaves_stops_the_model(http, service):
    with service.client() as leaving, leaving.stream("POST", "/v1/chat/completions", json=STORY) as reply:
        lines = reply.iter_lines()
        for _ in range(20):
            next(lines)
        assert http.get("/api/status").json()["metrics"]["running"] == 1
    left = time.monotonic()
    wait_until(lambda: http.get("/api/status").json()["metrics"]["running"] == 0)
    assert time.monotonic() - left < 5, "the model went on for a client that had left"


def test_a_waiting_client_that_leaves_gives_its_place_back(service, http):
    def metrics():
        return http.get("/api/status").json()["metrics"]

    with ExitStack() as clients:
        for _ in range(6):  # two more than are answered at once
            client = clients.enter_context(service.client())
            clients.enter_context(client.stream("POST", "/v1/chat/completions", json=STORY))
        assert metrics()["queued"] >= 1
    wait_until(lambda: metrics()["queued"] == 0)
    wait_until(lambda: metrics()["running"] == 0)


def test_the_model_process_may_be_killed(service, http):
    import os
    import signal

    before = http.get("/api/status").json()["model"]
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: http.get("/api/status").json()["model"]["pid"] != before["pid"])
    wait_until(lambda: http.get("/api/status").json()["model"]["state"] == "ready", 60)
    reply = http.post("/api/interact", json={"prompt": "say hi", "max_tokens": 2})
    assert reply.status_code == 200
    assert http.get("/api/status").json()["model"]["restarts"] >= 1


def test_status_has_the_structure_of_the_seed(http):
    status = http.get("/api/status").json()
    assert status["daemon"]["running"] is True
    assert status["health"]["healthy"] is True, status["health"]
    assert {"total_requests", "success_rate"} <= set(status["metrics"])
    assert {"current_mb", "peak_mb", "growth_rate_mb_per_hour"} <= set(status["memory"]["process"])
    assert status["memory"]["process"]["current_mb"] > 10
    assert status["memory"]["state"] == "ok"
    assert {"mode", "cpu_percent", "memory_percent", "limit_percent", "cores", "cgroup"} <= set(
        status["resources"]
    )
    assert all(p["mend"] for p in status["parts"] if p["state"] == "missing")


def test_who_is_served_makes_the_service_active_and_lowers_the_limit(http):
    assert http.post("/api/recall", json={"query": "anything"}).status_code == 200
    resources = http.get("/api/status").json()["resources"]
    assert (resources["mode"], resources["limit_percent"]) == ("active", 10)


def test_live_events_follow_each_other(http):
    with http.stream("GET", "/api/events") as reply:
        stream = events(reply)
        assert next(stream)[0] == next(stream)[0] == "status"


def test_readiness_needs_no_token_and_data_does(service):
    assert httpx.get(f"{service.url}/readyz").json() == {"status": "ready"}
    assert httpx.get(f"{service.url}/api/memories").status_code == 401
    assert httpx.get(f"{service.url}/openapi.json").status_code == 401


def test_sigterm_lets_open_answers_finish_and_refuses_new_ones(tmp_path, models_folder, smollm2_path):
    with running(tmp_path / "home", models_folder) as service:
        got: list[str] = []

        def listen():
            body = {"prompt": "Tell a story.", "stream": True, "max_tokens": 120}
            with service.client() as client, client.stream("POST", "/api/interact", json=body) as reply:
                got.extend(name for name, _ in events(reply))

        listener = threading.Thread(target=listen)
        listener.start()
        wait_until(lambda: "token" in got)
        status: list[int] = []
        stopper = threading.Thread(target=lambda: status.append(service.stop()))
        stopper.start()
        with service.client() as client:
            wait_until(lambda: client.get("/readyz").status_code == 503)
            late = client.post("/api/interact", json={"prompt": "hi"})
            assert late.status_code == 503
            assert late.headers["retry-after"]
        listener.join(30)
        stopper.join(30)
        assert got[-1] == "done"
        assert status == [0]


@pytest.mark.slow  # the fast one is tests/unit/cortex/test_kill.py
def test_a_fact_survives_kill_9_and_is_used(tmp_path, models_folder, embedder_folder, smollm2_path):
    service = Service(tmp_path / "home", models_folder)
    try:
        service.start()
        assert "MEM-" in service.cli("remember", "staging Postgres listens on port 6543").stdout
        service.kill()
        service.start()
        shown = service.cli("ask", "which port is the staging database on?")
        assert shown.returncode == 0, shown.stderr
        assert "staging Postgres listens on port 6543" in shown.stdout
        assert "[1] memory MEM-" in shown.stdout
    finally:
        service.kill()


def test_a_tampered_model_is_named_and_refused_until_it_is_whole_again(tmp_path, models_folder, smollm2_path):
    models = tmp_path / "models"
    for name in ("granite-embedding-30m-english", "all-minilm-l6-v2"):
        shutil.copytree(models_folder / name, models / name)
    with running(tmp_path / "home", models) as service, service.client() as http:
        lost = http.post("/api/interact", json={"prompt": "hi"})
        assert lost.status_code == 503
        assert lost.json()["error"]["code"] == "model_missing"
        assert "nexus models pull smollm2-135m" in lost.json()["error"]["hint"]
        shutil.copytree(models_folder / "smollm2-135m", models / "smollm2-135m")
        weights = models / "smollm2-135m" / smollm2_path.name
        with weights.open("r+b") as file:
            file.seek(50_000_000)
            byte = file.read(1)
            file.seek(50_000_000)
            file.write(bytes([byte[0] ^ 1]))
        refused = http.post("/api/interact", json={"prompt": "hi"}).json()["error"]
        assert refused["code"] == "model_corrupt"
        assert weights.name in refused["message"]
        assert "--force" in refused["hint"]
        assert http.get("/api/status").json()["health"]["healthy"] is False
        # Knowledge and memory do not need the chat model.
        assert http.post("/api/memories", json={"learning": "still works"}).status_code == 201
        shutil.copy(smollm2_path, weights)
        assert http.post("/api/interact", json={"prompt": "hi", "max_tokens": 2}).status_code == 200
        assert http.get("/api/status").json()["health"]["healthy"] is True

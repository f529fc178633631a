"""The official ollama client against the running service, with the real small model."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import ollama
import pytest

ASK: list[Any] = [{"role": "user", "content": "Name three colours."}]
EXACT = {"temperature": 0, "seed": 1, "num_predict": 16}
MODEL = "smollm2-135m"


@pytest.fixture
def service(plain_service):
    return plain_service


@pytest.fixture
def client(service):
    with ollama.Client(service.url, headers={"Authorization": f"Bearer {service.token}"}) as client:
        yield client


@pytest.fixture
def http(service):
    with service.client() as client:
        yield client


def test_the_key_comes_from_the_variable_that_the_package_knows(service, monkeypatch):
    monkeypatch.setenv("OLLAMA_API_KEY", service.token)
    monkeypatch.setenv("OLLAMA_HOST", service.url)
    with ollama.Client() as client:
        assert client.list().models


@pytest.mark.parametrize("model", ["nexus", MODEL, "nexus:latest", f"{MODEL}:latest"])
def test_a_chat_is_streamed(client, model):
    lines = list(client.chat(model, ASK, stream=True, options={"num_predict": 16}))
    assert "".join(line.message.content or "" for line in lines)
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert {line.model for line in lines} == {model}
    last = lines[-1]
    assert last.done_reason in ("stop", "length")
    assert last.prompt_eval_count > 5
    assert 0 < last.eval_count <= 16
    assert last.total_duration == last.load_duration + last.prompt_eval_duration + last.eval_duration
    assert last.eval_duration > 0
    made = datetime.fromisoformat(last.created_at)
    assert abs((datetime.now(UTC) - made).total_seconds()) < 600


def test_a_whole_answer_equals_the_streamed_one(client):
    whole = client.chat(MODEL, ASK, options=EXACT)
    parts = client.chat(MODEL, ASK, options=EXACT, stream=True)
    assert whole.message.content == "".join(part.message.content or "" for part in parts)
    assert whole.done is True
    assert whole.message.role == "assistant"
    generated = client.generate(MODEL, ASK[0]["content"], options=EXACT)
    pieces = client.generate(MODEL, ASK[0]["content"], options=EXACT, stream=True)
    assert generated.response == "".join(piece.response or "" for piece in pieces) == whole.message.content


def test_lines_are_sent_unless_the_client_wants_one_answer(http):
    body = {"model": MODEL, "prompt": "Count to three.", "options": {"num_predict": 4}}
    streamed = http.post("/api/generate", json=body)
    assert streamed.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in streamed.text.splitlines()]
    assert len(lines) > 1
    assert [line["done"] for line in lines].count(True) == 1
    assert "context" not in lines[-1]
    whole = http.post("/api/generate", json={**body, "stream": False})
    assert whole.headers["content-type"] == "application/json"
    assert whole.json()["done"] is True


def test_the_system_text_and_stop_words_are_followed(client):
    free = client.generate(MODEL, "Count from one to ten.", system="Use digits.", options=EXACT)
    other = client.generate(MODEL, "Count from one to ten.", options=EXACT)
    assert free.prompt_eval_count != other.prompt_eval_count
    stop = (free.response or "").split()[1]
    cut = client.generate(
        MODEL, "Count from one to ten.", system="Use digits.", options={**EXACT, "stop": stop}
    )
    assert stop not in cut.response
    assert cut.done_reason == "stop"


def test_a_raw_text_is_continued_without_the_template(client):
    raw = client.generate(MODEL, "One, two, three,", raw=True, options=EXACT)
    assert raw.response
    assert raw.prompt_eval_count < client.generate(MODEL, "One, two, three,", options=EXACT).prompt_eval_count
    with pytest.raises(ollama.ResponseError, match=r"prompt has \d{4,} tokens .* window is 4096") as caught:
        client.generate(MODEL, "word " * 6000, raw=True)
    assert caught.value.status_code == 400


def test_the_model_with_memory_says_what_it_used(client, http):
    http.post("/api/memories", json={"learning": "staging Postgres listens on port 6543"})
    ask = {"role": "user", "content": "Which port does staging Postgres listen on?"}
    body = {"model": "nexus", "messages": [ask], "stream": False, "options": {"num_predict": 24}}
    whole = http.post("/api/chat", json=body).json()
    lines = [
        json.loads(line) for line in http.post("/api/chat", json={**body, "stream": True}).text.splitlines()
    ]
    for reply in (whole, lines[0]):
        sources = reply["nexus"]["sources"]
        assert [source["text"] for source in sources] == ["staging Postgres listens on port 6543"]
    assert client.chat("nexus", [ask], options={"num_predict": 4}).message.content


def test_a_request_without_a_prompt_waits_for_the_model(client, http):
    assert client.generate(MODEL, keep_alive="5m").done_reason == "load"
    assert client.chat(MODEL, [], keep_alive=-1).done_reason == "load"
    assert len(http.post("/api/chat", json={"model": "nexus"}).text.splitlines()) == 1


def test_an_open_end_is_the_end_of_the_window(client):
    reply = client.chat(MODEL, ASK, options={"temperature": 0, "num_predict": -1, "num_ctx": 64})
    assert reply.prompt_eval_count + reply.eval_count <= 64
    if reply.done_reason == "length":
        assert reply.prompt_eval_count + reply.eval_count == 64


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_is_never_cut(client, stream):
    long = [{"role": "user", "content": "word " * 6000}]
    with pytest.raises(ollama.ResponseError, match=r"prompt has \d{4,} tokens .* window is 4096") as caught:
        list(client.chat(MODEL, long, stream=stream))
    assert caught.value.status_code == 400
    short = [{"role": "user", "content": "word " * 200}]
    with pytest.raises(ollama.ResponseError, match=r"prompt has \d{3} tokens and num_ctx is 100") as caught:
        list(client.chat(MODEL, short, stream=stream, options={"num_ctx": 100}))
    assert caught.value.status_code == 400
    for model in ("nexus", MODEL):
        with pytest.raises(ollama.ResponseError, match=r"num_ctx = 8192.*4096"):
            list(client.chat(model, ASK, stream=stream, options={"num_ctx": 8192}))


def test_models_are_listed_shown_and_said_to_be_loaded(client):
    client.embed("all-minilm-l6-v2", "warm")
    names = [
        "nexus:latest",
        f"{MODEL}:latest",
        "granite-embedding-30m-english:latest",
        "all-minilm-l6-v2:latest",
    ]
    models = client.list().models
    assert [model.model for model in models] == names
    for model in models:
        assert len(model.digest) == 64
        assert model.size > 10**6
        assert model.modified_at < datetime.now(UTC)
    details = models[1].details
    assert (details.format, details.family, details.parameter_size) == ("gguf", "llama", "134.52M")
    assert details.quantization_level == "Q4_1"
    loaded = {model.model: model for model in client.ps().models}
    assert {names[0], names[1], names[3]} <= set(loaded)
    assert loaded[names[1]].context_length == 4096
    assert loaded[names[1]].size > 10**6
    shown = client.show(MODEL)
    assert shown.modelinfo["llama.context_length"] == 4096
    assert "<|im_start|>" in shown.template
    assert "completion" in shown.capabilities
    assert shown.license == "Apache-2.0"
    assert client.show("nexus:latest").capabilities == ["completion"]
    assert client.show("all-minilm-l6-v2").capabilities == ["embedding"]


def test_texts_are_embedded_whole(client):
    many = [f"the harbour of town number {number}" for number in range(40)]
    reply = client.embed("all-minilm-l6-v2", many)
    vectors = np.array(reply.embeddings)
    assert vectors.shape == (40, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert reply.prompt_eval_count > 40
    one = client.embed("all-minilm-l6-v2:latest", many[7])
    assert np.allclose(one.embeddings[0], vectors[7], atol=1e-5)
    assert np.allclose(client.embeddings("all-minilm-l6-v2", many[7]).embedding, vectors[7], atol=1e-5)
    long = "The sea is calm tonight. " * 300
    differs = client.embed("all-minilm-l6-v2", [long + "Ships.", long + "Stars."], truncate=True).embeddings
    assert not np.allclose(differs[0], differs[1], atol=1e-6), "the end of a long text counts"
    assert client.embed("all-minilm-l6-v2", []).embeddings == []
    assert client.embed("all-minilm-l6-v2", "").embeddings == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "pull"), ("POST", "push"), ("POST", "create"), ("POST", "copy"), ("DELETE", "delete")],
)
def test_what_manages_models_names_the_command(http, method, path):
    reply = http.request(method, f"/api/{path}", json={"model": "llama3.2"})
    assert reply.status_code == 400
    assert "nexus models pull" in reply.json()["error"]


def test_the_package_sees_those_refusals_as_its_own(client, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x")
    for ask in (
        lambda: client.pull("llama3.2"),
        lambda: list(client.pull("llama3.2", stream=True)),
        lambda: client.copy("a", "b"),
        lambda: client.delete("a"),
        lambda: client.create("a", from_="b"),
    ):
        with pytest.raises(ollama.ResponseError, match="nexus models pull"):
            ask()
    # What is not JSON is stopped before it is read.
    with pytest.raises(ollama.ResponseError):
        client.create_blob(tmp_path / "a.bin")


def test_who_answers_is_said_in_the_words_that_clients_look_for(service, http):
    assert httpx.get(service.url).text == "Ollama is running"
    assert httpx.head(service.url).status_code == 200
    page = httpx.get(service.url, headers={"accept": "text/html,*/*"})
    assert page.headers["location"] == "/dashboard"
    version = http.get("/api/version").json()
    assert [int(part) for part in version["version"].split(".")] >= [0, 6, 4]
    assert version["nexus"]


def test_a_wrong_key_and_a_wrong_form_are_refused_in_the_same_envelope(service):
    with (
        ollama.Client(service.url, headers={"Authorization": "Bearer wrong"}) as wrong,
        pytest.raises(ollama.ResponseError, match="nexus token") as caught,
    ):
        wrong.list()
    assert caught.value.status_code == 401
    key = {"authorization": f"Bearer {service.token}", "content-type": "text/plain"}
    reply = httpx.post(f"{service.url}/api/chat", content="{}", headers=key)
    assert reply.status_code == 415
    assert "application/json" in reply.json()["error"]


def test_a_client_that_leaves_stops_the_model(service, http):
    story = [{"role": "user", "content": "Write a very long novel about the sea and its ships."}]
    body = {"model": MODEL, "messages": story, "options": {"num_predict": 3500}}

    def running_now() -> int:
        return int(http.get("/api/status").json()["metrics"]["running"])

    with service.client() as leaving, leaving.stream("POST", "/api/chat", json=body) as reply:
        assert next(reply.iter_lines())
    deadline = time.monotonic() + 30
    while running_now():
        assert time.monotonic() < deadline, "the model goes on for a client that has left"
        time.sleep(0.05)

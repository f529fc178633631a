"""The worker's socket: what it answers, whom it refuses, and that it notices who has gone."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from nexus.core.errors import ContextOverflowError, InvalidInputError, StorageError
from nexus.engine.local.server import WorkerServer

KEY = "s3cret"
CHAT = "/v1/chat/completions"


class ScriptedDesk:
    """Answers without a model; `cancels` are those of the chats, as they come."""

    def __init__(self) -> None:
        self.cancels: list[Event] = []
        self.come = Event()

    def properties(self) -> Mapping[str, Any]:
        return {"window": 7}

    def tokenize(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"tokens": [len(body["content"])]}

    def count(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ContextOverflowError("too long", hint="shorten it")

    def manage(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        raise ZeroDivisionError("a fault of ours")

    def chat(self, body: Mapping[str, Any], cancel: Event) -> Iterator[Mapping[str, Any]]:
        self.cancels.append(cancel)
        self.come.set()
        if body.get("refuse"):
            raise InvalidInputError("no such thing", hint="ask for another")
        return self._chunks(body, cancel)

    def complete(self, body: Mapping[str, Any], cancel: Event) -> Iterator[Mapping[str, Any]]:
        if body.get("deep"):
            raise RecursionError("too deep")
        yield {"prompt": body["prompt"]}

    def score(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"logprob": -1.0, "tokens": len(body["continuation"])}

    def _chunks(self, body: Mapping[str, Any], cancel: Event) -> Iterator[Mapping[str, Any]]:
        if body.get("full"):
            raise StorageError("the disk is full", hint="free some space")
        if body.get("wait"):  # in the line, before anything can be said
            cancel.wait()
        for number in range(body.get("count", 2)):
            yield {"number": number, "text": "ä"}
        if body.get("fail"):
            raise StorageError("the disk is full", hint="free some space")
        while body.get("endless") and not cancel.is_set():
            yield {"more": "x" * 1000}


@pytest.fixture
def desk() -> ScriptedDesk:
    return ScriptedDesk()


@pytest.fixture
def path(desk: ScriptedDesk, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "w.sock"
    path.write_text("left behind by a killed worker", encoding="utf-8")
    server = WorkerServer(str(path), KEY, desk)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield path
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(path: Path) -> Iterator[httpx.Client]:
    transport = httpx.HTTPTransport(uds=str(path))
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(transport=transport, base_url="http://engine", headers=headers) as client:
        yield client


def events(response: httpx.Response) -> list[Any]:
    data = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


def test_the_socket_is_for_its_owner_only(path: Path) -> None:
    assert path.is_socket()
    assert path.stat().st_mode & 0o777 == 0o600


def test_questions_are_answered_as_json(client: httpx.Client) -> None:
    assert client.get("/props").json() == {"window": 7}
    assert client.post("/tokenize", json={"content": "four"}).json() == {"tokens": [4]}


def test_an_answer_is_a_stream_of_events(client: httpx.Client, desk: ScriptedDesk) -> None:
    response = client.post(CHAT, json={})
    assert response.headers["content-type"] == "text/event-stream"
    assert events(response) == [{"number": 0, "text": "ä"}, {"number": 1, "text": "ä"}, "[DONE]"]
    assert desk.cancels[0].is_set()


def test_a_text_that_goes_on_is_a_stream_too(client: httpx.Client) -> None:
    assert events(client.post("/v1/completions", json={"prompt": "x"})) == [{"prompt": "x"}, "[DONE]"]


def test_what_is_nested_too_deeply_is_the_clients_fault(client: httpx.Client) -> None:
    response = client.post("/v1/completions", json={"deep": True})
    assert response.status_code == 400
    assert "nested too deeply" in response.json()["error"]["message"]


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", f"Basic {KEY}", "Bearer s3cret\u00e9"])
def test_without_the_key_nothing_is_read(
    client: httpx.Client, desk: ScriptedDesk, authorization: str | None
) -> None:
    headers = {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
    client.headers.clear()
    for method, where in (("GET", "/props"), ("POST", "/tokenize"), ("POST", CHAT)):
        body = b'{"content": "x"}' if method == "POST" else None
        response = client.request(method, where, headers=headers, content=body)
        assert response.status_code == 401
    assert desk.cancels == []


def test_a_body_that_was_not_read_is_not_taken_for_a_request(path: Path) -> None:
    hidden = b"GET /props HTTP/1.1\r\nAuthorization: Bearer s3cret\r\n\r\n"
    head = f"POST /tokenize HTTP/1.1\r\nContent-Length: {len(hidden)}\r\n\r\n".encode()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(head + hidden)
        answer = b""
        while part := raw.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"window" not in answer


@pytest.mark.parametrize(
    ("content", "said"), [(b"{", "not JSON"), (b"[1]", "is a list"), (b"\xff", "not JSON"), (b"", "not JSON")]
)
def test_a_body_that_is_no_object_is_refused(client: httpx.Client, content: bytes, said: str) -> None:
    for where in ("/tokenize", CHAT):
        response = client.post(where, content=content)
        assert response.status_code == 400
        assert said in response.json()["error"]["message"]


@pytest.mark.parametrize("length", ["", "-1", "x", "999999999999"])
def test_a_body_without_a_sound_length_is_refused(path: Path, length: str) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        line = f"Content-Length: {length}\r\n" if length else ""
        raw.sendall(f"POST /tokenize HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n{line}\r\n".encode())
        answer = b""
        while part := raw.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_what_is_not_there_is_not_found(client: httpx.Client) -> None:
    assert client.get("/slots").status_code == 404
    assert client.post("/props", json={}).status_code == 404


def test_errors_come_with_what_a_parent_needs_to_say_them_again(client: httpx.Client) -> None:
    error = client.post(f"{CHAT}/input_tokens", json={}).json()["error"]
    assert error["type"] == "exceed_context_size_error"
    assert error["nexus"] == {
        "code": "context_length_exceeded",
        "message": "too long",
        "hint": "shorten it",
    }
    response = client.post(CHAT, json={"refuse": True})
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "no such thing; ask for another"
    # Also what shows itself only when the answer begins.
    assert client.post(CHAT, json={"full": True}).status_code == 507


def test_a_fault_of_ours_is_an_error_and_not_the_end(client: httpx.Client) -> None:
    response = client.post("/manage", json={})
    assert response.status_code == 500
    assert "ZeroDivisionError: a fault of ours" in response.json()["error"]["message"]
    assert client.get("/props").status_code == 200


def test_an_error_in_mid_answer_is_its_last_event(client: httpx.Client) -> None:
    *_, last = events(client.post(CHAT, json={"fail": True}))
    assert last["error"]["nexus"]["code"] == "storage"


@pytest.mark.parametrize("wish", ["wait", "endless"])
def test_a_client_that_goes_cancels_its_answer(path: Path, desk: ScriptedDesk, wish: str) -> None:
    body = json.dumps({wish: True}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(path))
        raw.sendall(head.encode() + body)
        assert desk.come.wait(60)
        assert not desk.cancels[0].is_set()
    assert desk.cancels[0].wait(60)

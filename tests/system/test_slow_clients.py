"""Clients that hardly read, clients that leave, more requests than there is room for.

The others are answered, the model stops where nobody listens, and memory stays.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from tests.running import Service, running
from tests.system.talking_model import WINDOW, TalkingModel, talking_model

pytestmark = pytest.mark.slow

ASK = [{"role": "user", "content": "Talk."}]
_MIB = 2**20


@pytest.fixture(scope="module")
def talker():
    with talking_model() as model:
        yield model


@pytest.fixture
def model(talker):
    """The model as each test finds it: it says little and waits for nothing."""
    talker.words, talker.pause = 20, 0.0
    talker.gate.set()
    return talker


@pytest.fixture(scope="module")
def service(tmp_path_factory, talker, models_folder, granite_folder, embedder_folder):
    settings = {
        "NEXUS_ENGINE_KIND": "remote",
        "NEXUS_ENGINE_URL": talker.url,
        "NEXUS_ENGINE_MODEL": "talker",
        "NEXUS_ENGINE_CONTEXT": str(WINDOW),
    }
    with running(tmp_path_factory.mktemp("slow") / "home", models_folder, **settings) as service:
        yield service


def request(service: Service, path: str, *, stream: bool, tokens: int = 900_000) -> bytes:
    """The bytes of a request."""
    body: dict[str, Any] = {"model": "talker", "messages": ASK, "stream": stream, "max_tokens": tokens}
    if path == "/api/chat":
        body["options"] = {"num_predict": tokens}
    if path == "/api/interact":
        body = {"prompt": "Talk.", "stream": stream}
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{service.port}\r\nx-api-key: {service.token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Slow:
    """A client with the smallest buffer there is, which reads a byte a second."""

    def __init__(self, service: Service, path: str) -> None:
        self.read = b""
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._socket.connect(("127.0.0.1", service.port))
        self._socket.sendall(request(service, path, stream=True))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._crawl)
        self._thread.start()

    def _crawl(self) -> None:
        while not self._stop.wait(1):
            self.read += self._socket.recv(1)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


@contextmanager
def slow_clients(service: Service, *paths: str) -> Iterator[list[Slow]]:
    clients: list[Slow] = []
    try:
        for path in paths:
            clients.append(Slow(service, path))
        yield clients
    finally:
        for client in clients:
            client.close()


def memory(service: Service) -> float:
    """MiB that the service's own process holds."""
    assert service.process
    return float(psutil.Process(service.process.pid).memory_info().rss) / _MIB


def wait_until(condition: Callable[[], bool]) -> None:
    """The test's own time limit is the deadline."""
    while not condition():
        time.sleep(0.1)


def state(service: Service) -> dict[str, Any]:
    with service.client() as client:
        metrics: dict[str, Any] = client.get("/api/status").json()["metrics"]
    return metrics


@pytest.mark.timeout(600)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/v1/messages", "/api/interact"])
def test_a_client_that_leaves_stops_a_model_that_never_ends(service, model: TalkingModel, path, stream):
    model.words, model.pause = 10**9, 0.01
    with socket.create_connection(("127.0.0.1", service.port)) as leaving:
        leaving.sendall(request(service, path, stream=stream))
        wait_until(lambda: state(service)["running"] == 1)
    wait_until(lambda: state(service)["running"] == 0)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes) -> tuple[int, Any]:
    """One request over a connection that stays open. Returns the status and the headers."""
    writer.write(content)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers


async def many(service: Service, connections: int, each: int) -> Counter[tuple[int, bool]]:
    """So many requests over so many connections at once: how often each status, with Retry-After or not."""
    paths = ["/api/chat", "/v1/chat/completions", "/v1/messages", "/api/interact"]
    contents = [
        request(service, path, stream=stream, tokens=16) for path in paths for stream in (True, False)
    ]
    seen = Counter[tuple[int, bool]]()

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        for turn in range(each):
            status, headers = await ask(reader, writer, contents[(number + turn) % len(contents)])
            seen[status, int(headers.get("retry-after", 0)) > 0] += 1
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(one(number) for number in range(connections)))
    return seen


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_requests_too_many_are_told_to_come_back(service, model: TalkingModel):
    model.gate.clear()
    limit = state(service)["queue_limit"]

    def held() -> bytes:
        with socket.create_connection(("127.0.0.1", service.port)) as waiting:
            waiting.sendall(request(service, "/api/chat", stream=False, tokens=16))
            return waiting.recv(64)

    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(held())) for _ in range(limit + 1)]
    for thread in threads:
        thread.start()
    wait_until(lambda: state(service)["queued"] == limit)
    asyncio.run(many(service, 50, 20))
    before = memory(service)
    seen = asyncio.run(many(service, 200, 50))
    grown = memory(service) - before
    print(f"{seen.total()} requests too many: {dict(seen)}, {grown:+.1f} MiB")
    # 529 is what Anthropic's clients know as "overloaded".
    assert set(seen) == {(503, True), (529, True)}
    assert seen.total() == 10_000
    assert grown < 32
    assert state(service)["queued"] == limit
    model.gate.set()
    for thread in threads:
        thread.join()
    assert len(answers) == limit + 1
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers), "those that wait are answered"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_clients_that_read_a_byte_a_second_hold_nobody_up_and_cost_no_memory(service, model: TalkingModel):
    def ask_one() -> str:
        with service.client() as client:
            reply = client.post("/v1/chat/completions", json={"model": "talker", "messages": ASK})
        return str(reply.json()["choices"][0]["message"]["content"])

    assert ask_one().split()[-1] == "word19"
    before, asked = memory(service), state(service)["total_requests"]
    model.words = 40_000
    paths = ["/api/chat", "/v1/chat/completions", "/v1/messages", "/api/interact"] * 2
    with slow_clients(service, *paths) as clients:
        # Their answers are made at the model's pace, not at theirs, and the lane is free again.
        wait_until(lambda: state(service)["total_requests"] >= asked + len(paths))
        done = state(service)
        assert (done["running"], done["success_rate"]) == (0, 1.0)
        grown = memory(service) - before
        model.words = 20
        assert ask_one().split()[-1] == "word19"
        seen = [len(client.read) for client in clients]
        wait_until(lambda: all(len(c.read) > n for c, n in zip(clients, seen, strict=True)))
        assert all(client.read.startswith(b"HTTP/1.1 200") for client in clients if len(client.read) > 12)
        print(f"{len(paths)} slow clients of 40,000 words each: {grown:+.1f} MiB")
        assert grown < 32
        # Nor do they keep it from ending, which is why this test is the last here.
        assert service.stop() == 0

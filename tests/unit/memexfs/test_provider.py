"""A provider of embeddings: what it must answer, and that its key and its vectors go nowhere else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from nexus.core.breaker import BrokenError
from nexus.core.errors import InvalidInputError
from nexus.cortex.embedder import OnnxEmbedder, Question
from nexus.memexfs.memex import Memex
from nexus.memexfs.provider import Provider, ProviderError
from nexus.memexfs.shard import ExactFiles
from nexus.memexfs.space import Blocks, FileText
from tests.unit.memexfs.index_sample import Local, Sample, sample

SIZE = 8
NOTHING = np.zeros((0, 384), np.float32)
ASKED = Question(np.zeros(384, np.float32), np.zeros((0, 64), np.float32), ())


def embedding(text, size):
    """Words as directions, so that texts with words in common are near."""
    vector = np.zeros(size)
    for word in text.lower().split():
        vector[sum(word.encode()) % size] += 1
    return vector.tolist()


class Server(ThreadingHTTPServer):
    """Keeps what it was asked, and answers as it is told."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []
        self.answer: Callable[[dict[str, Any]], tuple[int, dict[str, str], Any]] = right
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers.get("Authorization"), body))
        status, headers, answer = self.server.answer(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def log_message(self, *_):
        pass


def right(body):
    rows = [
        {"index": number, "embedding": embedding(text, body["dimensions"])}
        for number, text in enumerate(body["input"])
    ]
    return 200, {}, {"data": rows[::-1]}


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_texts_come_back_as_unit_vectors_in_their_order(server):
    provider = Provider(server.url, "big", "secret", dimensions=SIZE)
    vectors = provider.embed(["one two", "three"])
    for vector, text in zip(vectors, ["one two", "three"], strict=True):
        expected = np.array(embedding(text, SIZE))
        assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)
    path, key, body = server.asked[0]
    assert (path, key) == ("/v1/embeddings", "Bearer secret")
    assert body == {"model": "big", "input": ["one two", "three"], "dimensions": SIZE}


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, b"it broke"),
        (401, {}, b"no key"),
        (200, {}, b""),
        (200, {}, b"[" * 50_000),
        (200, {}, {"data": []}),
        (200, {}, {"data": [{"index": 0}]}),
        (200, {}, {"data": [{"index": 0, "embedding": [1.0] * (SIZE - 1)}]}),
        (200, {}, {"data": [{"index": 0, "embedding": [float("nan")] * SIZE}]}),
        (200, {}, {"data": [{"index": 0, "embedding": [0.0] * SIZE}]}),
        (200, {}, {"data": [{"index": "x", "embedding": [1.0] * SIZE}]}),
        (200, {}, {"data": 7}),
    ],
    ids=lambda answer: str(answer[2])[:20],
)
def test_an_answer_that_is_none_is_an_error(server, answer):
    server.answer = lambda body: answer
    with pytest.raises(ProviderError) as error:
        Provider(server.url, "big", dimensions=SIZE).embed(["one"])
    assert "memex.provider_url" in error.value.hint


def test_a_key_is_not_carried_to_another_server(server):
    other = Server()
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    server.answer = lambda body: (307, {"Location": f"http://127.0.0.1:{other.server_port}/"}, b"")
    with pytest.raises(ProviderError):
        Provider(server.url, "big", "secret", dimensions=SIZE).embed(["one"])
    other.shutdown()
    thread.join()
    other.server_close()
    assert other.asked == []


def test_a_server_that_is_gone_is_left_alone_for_a_while():
    provider = Provider("http://127.0.0.1:9/v1", "big", dimensions=SIZE)
    for _ in range(3):
        with pytest.raises(ProviderError, match="cannot be reached"):
            provider.embed(["one"])
    with pytest.raises(BrokenError):
        provider.embed(["one"])
    with pytest.raises(InvalidInputError):
        Provider("ftp://somewhere", "big")


def test_files_are_found_by_it_and_a_question_is_embedded_once(server):
    provider, vectors = Provider(server.url, "big", dimensions=SIZE), ExactFiles(SIZE)
    for number, text in enumerate(["solar roof", "violin lesson"], 1):
        file = FileText(b"%d.md" % number, text, "", (), (), NOTHING, (), text)
        vectors.put(number, provider.vector(file), "")
    server.asked.clear()
    assert provider.candidates(vectors, "violin lesson", ASKED, {}, 5)[0] == 2
    near = provider.near(vectors, "violin lesson", ASKED, {}, [1, 2])
    assert near[2]["total"] > near[1]["total"]
    assert len(server.asked) == 1
    assert list(provider.like(vectors, 1, 5)) == [2]
    assert provider.like(vectors, 9, 5) == {}


def test_its_vectors_are_apart_from_those_of_the_local_model(home, embedder_folder, server):
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with sample(home, embedder, "qdrant") as memex:
        memex.write("roof.md", "# Roof\n\nSolar panels on the roof.\n")
        memex.work()
        with_provider = Local(server.url, "big", "")
        memex.memex.stop()
        other = Memex(home, with_provider, memex.cortex)
        try:
            again = Sample(other, memex.cortex, memex.tree)
            assert other.status()["vectors"] == 0
            assert other.pipeline.reconcile() == 1
            again.work()
            best = other.search("solar panels")[0]
            assert best.path == b"roof.md"
            assert "file" in best.parts
            server.answer = lambda body: (500, {}, b"it broke")
            assert again.found("panels on the roof") == ["roof.md"]
            assert "it broke" in other.status()["search"]
        finally:
            other.stop()
    folders = {path.name for path in (home.root / "memex" / "vectors").iterdir()}
    assert folders == {Blocks(embedder).id, Provider(server.url, "big").id}

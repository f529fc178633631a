"""The index on a Qdrant server: its logic on the client library's own in-memory engine, its failures
against real sockets. No Qdrant server takes part: none can be had from the package registries, so what
a real server does beyond the library's engine (locks, HNSW, authentication) is not shown here.
"""

from __future__ import annotations

import http.server
import json
import socket
import threading
import uuid
from contextlib import contextmanager

import numpy as np
import pytest
from qdrant_client import QdrantClient

from nexus.core.errors import ConfigError, MissingPartError, StorageError
from nexus.cortex.indexer import Entry, Scope, Sparse
from nexus.cortex.ledger import FOREVER
from nexus.cortex.qdrant_server import QdrantServerIndex

# The library's engine has no payload indexes and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")
URL = "http://localhost:6333"
EMPTY = Sparse(np.zeros(0, np.uint32), np.zeros(0, np.float32))


def point(n):
    return str(uuid.UUID(int=n))


def sparse(**weights):
    indices = [int(name[1:]) for name in weights]
    return Sparse(np.array(indices, np.uint32), np.array(list(weights.values()), np.float32))


def entry(n, vector=None, words=EMPTY, context=EMPTY, kind="document"):
    unit = None if vector is None else np.array(vector, np.float32) / np.linalg.norm(vector)
    return Entry(point(n), kind, "", "", ("/d/a", "/d", "/"), 5, 0, FOREVER, words, context, unit)


@pytest.fixture
def client():
    made = QdrantClient(":memory:")
    yield made
    made.close()


def opened(client, model="model", size=4, collection="nexus"):
    return QdrantServerIndex(URL, "", model, size, collection=collection, client=client)


def test_what_was_upserted_is_found_by_meaning_and_by_words(client):
    index = opened(client)
    index.upsert([entry(1, [1, 0, 0, 0], sparse(t7=2.0)), entry(2, [1, 1, 0, 0], sparse(t7=1.0, t8=5.0))])
    index.upsert([entry(3, None, sparse(t9=1.0), sparse(t7=1.0))])
    asked = np.array([1, 0, 0, 0], np.float32)
    assert [hit.point for hit in index.nearest(asked, 5, Scope("document"))] == [point(1), point(2)]
    assert index.nearest(asked, 5, Scope("memory")) == []
    hits = index.matching(sparse(t7=2.0), "words", 5, Scope("document"))
    assert [(h.point, h.score) for h in hits] == [(point(1), 4.0), (point(2), 2.0)]
    hits = index.matching(sparse(t7=2.0), "context", 5, Scope("document", points=(point(1), point(3))))
    assert [h.point for h in hits] == [point(3)]
    assert index.nearest(asked, 5, Scope("document", points=())) == []
    assert index.points() == {point(1): True, point(2): True, point(3): False}
    assert index.count() == 3
    index.delete([point(1), point(99)])
    assert index.count() == 2


def test_many_points_are_sent_in_parts_and_listed_whole(client):
    index = opened(client)
    index.upsert([entry(n, [1, n, 0, 0]) for n in range(1, 700)])
    assert index.count() == 699
    assert set(index.points().values()) == {True}


def test_opening_again_finds_what_is_there(client):
    opened(client).upsert([entry(1, [1, 0, 0, 0])])
    assert opened(client).points() == {point(1): True}


@pytest.mark.parametrize("other", [{"model": "other"}, {"size": 8}, {"collection": "second"}])
def test_another_model_or_home_has_a_collection_of_its_own(client, other):
    first = opened(client)
    first.upsert([entry(1, [1, 0, 0, 0])])
    assert opened(client, **other).points() == {}
    assert first.points() == {point(1): True}


def test_a_foreign_collection_under_our_name_is_left_alone(client):
    index = opened(client)
    index.upsert([entry(1, [1, 0, 0, 0])])
    client.delete_collection(index.collection)
    client.create_collection(index.collection, vectors_config={}, metadata={"made_by": "somebody"})
    with pytest.raises(StorageError, match="somebody"):
        opened(client)


@pytest.mark.parametrize("url", ["", "localhost:6333", "ftp://host", "http://"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ConfigError, match="qdrant_url"):
        QdrantServerIndex(url, "", "model", 4, collection="nexus")


def test_a_collection_needs_a_name_that_a_path_can_hold(client):
    with pytest.raises(ConfigError, match="collection"):
        opened(client, collection="../x")


def test_a_server_that_is_not_there_is_named():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(StorageError, match=f"{url} does not answer") as caught:
            QdrantServerIndex(url, "", "model", 4, collection="nexus")
    assert "start it" in caught.value.hint


@contextmanager
def answering(status, body):
    """A real HTTP server that gives every request the same answer, and notes the keys it was sent."""
    keys = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            keys.append(self.headers["api-key"])
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", keys
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b"Must provide an API key", "refuses the key"),
        (403, b"Forbidden", "refuses the key"),
        (500, b'{"status": {"error": "disk full"}}', "HTTP 500.*disk full"),
        (200, b"<html>not Qdrant</html>", "http://127"),
        (200, json.dumps({"result": {"wrong": 1}}).encode(), "http://127"),
        (429, b"slow down", "http://127"),
    ],
)
def test_what_a_server_answers_amiss_is_told(status, body, message):
    with answering(status, body) as (url, keys):
        with pytest.raises(StorageError, match=message) as caught:
            QdrantServerIndex(url, "the-key", "model", 4, collection="nexus")
        assert keys == ["the-key"]
    assert url in caught.value.message
    assert "the-key" not in str(caught.value)


def test_a_missing_library_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "qdrant_client", None)
    with pytest.raises(MissingPartError, match="pip install"):
        QdrantServerIndex(URL, "", "model", 4, collection="nexus")

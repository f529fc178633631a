"""The cache of vectors: word vectors by point, and caches of before."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from nexus.cortex.embedding_cache import EmbeddingCache


@pytest.fixture
def path(tmp_path):
    return tmp_path / "embeddings.db"


def test_word_vectors_are_found_by_point(path):
    cache = EmbeddingCache(path)
    cache.put_tokens({"k1": b"one", "k2": b"two"})
    cache.put_points({"p1": "k1", "p2": "k2", "p3": "k1", "p4": "unknown"})
    assert cache.get_tokens(["p1", "p2", "p3", "p4"]) == {"p1": b"one", "p2": b"two", "p3": b"one"}
    cache.put_tokens({"k1": b"new"})
    cache.put_points({"p2": "k1"})
    assert cache.get_tokens(["p1", "p2"]) == {"p1": b"new", "p2": b"new"}
    cache.close()


def test_what_is_trimmed_is_gone_and_its_number_is_not_given_again(path):
    cache = EmbeddingCache(path)
    cache.put_tokens({"k1": b"one", "k2": b"two"})
    cache.put_points({"p1": "k1", "p2": "k2"})
    cache.keep_only({"k1"}, {"p1", "p2"})
    cache.put_tokens({"k3": b"three"})
    assert cache.with_tokens(["k1", "k2", "k3"]) == {"k1", "k3"}
    assert cache.get_tokens(["p1", "p2"]) == {"p1": b"one"}
    cache.close()


def test_a_cache_of_before_keeps_what_it_holds(path):
    db = sqlite3.connect(path)
    db.executescript(
        "CREATE TABLE vectors (key TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID;"
        "CREATE TABLE tokens (key TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID;"
        "CREATE TABLE texts (point TEXT PRIMARY KEY, key TEXT) WITHOUT ROWID;"
        "INSERT INTO vectors VALUES ('k1', x'003c');"
        "INSERT INTO tokens VALUES ('k1', x'6f6e65');"
        "INSERT INTO texts VALUES ('p1', 'k1'), ('p2', 'nothing');"
    )
    db.close()
    for _ in range(2):
        cache = EmbeddingCache(path)
        assert cache.get_tokens(["p1", "p2"]) == {"p1": b"one"}
        assert np.array_equal(cache.get(["k1"])["k1"], [1.0])
        cache.close()

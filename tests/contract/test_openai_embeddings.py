"""Embeddings with the official openai client, reranking as its clients ask for it; the real models."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import openai
import pytest

GRANITE, MINILM = "granite-embedding-30m-english", "all-minilm-l6-v2"
TEXTS = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates rose in June."]


@pytest.fixture
def service(plain_service):
    return plain_service


@pytest.fixture
def client(service):
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key=service.token, max_retries=0) as client:
        yield client


@pytest.fixture
def rerank(service):
    with service.client() as http:

        def post(path="/v1/rerank", **body: Any):
            return http.post(path, json=body)

        yield post


@pytest.mark.parametrize("model", [GRANITE, MINILM])
def test_near_texts_have_near_vectors(client, model):
    reply = client.embeddings.create(model=model, input=TEXTS)
    assert [one.index for one in reply.data] == [0, 1, 2]
    cat, kitten, rates = (np.array(one.embedding) for one in reply.data)
    assert len(cat) == 384
    assert np.isclose(np.linalg.norm(cat), 1, atol=1e-5)
    assert cat @ kitten > cat @ rates + 0.1
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > 15


def test_both_forms_are_the_same_numbers(client, service):
    plain = client.embeddings.create(model=GRANITE, input="x", encoding_format="float", dimensions=384)
    with service.client() as http:
        packed = http.post(
            "/v1/embeddings", json={"model": GRANITE, "input": "x", "encoding_format": "base64"}
        ).json()["data"][0]["embedding"]
    assert np.allclose(np.frombuffer(base64.b64decode(packed), "<f4"), plain.data[0].embedding)


def test_a_long_text_is_read_to_its_end(client):
    filler = "The weather was fine and nothing happened. " * 200
    long, other = (
        client.embeddings.create(model=GRANITE, input=filler + end).data[0].embedding
        for end in ("The treasure is in the well.", "Gold lies under the oak.")
    )
    assert not np.allclose(long, other, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "smollm2-135m"}, MINILM),
        ({"input": [1, 2]}, "token ids"),
        ({"input": [[1], [2]]}, "token ids"),
        ({"input": []}, "0 texts"),
        ({"input": ["x", ""]}, "input.1 is empty"),
        ({"input": ["x"] * 2049}, "2049 texts"),
        ({"input": "x" * 2_000_001}, "2000001 characters"),
        ({"dimensions": 256}, "have 384"),
        ({"encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(client, change, words):
    with pytest.raises(openai.APIStatusError, match=words) as caught:
        client.embeddings.create(**{"model": GRANITE, "input": "x", "encoding_format": "float", **change})
    assert caught.value.status_code in (400, 404)


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
def test_the_answer_comes_first(rerank, path):
    documents = [TEXTS[2], {"text": TEXTS[0]}, "Ships lie in the harbour."]
    reply = rerank(path, query="Where does the cat sleep?", documents=documents, model=GRANITE).json()
    first, *others = reply["results"]
    assert (first["index"], first["document"]) == (1, {"text": TEXTS[0]})
    assert 1 > first["relevance_score"] > 0.5
    assert all(first["relevance_score"] > other["relevance_score"] >= 0 for other in others)
    assert reply["usage"]["total_tokens"] > 10


def test_top_n_and_no_documents(rerank):
    wish = {"query": "the cat", "documents": TEXTS}
    whole = rerank(**wish).json()["results"]
    few = rerank(**wish, top_n=2, return_documents=False).json()["results"]
    assert [(r["index"], r["relevance_score"]) for r in whole[:2]] == [tuple(r.values()) for r in few]
    assert rerank(**wish, top_n=99).json()["results"] == whole


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"documents": []}, "0 texts"),
        ({"documents": ["x", " "]}, "documents.1 is empty"),
        ({"documents": [{"image": "x"}]}, "documents"),
        ({"query": " "}, "query"),
        ({"query": "x" * 9000}, "9000 characters"),
        ({"top_n": 0}, "top_n"),
        ({"model": "rerank-v9"}, "rerank-v9"),
    ],
)
def test_what_cannot_be_ranked_is_refused_by_name(rerank, change, words):
    reply = rerank(**{"query": "x", "documents": ["y"], **change})
    assert reply.status_code in (400, 404)
    assert words in reply.json()["error"]["message"]

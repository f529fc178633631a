"""The official openai client against the running service, with the real small model."""

from __future__ import annotations

import openai
import pytest


@pytest.fixture
def service(plain_service):
    return plain_service


@pytest.fixture
def client(service):
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key=service.token, max_retries=0) as client:
        yield client


ASK = [{"role": "user", "content": "Name three colours."}]


def test_models_are_listed(client):
    chat, vectors = ["nexus", "smollm2-135m"], ["granite-embedding-30m-english", "all-minilm-l6-v2"]
    assert [m.id for m in client.models.list()] == [*chat, *vectors]
    assert client.models.retrieve("nexus").id == "nexus"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


@pytest.mark.parametrize("model", ["nexus", "smollm2-135m"])
def test_a_chat_is_streamed(client, model):
    pieces, usage, reasons = [], None, []
    for chunk in client.chat.completions.create(
        model=model, messages=ASK, stream=True, max_tokens=24, stream_options={"include_usage": True}
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            reasons.append(choice.finish_reason)
    assert len([p for p in pieces if p]) > 3
    assert reasons[-1] in ("stop", "length")
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    assert usage is not None
    assert usage.prompt_tokens > 5
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_whole_answer_equals_the_streamed_one(client):
    options = {"model": "smollm2-135m", "messages": ASK, "temperature": 0, "seed": 1, "max_tokens": 16}
    whole = client.chat.completions.create(**options)
    parts = client.chat.completions.create(**options, stream=True)
    streamed = "".join(c.choices[0].delta.content or "" for c in parts if c.choices)
    assert whole.choices[0].message.content == streamed
    assert whole.usage.completion_tokens <= 16


def test_the_model_with_memory_says_what_it_used(client, service):
    with service.client() as http:
        http.post("/api/memories", json={"learning": "staging Postgres listens on port 6543"})
    reply = client.chat.completions.create(
        model="nexus",
        messages=[{"role": "user", "content": "Which port does staging Postgres listen on?"}],
        max_tokens=32,
    )
    assert reply.model_extra is not None
    sources = reply.model_extra["nexus"]["sources"]
    assert [s["text"] for s in sources] == ["staging Postgres listens on port 6543"]


def test_content_parts_stop_words_and_roles(client):
    reply = client.chat.completions.create(
        model="smollm2-135m",
        messages=[
            {"role": "developer", "content": "Answer with digits."},
            {"role": "user", "content": [{"type": "text", "text": "Count: 1 2 3"}]},
        ],
        stop=["3"],
        max_tokens=20,
    )
    assert "3" not in (reply.choices[0].message.content or "")


def test_a_wrong_key_is_an_authentication_error(service):
    wrong = openai.OpenAI(base_url=f"{service.url}/v1", api_key="wrong", max_retries=0)
    with wrong, pytest.raises(openai.AuthenticationError, match="nexus token"):
        wrong.models.list()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "gpt-9"}, "gpt-9"),
        ({"messages": []}, "messages"),
        ({"n": 2}, "n = 2"),
        ({"temperature": 9}, "temperature"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"model": "nexus", "tools": [{"type": "function", "function": {"name": "x"}}]}, "smollm2-135m"),
        ({"model": "nexus", "response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "has no schema"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "tool_call_id"),
        ({"messages": [{"role": "user"}]}, "no content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(client, change, words):
    with pytest.raises(openai.APIStatusError, match=words) as caught:
        client.chat.completions.create(**{"model": "smollm2-135m", "messages": ASK, **change})
    assert caught.value.status_code in (400, 404)


def test_a_prompt_over_the_window_is_refused_with_the_numbers(client):
    long = [{"role": "user", "content": "word " * 6000}]
    for model in ("smollm2-135m", "nexus"):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=model, messages=long)
        assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.APIError, match="window"):
        list(client.chat.completions.create(model="smollm2-135m", messages=long, stream=True))

"""The older text completion with the official openai client and the real small model."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.running import running

TEXT = "The capital of France is"
MODEL = "smollm2-135m"


@pytest.fixture(scope="module", params=["local", "llamacpp"])
def client(request, tmp_path_factory, models_folder, granite_folder, smollm2_path):
    home = tmp_path_factory.mktemp(request.param) / "home"
    with (
        running(home, models_folder, NEXUS_ENGINE_KIND=request.param) as service,
        openai.OpenAI(base_url=f"{service.url}/v1", api_key=service.token, max_retries=0) as client,
    ):
        yield client


def complete(client, prompt: Any = TEXT, **more: Any) -> Any:
    return client.completions.create(
        **{"model": MODEL, "prompt": prompt, "temperature": 0, "max_tokens": 6, **more}
    )


def test_a_text_goes_on_as_it_stands(client):
    reply = complete(client)
    (choice,) = reply.choices
    assert choice.text.startswith(" Paris")
    assert (choice.index, choice.finish_reason) == (0, "length")
    assert reply.usage.completion_tokens == 6
    # No template: the prompt is as long as its text.
    assert reply.usage.prompt_tokens == 5


def test_a_stream_says_the_same(client):
    chunks = list(complete(client, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].text for c in chunks if c.choices) == complete(client).choices[0].text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].usage.total_tokens == 11


def test_several_texts_are_continued_each(client):
    reply = complete(client, [TEXT, "One, two, three, four,"], echo=True)
    assert [choice.index for choice in reply.choices] == [0, 1]
    assert reply.choices[0].text.startswith(f"{TEXT} Paris")
    assert "five" in reply.choices[1].text
    assert reply.usage.completion_tokens == 12
    streamed = ["", ""]
    for chunk in complete(client, [TEXT, "One, two, three, four,"], echo=True, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].text
    assert streamed == [choice.text for choice in reply.choices]


def test_stop_and_seed(client):
    reply = complete(client, "One, two, three, four,", stop=[" seven"], max_tokens=30)
    assert reply.choices[0].finish_reason == "stop"
    assert "six" in reply.choices[0].text
    assert "seven" not in reply.choices[0].text
    drawn = [complete(client, seed=7, temperature=1.5).choices[0].text for _ in range(2)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": [1, 2, 3]}, "token ids"),
        ({"prompt": [[1, 2], [3]]}, "token ids"),
        ({"prompt": []}, "0 texts"),
        ({"prompt": ["x"] * 65}, "65 texts"),
        ({"prompt": ""}, "empty"),
        ({"suffix": "the end"}, "suffix"),
        ({"n": 2}, "n = 2"),
        ({"best_of": 3}, "best_of = 3"),
        ({"logprobs": 0}, "logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"stop": ""}, "stop text"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": "nexus"}, "/v1/chat/completions"),
        ({"model": "gpt-9"}, "gpt-9"),
        ({"prompt": "word " * 6000}, "window"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(client, change, words):
    with pytest.raises(openai.APIStatusError, match=words) as caught:
        complete(client, **change)
    assert caught.value.status_code in (400, 404)

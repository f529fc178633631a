"""Prompts as tokens: what a message says is never read as what the template writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nexus.core.errors import InvalidInputError
from nexus.engine.local.markers import Markers
from nexus.engine.local.template import DEFAULT, ChatTemplate, encode

_engine = pytest.importorskip("nexus._engine", reason="the native engine is not built")
PIECES = [
    "<|im_end|>",
    "<|im_start|>",
    "system\n",
    "<",
    "|",
    "im_end|>",
    "a",
    " ",
    "\n",
    "é",
    "\U0010f000",
    "<|",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@pytest.fixture(scope="module")
def tokenizer(smollm2_path: Path) -> Any:
    return _engine.Model(str(smollm2_path), 1).tokenizer


@pytest.fixture(scope="module")
def template() -> ChatTemplate:
    return ChatTemplate(DEFAULT)


def written(tokenizer: Any, tokens: NDArray[np.int32]) -> str:
    return b"".join(tokenizer.piece(int(token), special=True) for token in tokens).decode()


def controls(tokenizer: Any, tokens: NDArray[np.int32]) -> list[str]:
    return [written(tokenizer, tokens[[i]]) for i, t in enumerate(tokens) if tokenizer.is_control(int(t))]


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_control_tokens_are_the_templates_own_whatever_messages_say(
    tokenizer: Any, template: ChatTemplate, texts: list[str]
) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    tokens = encode(tokenizer, template, messages, [])
    assert written(tokenizer, tokens) == template.render(messages)
    assert controls(tokenizer, tokens) == ["<|im_start|>", "<|im_end|>"] * len(texts) + ["<|im_start|>"]


@given(st.lists(TEXTS, min_size=1, max_size=3), TEXTS)
def test_a_longer_conversation_begins_with_the_tokens_of_the_shorter_one(
    tokenizer: Any, template: ChatTemplate, texts: list[str], more: str
) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    begun = len(tokenizer.encode("<|im_start|>assistant\n", parse_special=True))
    short = encode(tokenizer, template, messages, [])[:-begun]
    longer = encode(tokenizer, template, [*messages, {"role": "assistant", "content": more}], [])
    assert longer[: len(short)].tolist() == short.tolist()


@given(st.text(max_size=200))
def test_without_markers_the_text_is_encoded_in_one_piece(
    tokenizer: Any, template: ChatTemplate, text: str
) -> None:
    if "<" in text:
        return
    messages = [{"role": "user", "content": text}]
    whole = tokenizer.encode(template.render(messages), parse_special=True)
    assert encode(tokenizer, template, messages, []).tolist() == whole.tolist()


def test_tools_and_arguments_of_calls_write_no_control_tokens(tokenizer: Any, template: ChatTemplate) -> None:
    function = {"name": "f", "description": "<|im_end|>", "parameters": {"<|im_end|>": "<|im_start|>"}}
    called = {"name": "f", "arguments": '{"<|im_end|>": "<|im_end|>"}'}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": called}]},
        {"role": "tool", "tool_call_id": "1", "content": "<|im_end|>"},
    ]
    tokens = encode(tokenizer, template, messages, [{"type": "function", "function": function}])
    assert controls(tokenizer, tokens) == ["<|im_start|>", "<|im_end|>"] * 4 + ["<|im_start|>"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ messages[0].content + '|>' }}", "x<|im_end"),
        ("{{ messages[0].content + '>' }}", "<|im_end|><|im_end|"),
        ("{{ '<' + messages[0].content }}", "|im_end|>"),
        ("{{ messages[0].content[:4] + messages[0].content[4:] }}", "<|im_end|>"),
    ],
)
def test_half_a_marker_does_not_become_whole_with_what_stands_beside_it(
    tokenizer: Any, source: str, text: str
) -> None:
    tokens = encode(tokenizer, ChatTemplate(source), [{"role": "user", "content": text}], [])
    assert controls(tokenizer, tokens) == []


def test_half_a_character_is_refused(tokenizer: Any, template: ChatTemplate) -> None:
    with pytest.raises(InvalidInputError, match="not valid unicode"):
        encode(tokenizer, template, [{"role": "user", "content": "a\ud800"}], [])


class SpacedTokenizer:
    """A vocabulary that begins every text with a space, as SentencePiece's do; its control tokens are
    ordinary ones by their type. One token for each byte but for two markers."""

    size = 258
    bos = 256
    eos = 257
    adds_bos = True

    def encode(self, text: str, parse_special: bool = False, add_bos: bool = False) -> NDArray[np.int32]:
        tokens: list[int] = []
        rest, first = text, True
        while rest:
            for token, marker in ((256, "<bos>"), (257, "<turn>")):
                if rest.startswith(marker) and (parse_special or token == 257):
                    tokens.append(token)
                    rest, first = rest[len(marker) :], True
                    break
            else:
                tokens += (b" " if first else b"") + rest[0].encode()
                rest, first = rest[1:], False
        return np.array(tokens, dtype=np.int32)

    def piece(self, token: int, special: bool = False) -> bytes:
        if token < 256:
            return bytes([token])
        return [b"<bos>" if special else b"", b"<turn>"][token - 256]

    def is_control(self, token: int) -> bool:
        return token == 256


def test_texts_that_go_on_get_no_space_and_ordinary_markers_are_cut_in_two() -> None:
    tokenizer: Any = SpacedTokenizer()
    source = "<turn>{{ messages[0].content }}<turn>"
    markers = Markers(tokenizer, source)
    template = ChatTemplate(source)
    messages = [{"role": "user", "content": "a<turn>b<bos>c"}]
    tokens = markers.encode(template.render, messages, [])
    # The model wants a begin mark and gets one; the other two marks are the template's.
    assert [int(token) for token in tokens if token > 255] == [256, 257, 257]
    assert written(tokenizer, tokens) == "<bos><turn> a<turn>b<bos>c<turn>"


def test_a_template_that_writes_the_begin_mark_itself_gets_no_second_one() -> None:
    tokenizer: Any = SpacedTokenizer()
    template = ChatTemplate("{{ bos_token }}{{ messages[0].content }}", bos="<bos>")
    tokens = encode(tokenizer, template, [{"role": "user", "content": "a"}], [])
    assert tokens.tolist() == [256, *b" a"]

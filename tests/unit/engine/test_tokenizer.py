"""The native tokenizer agrees with the `tokenizers` library on the small model's own vocabulary.

The library is built from the vocabulary and the merges in the model file, with the pre-tokenizer that the
model was trained with. What tests/native/engine checks on vocabularies of its own is not checked again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, models, pre_tokenizers
from tokenizers import Tokenizer as Reference

from nexus import _engine

_FIXED = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_CONTROL = (2, 3)
# Bytes that the vocabulary of smollm2 has no token for; it leaves them out.
_MISSING = bytes([0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100)])

_fragments = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["'s", "'LL", "  ", "\n\n", "\r\n", "\t", " the", "don't", "2024", "٣٤", "½", "e\u0301", "👩‍💻"]
    ),
    st.sampled_from(["<|im_start|>", "<|im_end|>", "<|im_", "<repo_name>", "|>"]),
    st.text(alphabet="ab1 '\n.=é中", max_size=20),
)
_texts = st.lists(_fragments, max_size=8).map("".join)


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        (length,) = struct.unpack("<Q", file.read(8))
        return file.read(length).decode()
    if kind == _ARRAY:
        inner, count = struct.unpack("<IQ", file.read(12))
        return [_value(file, inner) for _ in range(count)]
    return struct.unpack(_FIXED[kind], file.read(struct.calcsize(_FIXED[kind])))[0]


def _metadata(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        _, _, _, keys = struct.unpack("<4sIQQ", file.read(24))
        found = {}
        for _ in range(keys):
            name = _value(file, _STRING)
            (kind,) = struct.unpack("<I", file.read(4))
            found[name] = _value(file, kind)
    return found


@pytest.fixture(scope="module")
def tokenizer(smollm2_path: Path) -> _engine.Tokenizer:
    return _engine.Model(str(smollm2_path), 1).tokenizer


@pytest.fixture(scope="module")
def reference(smollm2_path: Path) -> Reference:
    found = _metadata(smollm2_path)
    tokens, types = found["tokenizer.ggml.tokens"], found["tokenizer.ggml.token_type"]
    assert (found["tokenizer.ggml.model"], found["tokenizer.ggml.pre"]) == ("gpt2", "smollm")
    merges = [tuple(merge.split(" ")) for merge in found["tokenizer.ggml.merges"]]
    made = Reference(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    gpt2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(Regex(gpt2), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    control = [token for token, kind in zip(tokens, types, strict=True) if kind in _CONTROL]
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return made


def _joined(tokenizer: _engine.Tokenizer, tokens: Iterator[int]) -> bytes:
    return b"".join(tokenizer.piece(int(token)) for token in tokens)


@given(text=_texts, parse=st.booleans())
def test_tokens_are_those_of_the_library(
    text: str, parse: bool, tokenizer: _engine.Tokenizer, reference: Reference
) -> None:
    reference.encode_special_tokens = not parse
    expected = reference.encode(text, add_special_tokens=False).ids
    assert [int(token) for token in tokenizer.encode(text, parse_special=parse)] == expected


@given(data=st.one_of(st.binary(max_size=60), _texts.map(str.encode)))
def test_pieces_joined_are_the_bytes_that_went_in(data: bytes, tokenizer: _engine.Tokenizer) -> None:
    tokens = tokenizer.encode(data)
    assert _joined(tokenizer, iter(tokens)) == data.translate(None, _MISSING)
    assert not any(tokenizer.is_control(int(token)) for token in tokens)


def test_a_turn_ends_at_its_own_token(tokenizer: _engine.Tokenizer) -> None:
    end = [int(token) for token in tokenizer.encode("<|im_end|>", parse_special=True)]
    assert len(end) == 1
    assert tokenizer.is_end(end[0])
    assert tokenizer.piece(end[0]) == b""
    assert len(tokenizer.encode("<|im_end|>")) > 1
    first = tokenizer.encode("x", add_bos=True)
    assert len(first) == 2
    assert not tokenizer.is_end(int(first[1]))

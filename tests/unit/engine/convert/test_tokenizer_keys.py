"""The tokenizer's files become the tokenizer's keys; a rule that is not known is refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from nexus.core.errors import InvalidInputError, ModelCorruptError
from nexus.engine.convert.gguf_reader import GgufReader
from nexus.engine.convert.gguf_writer import GgufWriter
from nexus.engine.convert.hf_tokenizer import HfTokenizer
from tests.unit.engine.convert.published_model import (
    LLAMA,
    LLAMA3_WORDS,
    byte_level_tokenizer,
    piece_tokenizer,
    publish,
)


def _keys(
    folder: Path,
    tokenizer: dict[str, Any],
    files: dict[str, Any] | None = None,
    *,
    vocabulary: int = 20,
    config: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What is written for the folder, decoded."""
    publish(folder / "m", LLAMA, {}, tokenizer=tokenizer, files=files)
    writer = GgufWriter(folder / "out.gguf")
    HfTokenizer.read(folder / "m").describe(writer, vocabulary, config or {})
    writer.write()
    with GgufReader(folder / "out.gguf") as reader:
        return {key.removeprefix("tokenizer.ggml."): _decoded(value) for key, value in reader.values.items()}


def _decoded(value: bytes) -> Any:
    (kind,) = struct.unpack_from("<I", value)
    if kind == 8:
        return value[12:].decode()
    if kind != 9:
        return struct.unpack_from({4: "<I", 6: "<f", 7: "<?"}[kind], value, 4)[0]
    element, count = struct.unpack_from("<IQ", value, 4)
    if element != 8:
        return list(struct.unpack_from(f"<{count}" + {5: "i", 6: "f"}[element], value, 16))
    texts, at = [], 16
    for _ in range(count):
        (length,) = struct.unpack_from("<Q", value, at)
        texts.append(value[at + 8 : at + 8 + length].decode())
        at += 8 + length
    return texts


def test_a_byte_level_tokenizer(tmp_path: Path) -> None:
    files = {
        "tokenizer_config.json": {
            "bos_token": {"content": "<|begin|>"},
            "eos_token": "<|end|>",
            "pad_token": None,
            "add_bos_token": True,
            "chat_template": "{{ messages }}",
        },
        "generation_config.json": {"eos_token_id": [15, 16]},
    }
    keys = _keys(tmp_path, byte_level_tokenizer(), files)
    assert keys["model"] == "gpt2"
    assert keys["pre"] == "llama-bpe"
    assert keys["tokens"][9:20] == (
        ["j", "ab", "Ġa", "Ġ", "Ġab", "<|begin|>", "<|end|>", "<tool>", "[PAD17]", "[PAD18]", "[PAD19]"]
    )
    assert keys["token_type"] == [1] * 14 + [3, 3, 4, 5, 5, 5]
    assert keys["merges"] == ["a b", "Ġ a", "Ġ ab"]
    assert "scores" not in keys
    assert (keys["bos_token_id"], keys["eos_token_id"], keys["eot_token_id"]) == (14, 15, 16)
    assert "padding_token_id" not in keys
    assert (keys["add_bos_token"], keys["add_eos_token"], keys["add_space_prefix"]) == (True, False, False)
    assert keys["tokenizer.chat_template"] == "{{ messages }}"


def test_a_tokenizer_of_pieces(tmp_path: Path) -> None:
    keys = _keys(tmp_path, piece_tokenizer(), config={"eos_token_id": [2, 7]}, vocabulary=11)
    assert keys["model"] == "llama"
    assert keys["tokens"] == ["<unk>", "<s>", "</s>", "<0x0A>", "▁", "a", "b", "ab", "▁ab", "c", "[PAD10]"]
    assert keys["token_type"] == [2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 5]
    # Merged first is what is best: "ab" (merge 0), then "▁ab" (merge 1); single characters are the worst.
    assert keys["scores"] == [0, 0, 0, 0, -3, -3, -3, 0, -1, -3, 0]
    assert keys["eos_token_id"] == 2
    assert (keys["add_bos_token"], keys["add_space_prefix"]) == (True, True)
    assert "merges" not in keys


def test_the_newer_way_to_ask_for_a_space(tmp_path: Path) -> None:
    for scheme, adds in (("first", True), ("always", True), ("never", False)):
        tokenizer = piece_tokenizer()
        tokenizer["normalizer"] = None
        tokenizer["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme}
        assert _keys(tmp_path, tokenizer)["add_space_prefix"] is adds


def _steps(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
CUT_LEVEL = {**LEVEL, "use_regex": False}


def _split(words: str, **change: Any) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": words}, "behavior": "Isolated", "invert": False, **change}


QWEN2_WORDS = LLAMA3_WORDS.replace(r"\p{N}{1,3}", r"\p{N}")


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        (LEVEL, "gpt-2"),
        (_steps({"type": "Digits", "individual_digits": True}, LEVEL), "smollm"),
        (_steps(_split(LLAMA3_WORDS), CUT_LEVEL), "llama-bpe"),
        (_steps(_split(QWEN2_WORDS), CUT_LEVEL), "qwen2"),
    ],
)
def test_the_rule_that_cuts_words_has_its_name(steps: dict[str, Any], name: str, tmp_path: Path) -> None:
    tokenizer = {**byte_level_tokenizer(), "pre_tokenizer": steps, "normalizer": {"type": "NFC"}}
    assert _keys(tmp_path, tokenizer)["pre"] == name


@pytest.mark.parametrize(
    "change",
    [
        {"pre_tokenizer": _steps(_split(r"\w+"), CUT_LEVEL)},
        {"pre_tokenizer": _steps(_split(LLAMA3_WORDS, behavior="Removed"), CUT_LEVEL)},
        {"pre_tokenizer": _steps(_split(LLAMA3_WORDS), LEVEL)},
        {"pre_tokenizer": CUT_LEVEL},
        {"pre_tokenizer": {**LEVEL, "add_prefix_space": True}},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"normalizer": {"type": "Lowercase"}},
        {"model": {"type": "WordPiece", "vocab": {"a": 0}}},
        {"model": {"type": "BPE"}},
        {"model": {"type": "BPE", "vocab": {"a": 20}}},
        {"model": {"type": "BPE", "vocab": {"a": -1}}},
        {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b c"]}},
        {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", 1]]}},
        {"added_tokens": [{"id": 99, "content": "x"}]},
        {"added_tokens": [{"id": 3, "content": "x"}]},
        {"added_tokens": [5]},
        {"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}}},
        {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": {"a": "b"}}},
        {"model": {"type": "BPE", "vocab": {"\ud800": 0}}},
        {"pre_tokenizer": _steps(_split(LLAMA3_WORDS, pattern="x"), CUT_LEVEL)},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": "all"}},
        {"post_processor": {"type": "TemplateProcessing", "single": [1]}},
    ],
)
def test_what_is_not_known_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises((InvalidInputError, ModelCorruptError)) as caught:
        _keys(tmp_path, {**byte_level_tokenizer(), **change})
    assert any(
        part in caught.value.message for part in (str(tmp_path), "20 rows", "tokenizer.json", "no UTF-8")
    )


def test_a_template_file_counts_more_than_the_config(tmp_path: Path) -> None:
    files: dict[str, Any] = {
        "tokenizer_config.json": {"chat_template": [{"name": "default", "template": "one"}]}
    }
    assert _keys(tmp_path, byte_level_tokenizer(), files)["tokenizer.chat_template"] == "one"
    files["chat_template.jinja"] = "two"
    assert _keys(tmp_path, byte_level_tokenizer(), files)["tokenizer.chat_template"] == "two"

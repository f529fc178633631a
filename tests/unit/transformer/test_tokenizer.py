"""The vocabulary: any bytes and back, what identifiers cost, frequencies, damaged files."""

from __future__ import annotations

import json
import random
import shutil
import uuid
from pathlib import Path

import numpy as np
import pytest

from nexus.transformer.errors import TokenizerFileError, TokensError, TransformerConfigError
from nexus.transformer.tokenizer import SHIPPED, Tokenizer
from nexus.transformer.tokenizer_training import trained


def small(text: str) -> Tokenizer:
    """A vocabulary of a few hundred ids, counted as if the later ones were the more frequent."""
    inner = trained([text], 700)
    return Tokenizer(inner, np.arange(inner.get_vocab_size() + 1))


@pytest.fixture(scope="module")
def shipped() -> Tokenizer:
    return Tokenizer.shipped()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain words\r\nand lines\n\n\n  indented\tcode()\n",
        "Zw\u00f6lf Boxk\u00e4mpfer \u2014 \u65e5\u672c\u8a9e \U0001f984 e\u0301".encode(),
        bytes(range(256)),
        bytes(range(255, -1, -1)) * 3,
        b"\xf0\x9f\xa6",
        b"good \xff\xfe bad \xed\xa0\x80 good",
        b"\x00" * 50,
        b"<|endoftext|><|end|>",
    ],
)
def test_any_bytes_come_back(shipped: Tokenizer, data: bytes) -> None:
    ids = shipped.encode(data)
    assert ids.dtype == np.uint16
    assert shipped.decode_bytes(ids) == data
    assert shipped.end not in ids


def test_random_bytes_come_back(shipped: Tokenizer) -> None:
    chance = random.Random(7)
    pieces = [b"the ", b"\xc3", b"\xa9", b"\n", b"0f", b" ", b"\xf0\x9f", b"\x80", b"word", b"'s", b"\r\n"]
    for _ in range(2_000):
        data = b"".join(chance.choices(pieces, k=chance.randrange(12))) + chance.randbytes(
            chance.randrange(6)
        )
        assert shipped.decode_bytes(shipped.encode(data)) == data


def test_text_with_lone_surrogates_is_encoded(shipped: Tokenizer) -> None:
    text = "a\ud800b"
    assert shipped.decode_bytes(shipped.encode(text)) == text.encode("utf-8", "surrogatepass")


def test_long_text_in_blocks_has_the_ids_of_the_whole(
    shipped: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "A line of words\nand another one\n\n  with 12 blanks\n" * 200
    whole = shipped.encode(text)
    for name in ("_BLOCK", "_MIXED"):
        monkeypatch.setattr(f"nexus.transformer.tokenizer.{name}", 100)
    assert np.array_equal(shipped.encode(text), whole)
    mixed = text.replace("another", "an\xf6ther")
    assert np.array_equal(shipped.encode(mixed), shipped._inner.encode(mixed).ids)


def test_the_fast_way_gives_the_ids_of_the_library(shipped: Tokenizer) -> None:
    chance = random.Random(5)
    some = ["'s", "'ll", "  ", "ab1", "the", "\r\n", *"0123456789abcdefABCDEF" * 4, *" \n" * 20]
    signs = [*map(chr, range(128)), *some]
    for _ in range(1_500):
        text = "".join(chance.choices(signs, k=chance.randrange(40)))
        assert shipped.encode(text).tolist() == shipped._inner.encode(text).ids, repr(text)


@pytest.mark.parametrize("kind", ["{}", " {}", "{}.", "id={};", "\n{}\n", "({})", "urn:uuid:{}"])
def test_a_uuid_is_at_most_26_tokens(shipped: Tokenizer, kind: str) -> None:
    chance = random.Random(11)
    frame = len(shipped.encode(kind.replace("{}", "")))
    for _ in range(1_000):
        name = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        for text in (name, name.upper()):
            assert len(shipped.encode(kind.replace("{}", text))) <= 26 + frame + 1


def test_the_worst_uuid_is_at_most_26_tokens(shipped: Tokenizer) -> None:
    """Letters alone are where pairs do not line up; no UUID of version 4 is like this."""
    chance = random.Random(13)
    for letters in ("abcdef", "ABCDEF"):
        for _ in range(1_000):
            text = "-".join("".join(chance.choices(letters, k=n)) for n in (8, 4, 4, 4, 12))
            assert len(shipped.encode(text)) <= 26


def test_every_pair_of_hex_digits_is_one_token(shipped: Tokenizer) -> None:
    for digits in ("0123456789abcdef", "0123456789ABCDEF"):
        for first in digits:
            for second in digits:
                assert len(shipped.encode(first + second)) == 1


def test_ranks_are_of_the_counts(shipped: Tokenizer) -> None:
    assert shipped.size == 8192
    assert sorted(shipped.rank) == list(range(8192))
    in_order = shipped.counts[np.argsort(shipped.rank)]
    assert bool((np.diff(in_order) <= 0).all())
    share = shipped.counts[shipped.mass80].sum() / shipped.counts.sum()
    rarest = shipped.counts[shipped.mass80].min() / shipped.counts.sum()
    assert share >= 0.8 > share - rarest
    (the,) = shipped.encode(" the")
    assert shipped.mass80[the]
    assert shipped.rank[the] < 10
    assert not shipped.mass80[shipped.end]


def test_saved_and_loaded(shipped: Tokenizer, tmp_path: Path) -> None:
    shipped.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.fingerprint() == shipped.fingerprint()
    assert np.array_equal(again.rank, shipped.rank)
    assert np.array_equal(again.encode("def f(x): return 0x1f"), shipped.encode("def f(x): return 0x1f"))


def test_another_vocabulary_has_another_fingerprint(shipped: Tokenizer) -> None:
    other = small("some words of another text " * 20)
    assert other.fingerprint() != shipped.fingerprint()
    assert other.decode(other.encode("some words, \xe9")) == "some words, \xe9"
    assert other.mass80.sum() < other.size


def test_a_vocabulary_without_room_is_refused() -> None:
    with pytest.raises(TransformerConfigError, match="300 ids have no room"):
        trained(["text"], 300)


@pytest.mark.parametrize("ids", [[-1], [8192], [3, 70_000], [1.5]])
def test_ids_of_nothing_are_refused(shipped: Tokenizer, ids: list[int]) -> None:
    with pytest.raises(TokensError, match="token id"):
        shipped.decode_bytes(ids)


def test_the_end_of_a_document_is_no_text(shipped: Tokenizer) -> None:
    assert shipped.decode([shipped.end, *shipped.encode("x"), shipped.end]) == "x"


@pytest.mark.parametrize("name", ["tokenizer.json", "rank.npy"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    shutil.copytree(SHIPPED, tmp_path / "t")
    (tmp_path / "t" / name).unlink()
    with pytest.raises(TokenizerFileError, match=name):
        Tokenizer.load(tmp_path / "t")


@pytest.mark.parametrize("name", ["tokenizer.json", "rank.npy"])
def test_damaged_files_are_errors_of_their_own(tmp_path: Path, name: str) -> None:
    other = small("words and more words " * 9)
    other.save(tmp_path)
    good = (tmp_path / name).read_bytes()
    chance = random.Random(3)
    refused = 0
    for _ in range(150):
        data = bytearray(good[: chance.choice([len(good), chance.randrange(len(good))])])
        for _ in range(chance.randrange(1, 4)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / name).write_bytes(data)
        try:
            found = Tokenizer.load(tmp_path)
        except TokenizerFileError:
            refused += 1
        else:
            # Still a vocabulary, if another one: it reads and writes bytes.
            assert found.decode_bytes(found.encode(b"words \xff")) == b"words \xff"
    assert refused > 100


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "t")
    other = small("text")
    other.save(tmp_path / "o")
    shutil.copy(tmp_path / "o" / "rank.npy", tmp_path / "t" / "rank.npy")
    with pytest.raises(TokenizerFileError, match="counts of shape"):
        Tokenizer.load(tmp_path / "t")


def test_a_special_token_smuggled_in_is_refused(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "t")
    table = json.loads((tmp_path / "t" / "tokenizer.json").read_text())
    table["added_tokens"] = [
        {"id": 8191, "content": "<x>", "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    ]
    (tmp_path / "t" / "tokenizer.json").write_text(json.dumps(table))
    with pytest.raises(TokenizerFileError, match="no plain BPE"):
        Tokenizer.load(tmp_path / "t")

"""Files of tokens, and streams of them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from nexus.training.errors import TokenFileError
from nexus.training.token_files import TokenFile, held_out, prepare, write
from nexus.transformer.tokenizer import Tokenizer
from nexus.transformer.tokenizer_training import trained


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    inner = trained(["a few words of text, and more words. " * 20], 700)
    return Tokenizer(inner, np.zeros(inner.get_vocab_size() + 1, dtype=np.int64))


def ids(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint16)


def test_what_is_written_is_read(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "a.tokens"
    end = tokenizer.end
    assert write(path, [ids(1, 2, end), ids(), ids(3, end)], tokenizer) == 5
    file = TokenFile(path, tokenizer)
    file.verify()
    assert file.tokens.tolist() == [1, 2, end, 3, end]
    assert [part.tolist() for part in file.documents()] == [[1, 2], [3]]
    assert write(path, [], tokenizer) == 0
    empty = TokenFile(path, tokenizer)
    empty.verify()
    assert (len(empty.tokens), list(empty.documents())) == (0, [])


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "a.tokens"
    write(path, [ids(1)], tokenizer)

    def parts():
        yield ids(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, parts(), tokenizer)
    assert TokenFile(path).tokens.tolist() == [1]
    assert [each.name for each in tmp_path.iterdir()] == ["a.tokens"]


def test_every_damage_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "a.tokens"
    write(path, [np.arange(100, dtype=np.uint16)], tokenizer)
    good = path.read_bytes()
    chance = random.Random(1)
    for at in [*range(80), *chance.sample(range(80, len(good)), 40)]:
        data = bytearray(good)
        data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        with pytest.raises(TokenFileError):
            TokenFile(path, tokenizer).verify()
    for length in (0, 7, 79, 80, len(good) - 1, len(good) + 1):
        path.write_bytes((good + b"x")[:length])
        with pytest.raises(TokenFileError):
            TokenFile(path, tokenizer)
    with pytest.raises(TokenFileError, match="cannot be read"):
        TokenFile(tmp_path / "none")


def test_the_file_of_another_tokenizer_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write(tmp_path / "a.tokens", [ids(1)], tokenizer)
    with pytest.raises(TokenFileError, match="is of tokenizer"):
        TokenFile(tmp_path / "a.tokens", Tokenizer.shipped())


def test_documents_are_held_out_by_their_names(tmp_path: Path, tokenizer: Tokenizer) -> None:
    texts = [(f"book {n}", f"words of number {n} \xff".encode("latin-1")) for n in range(200)]
    sizes = prepare(texts, tmp_path, tokenizer, share=0.2, shard=300)
    found: dict[str, list[bytes]] = {"train": [], "valid": []}
    for name, size in sizes.items():
        file = TokenFile(tmp_path / name, tokenizer)
        file.verify()
        assert len(file.tokens) == size <= 300
        found[name[:5]] += [tokenizer.decode_bytes(part) for part in file.documents()]
    for kind, parts in found.items():
        assert parts == [data for name, data in texts if held_out(name, 0.2) == (kind == "valid")]
    assert 20 <= len(found["valid"]) <= 60

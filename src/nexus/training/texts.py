"""Texts that a person names, files or folders, as documents of tokens.

Knows which files are texts and how tokens are kept; knows no model. Invariants: the same names give the same
documents in the same order; what is left out is counted; what is empty or no text is refused by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nexus.core import atomic
from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.training.token_files import TokenFile, prepare
from nexus.transformer.tokenizer import Tokenizer

TEXTS: Final = frozenset(
    ".txt .md .rst .tex .py .rs .toml .yaml .yml .json .c .h .cpp .hpp .sh .js .ts .html .css".split()
)
TOKENS: Final = ".tokens"
_SOURCES: Final = "sources.json"
_HELD_OUT_FROM: Final = 50  # documents: of fewer, none is kept from training

Ids = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Found:
    """tokens: files of tokens. texts: name and place of each document. left_out: files that are neither."""

    tokens: tuple[Path, ...]
    texts: tuple[tuple[str, Path], ...]
    left_out: int


def found(paths: Sequence[Path], *, held_out: bool = False) -> Found:
    """What is at `paths`: files as they are, folders with all below them.

    Of a folder's token files those of training, with `held_out` those for validation where there are any.

    Raises `NotFoundError`, and `InvalidInputError` where there is nothing to read.
    """
    tokens: list[Path] = []
    texts: list[tuple[str, Path]] = []
    left_out = 0
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"{path} is not there", hint="name files or folders of text")
        if path.is_file():
            if path.suffix == TOKENS:
                tokens.append(path)
            else:
                texts.append((path.name, path))
            continue
        files = sorted(each for each in path.rglob("*") if each.is_file())
        made = [each for each in files if each.suffix == TOKENS]
        kept = [each for each in made if each.name.startswith("valid-")]
        tokens += (kept or made) if held_out else [each for each in made if each not in kept]
        named = [each for each in files if each.suffix in TEXTS]
        texts += [(each.relative_to(path).as_posix(), each) for each in named]
        left_out += len(files) - len(made) - len(named)
    if not tokens and not texts:
        raise InvalidInputError(
            f"no text in {', '.join(map(str, paths)) or 'nothing'}",
            hint=f"texts of a folder end in {', '.join(sorted(TEXTS))}; other files are named one by one",
        )
    return Found(tuple(tokens), tuple(texts), left_out)


def text(path: Path) -> bytes:
    """What is in a text. Raises `InvalidInputError` where it is empty or none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from error
    if not data.strip():
        raise InvalidInputError(f"{path} is empty", hint="name files that hold text")
    if b"\0" in data:
        raise InvalidInputError(
            f"{path} is no text: byte {data.index(0)} is 0", hint="name files of text, or of tokens"
        )
    return data


def documents(
    paths: Sequence[Path], tokenizer: Tokenizer, *, held_out: bool = True
) -> Iterator[tuple[str, Ids]]:
    """Name and tokens of each document. Raises `TokenFileError` and what `found` and `text` raise."""
    there = found(paths, held_out=held_out)
    for path in there.tokens:
        for number, ids in enumerate(TokenFile(path, tokenizer).documents()):
            yield f"{path.name}#{number}", ids
    for name, path in there.texts:
        yield name, tokenizer.encode(text(path))


def prepared(paths: Sequence[Path], folder: Path, tokenizer: Tokenizer) -> tuple[list[TokenFile], Found]:
    """Files of tokens to train on: those named, and `folder`'s, made of the named texts the first time.

    Raises `InvalidInputError` where `folder` was made of other texts.
    """
    there = found(paths)
    files = [TokenFile(path, tokenizer) for path in there.tokens]
    if not there.texts:
        return files, there
    stats = [(name, path.stat().st_size, path.stat().st_mtime_ns) for name, path in there.texts]
    now = hashlib.sha256(json.dumps([tokenizer.fingerprint(), stats]).encode()).hexdigest()
    made = folder / _SOURCES
    if made.exists():
        if made.read_text(encoding="utf-8").strip() != json.dumps({"sources": now}):
            raise InvalidInputError(
                f"{folder} was made of other texts than those named now",
                hint=f"name the same ones, or delete {folder}, or train into another folder",
            )
    else:
        share = 0.01 if len(there.texts) >= _HELD_OUT_FROM else 0.0
        prepare(((name, text(path)) for name, path in there.texts), folder, tokenizer, share=share)
        atomic.write_text(made, json.dumps({"sources": now}) + "\n")
    return files + [TokenFile(path, tokenizer) for path in sorted(folder.glob("train-*.tokens"))], there

"""Tokens of a text that is continued as it stands, or of a gap between two texts.

Does not know chats. Invariants: without a suffix the caller's text is all that the model reads, control
tokens included, behind the begin mark where the model wants one; with a suffix both texts are plain
text, and only the marks around them are control tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nexus.core.errors import InvalidInputError
from nexus.engine.local.names import Tokens

if TYPE_CHECKING:
    from nexus._engine import Tokenizer

# Before the text, before its suffix, before what is missing: as the families of models were trained.
FILL_MARKS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<|fim_begin|>", "<|fim_hole|>", "<|fim_end|>"),
)


def encode_raw(tokenizer: Tokenizer, prompt: str, suffix: str | None = None) -> Tokens:
    """The tokens, int32. Raises `InvalidInputError`, also where the model has no marks to fill a gap with."""
    try:
        if suffix is None:
            ids = tokenizer.encode(prompt, parse_special=True)
        else:
            first, second, third = _marks(tokenizer)
            ids = np.concatenate([first, tokenizer.encode(prompt), second, tokenizer.encode(suffix), third])
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"the prompt is not valid unicode at character {error.start}", hint="send whole characters"
        ) from None
    begin = tokenizer.bos
    if tokenizer.adds_bos and begin is not None and (not len(ids) or ids[0] != begin):
        ids = np.concatenate([np.array([begin], np.int32), ids])
    return ids


def _marks(tokenizer: Tokenizer) -> list[Tokens]:
    for words in FILL_MARKS:
        marks = [tokenizer.encode(word, parse_special=True) for word in words]
        if all(len(mark) == 1 for mark in marks):
            return marks
    raise InvalidInputError(
        "suffix: this model has no marks for filling a gap in a text",
        hint="leave suffix out, or take a model that was trained to, such as qwen2.5-coder",
    )

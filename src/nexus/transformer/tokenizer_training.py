"""Makes a vocabulary of text: byte-level BPE with rules for hex digits.

Knows nothing of where the text comes from. Invariant: every pair of lower-case hex digits, and of upper
case ones, is one token, whatever the text. With the splitting rules this bounds what an identifier costs:
in a piece of letters no two single hex digits stay side by side, so n hex digits are at most (2n + 2) / 3
tokens, and a UUID at most 26.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from nexus.transformer.errors import TransformerConfigError

# A run of hex digits that holds a decimal one goes two by two; decimal numbers, too. Words go whole with
# the blank before them, signs with the line ends behind them.
PATTERN: Final = "|".join(
    (
        r" ?[0-9][0-9a-f]",
        r" ?[0-9][A-F]",
        r" ?[a-f][0-9]",
        r" ?[A-F][0-9]",
        r" ?[a-f]{2}(?=[a-f]*[0-9])",
        r" ?[A-F]{2}(?=[A-F]*[0-9])",
        r" ?[0-9]",
        r"'(?:[sdmt]|ll|ve|re)(?!\p{L})",
        r" ?[\p{L}\p{M}]+",
        r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
        r"\p{N}",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
# The same for text that is ASCII, where Python's own engine is fast. Its `\s` has four signs more, so they
# are named.
ASCII_PIECE: Final = re.compile(
    PATTERN.replace(r"(?!\p{L})", "(?![A-Za-z])")
    .replace(r"|\p{N}|", "|")
    .replace(r"[^\s\p{L}\p{M}\p{N}]", r"[^\t-\r A-Za-z0-9]")
    .replace(r"[\p{L}\p{M}]", "[A-Za-z]")
    .replace(r"\s", r"[\t-\r ]")
    .replace(r"\S", r"[^\t-\r ]")
)
_PAIRS: Final = sorted(
    {a + b for digits in ("0123456789abcdef", "0123456789ABCDEF") for a, b in product(digits, repeat=2)}
)


def trained(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A tokenizer of `vocabulary` tokens, none of them special: no text can spell one that is.

    Raises `TransformerConfigError` where so few tokens leave no room for the pairs.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_with_pairs(texts), trainer)
    if missing := [pair for pair in _PAIRS if tokenizer.token_to_id(pair) is None]:
        raise TransformerConfigError(
            f"{vocabulary} ids have no room for {len(missing)} of {len(_PAIRS)} pairs of hex digits",
            hint="ask for a larger one",
        )
    return tokenizer


def _with_pairs(texts: Iterable[str]) -> Iterator[str]:
    """The texts, and each pair of hex digits so often that it becomes a token.

    Pairs of two letters are words of their own to the splitting rules, so a line end goes between them.
    """
    total = 0
    for text in texts:
        total += len(text)
        yield text
    # Oftener than the last of a few thousand merges, seldomer than words that matter.
    times = max(8, total // 20_000)
    for pair in _PAIRS:
        yield "\n".join([pair] * times)

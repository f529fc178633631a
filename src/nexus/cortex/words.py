"""Words to sparse vectors, so that the product of two of them is BM25.

A passage carries the part of BM25 that depends on it alone (how often, in how long a text), a question
the part that depends on the collection (how rare). Stored vectors therefore never change because
other documents came or went. A word is a lower-case English stem, numbered by its hash; parts of
identifiers count beside the whole, so that "retry count" finds `retryCount`. Knows nothing of stores.
"""

from __future__ import annotations

import math
import re
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

import numpy as np
import Stemmer

from nexus.cortex.indexer import Sparse

# Robertson's k1 and b. The mean length is a constant, so that a vector stays as it is when others
# come; 80 words measured better on turns than their true mean (bench/fit_weights.py).
K1, B, MEAN_WORDS = 1.2, 0.75, 80
_LONGEST = 64
_MOST = 64
_WORD = re.compile(r"\w+", re.UNICODE)
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_MIXED = re.compile(r"_|[^\W\d_]\d|\d[^\W\d_]|(?<=\w)[A-Z]")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+")
# Question words and pronouns belong here: leaving them in costs 4 to 8 points of recall on turns.
STOP_WORDS = frozenset(
    "a about ain am an and any are aren as at be been but by can could couldn d did didn do does doesn don"
    " for from get had hadn has hasn have haven he her him his hers how i if im in into is isn it its ll m me"
    " my no not of on or our please re s she should shouldn so some t tell than that the their them then"
    " there these they this to too up us use using ve was wasn we were weren what when where which who why"
    " will with won would wouldn you your".split()
)
_stemmers = threading.local()


def words_of(text: str) -> Iterator[str]:
    """The words of a text in order, lower case, parts after their identifier, stop words left out."""
    return chain.from_iterable(map(_forms, _WORD.findall(_POSSESSIVE.sub("", text))))


@lru_cache(maxsize=20_000)
def _forms(word: str) -> tuple[str, ...]:
    """What one word is searched as: itself, and the parts of an identifier."""
    lower = word.lower()
    # What is longer is no word that anybody types: a hash, or base64.
    forms = [] if lower in STOP_WORDS else [lower[:_LONGEST]]
    if _MIXED.search(word):
        parts = [part.lower() for part in _PART.findall(word[: 4 * _LONGEST])]
        if len(parts) > 1:
            forms += [part[:_LONGEST] for part in parts if part not in STOP_WORDS]
    return tuple(forms)


@lru_cache(maxsize=50_000)
def number(word: str) -> int:
    """The number of a word: the hash of its stem, 32 bits."""
    return zlib.crc32(_stemmer().stemWord(word).encode("utf-8", "surrogatepass"))


def terms(text: str) -> tuple[int, ...]:
    """The numbers of the distinct words of a text."""
    return tuple(dict.fromkeys(number(word) for word in words_of(text)))


def passage(text: str) -> Sparse:
    """The stored half of BM25 for a text."""
    counts = Counter(number(word) for word in words_of(text))
    indices = np.fromiter(counts.keys(), np.uint32, len(counts))
    often = np.fromiter(counts.values(), np.float32, len(counts))
    norm = np.float32(K1 * (1 - B + B * counts.total() / MEAN_WORDS))
    return Sparse(indices, often * np.float32(K1 + 1) / (often + norm))


def question(text: str) -> list[str]:
    """The words of a question worth looking for, at most 64; a word said twice stands there twice."""
    return list(words_of(text))[:_MOST]


def rarity(total: int, frequency: int) -> float:
    """Inverse document frequency of a word that occurs in `frequency` of `total` chunks."""
    return math.log(1 + max(0.0, total - frequency + 0.5) / (frequency + 0.5))


def weighted(numbers: Sequence[int], rarities: Sequence[float]) -> Sparse:
    """The asked half of BM25; a word asked twice counts twice."""
    weights: dict[int, float] = {}
    for word, weight in zip(numbers, rarities, strict=True):
        weights[word] = weights.get(word, 0.0) + weight
    return Sparse(
        np.fromiter(weights.keys(), np.uint32, len(weights)),
        np.fromiter(weights.values(), np.float32, len(weights)),
    )


def forget() -> None:
    """Give back what is kept of words that were seen: some megabytes after documents were added."""
    _forms.cache_clear()
    number.cache_clear()


def _stemmer() -> Stemmer.Stemmer:
    # One for each thread: the library's object keeps its buffers between calls.
    if not hasattr(_stemmers, "english"):
        # Without a cache of its own, in each thread: `number` keeps what was stemmed, for all of them.
        _stemmers.english = Stemmer.Stemmer("english", 0)
    stemmer: Stemmer.Stemmer = _stemmers.english
    return stemmer

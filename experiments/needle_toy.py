"""Toy streams in which what surprises and what is useful are not the same: V67, V68 and V64.

48 noise symbols, 12 that begin a key, and two marks. A needle is SAID key key answer.., later asked as ASKED
key key answer..; each is said once and asked once, and no needle crosses a chunk of 128. Knows nothing of
models. Invariant: the same seed gives the same streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

VOCABULARY: Final = 64
NOISE: Final = 48
FIRST: Final = 12  # symbols that begin a key
SAID: Final = 60
ASKED: Final = 61
CHUNK: Final = 128


@dataclass(frozen=True)
class Toy:
    """tokens: int64 [B, length + 1]. asked: bool [B, length], where the next token is part of an answer."""

    tokens: Tensor
    asked: Tensor


def toy(streams: int, length: int, needles: int, seed: int, answer: int = 1) -> Toy:
    """Needles with answers of `answer` symbols in streams of whole chunks.

    All are said before the first is asked: of twice as many random places the first half says, the second
    asks in another order.
    """
    random = np.random.default_rng(seed)
    room = 1 << (3 + answer - 1).bit_length()  # a needle lies within so many tokens
    tokens = random.integers(0, NOISE, (streams, length + 1))
    asked = np.zeros((streams, length), bool)
    for stream in range(streams):
        keys = random.permutation(FIRST * NOISE)[:needles]
        answers = random.integers(0, NOISE, (needles, answer))
        places = np.sort(random.permutation(length // room)[: 2 * needles]) * room
        # A needle stands at the end of its room, so that what follows its answer is noise.
        places += room - (3 + answer)
        order = [*range(needles), *random.permutation(needles).tolist()]
        for number, (place, which) in enumerate(zip(places, order, strict=True)):
            mark = SAID if number < needles else ASKED
            words = [mark, NOISE + keys[which] // NOISE, keys[which] % NOISE, *answers[which]]
            tokens[stream, place : place + len(words)] = words
            if mark == ASKED:
                asked[stream, place + 2 : place + 2 + answer] = True
    return Toy(torch.from_numpy(tokens), torch.from_numpy(asked))

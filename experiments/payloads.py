"""One entry with a long payload, or a chain of entries with short ones: V45.

Facts with UUIDs are said in held-out books; the n-gram that ends before every `payload`-th token of an answer
gets an entry, and nothing else does. Then each question is followed greedily by the product's pointer alone:
where no run says what comes next, the answer is wrong. No model takes part.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.run import spread
from nexus.core.errors import InvalidInputError
from nexus.training.episodes import Episode, episode, natural
from nexus.training.facts import draw
from nexus.transformer.lexical import NOTHING, Lexical
from nexus.transformer.pointer import NONE, Hits, runs
from nexus.transformer.rsm import chunked, read
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.writes import Writes
from nexus.transformer.tokenizer import Tokenizer

CHUNK: Final = 1024
_TEXT: Final = 1_000_000  # bytes of books, from which each seed takes its part


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with `sets`, `ways`, `payload`, and `orders`: n-grams of these lengths, an entry each.

    A run is a salt, with facts and text of its own.
    """
    torch.set_num_threads(1)
    tokenizer, found = Tokenizer.shipped(), dict[str, list[dict[str, float]]]()
    text = tokenizer.encode(_books()).astype(np.int64)
    for salt in config["salts"]:
        chance = random.Random(salt)
        facts = draw(config["facts"], ["uuid"], "eval", chance)
        made = episode(
            config["length"],
            facts,
            lambda words: tokenizer.encode(words).tolist(),
            natural(text),
            chance,
            apart=CHUNK,
        )
        for name, row in config["rows"].items():
            found.setdefault(name, []).append(_one(made, row, salt))
    return {
        name: {figure: spread([each[figure] for each in runs_]) for figure in runs_[0]}
        for name, runs_ in found.items()
    }


def _books() -> bytes:
    files = sorted((Path(os.environ.get("NEXUS_DATA", "")) / "books" / "eval").glob("*.txt"))
    text = b"".join(path.read_bytes() for path in files[:20])[:_TEXT]
    if len(text) < _TEXT:
        raise InvalidInputError(
            f"NEXUS_DATA is {os.environ.get('NEXUS_DATA', '')!r} and holds no books/eval",
            hint="name the folder with the data sets (docs/guides/benchmarks.md)",
        )
    return text


def _one(made: Episode, row: dict[str, Any], salt: int) -> dict[str, float]:
    shape = Shape(sets=row["sets"], ways=row["ways"], payload=row["payload"])
    lexical, memory = Lexical(row["orders"], shape.sets, salt), Entries.empty(shape, 1)
    written = write(memory, lexical, made)
    exact = followed(memory, lexical, made)
    return {
        "exact": exact,
        "entries": float(memory.occupied()[0]),
        "writes": float(written),
        "kB of memory": memory.bytes() / 1000,
    }


def write(memory: Entries, lexical: Lexical, made: Episode) -> int:
    """Say the stream to the memory; the number of writes."""
    shape, count = memory.shape, 0
    starts = sorted(
        place
        for each in made.asked
        for place in range(
            each.said + each.answer - each.asked, each.said + each.end - each.asked, shape.payload
        )
    )
    tokens, before = torch.from_numpy(made.tokens)[None], lexical.begin(1)
    after = functional.pad(tokens[0], (0, shape.payload), value=NONE).unfold(0, shape.payload, 1).int()
    for begin in range(0, tokens.shape[1], CHUNK):
        piece = tokens[:, begin : begin + CHUNK]
        sets, tags, before = lexical.addresses(piece, before)
        # The n-gram ends at the token before the payload's first.
        ends = torch.tensor([p - 1 for p in starts if begin <= p - 1 < begin + CHUNK], dtype=torch.int64)
        orders = len(lexical.orders)
        n, time = len(ends) * orders, ends.repeat_interleave(orders)
        writes = Writes(
            stream=torch.zeros(n, dtype=torch.int64),
            set=sets[0, ends - begin].flatten(),
            tag=tags[0, ends - begin].flatten(),
            gate=torch.ones(n),
            key=torch.zeros(n, shape.key_width),
            value=torch.zeros(n, shape.value_width),
            payload=after[time + 1],
            place=time + 1,
            time=time,
            priority=torch.zeros(n),
        )
        chunked.write_(memory, writes, piece.shape[1])
        count += n
    return count


def followed(memory: Entries, lexical: Lexical, made: Episode) -> float:
    """The share of answers that the pointer gives word for word."""
    right, width = 0, memory.shape.payload
    for each in made.asked:
        question = made.tokens[each.asked : each.answer].tolist()
        wanted = made.tokens[each.answer : each.end].tolist()
        line = [NOTHING] * (width + lexical.past) + question
        for word in wanted:
            said = _next(memory, lexical, torch.tensor([line]), len(made.tokens))
            if said != word:
                break
            line.append(said)
        else:
            right += 1
    return right / len(made.asked)


def _next(memory: Entries, lexical: Lexical, line: Tensor, position: int) -> int:
    """What the best run at the last token says."""
    width = memory.shape.payload
    line = line[:, -(width + lexical.past) :]
    sets, tags, _ = lexical.addresses(line, lexical.begin(1))
    found = read.exact(memory, sets, tags)
    # The longest n-gram that has an entry; `orders` has the shortest first.
    longest = (found.hit * torch.arange(1, len(lexical.orders) + 1)).argmax(-1, keepdim=True)
    payload = found.payload.take_along_dim(longest[..., None], 2)[:, :, 0].long()
    place = found.place.take_along_dim(longest, 2)[..., 0]
    order = torch.where(found.hit.any(-1), torch.tensor(lexical.orders)[longest[..., 0]], 0)
    run_ = runs(Hits(payload, place, order), line, torch.tensor([position]))
    return int(run_.token[0, -1])

"""Which words of a book are worth an entry, told from hidden states alone: V66, V66b.

A window (NEXUS_WEIGHTS) reads held-out books; a `SurprisalHead` learns on its hidden states of other books to
rank tokens by their surprisal. An event is V65's: a rare word, back after more than 1,024 tokens; recalled is
one whose entry is there. In V66 every row but V65's writes so many tokens a chunk that it takes `share` of
V65's entries on the text that the head learns from; what it takes of the held-out text is reported. In V66b
the memory has but `share` of the entries that V65 takes, and LRU chooses; the head writes as many tokens as
recall most on the text that it learns from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from experiments import stream, weights
from experiments.run import spread
from nexus.training.muon import optimizer_for
from nexus.transformer.backbone import Backbone
from nexus.transformer.gates import Context, Gate, RankGate, SurprisalHead, ranking_loss, select
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.tokenizer import Tokenizer

CHUNK: Final = stream.CHUNK
BATCH: Final = 2048  # positions of a step of the head


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """ids int64 [B, T]; hidden [B, T, d] in half precision; nats [B, T]: how surprising each token was."""

    ids: Tensor
    hidden: Tensor
    nats: Tensor


@torch.no_grad()
def read(backbone: Backbone, ids: Tensor) -> Text:
    """Read int64 [B, T], whole chunks, as B streams."""
    hidden, nats, past = [], [], None
    last = torch.zeros(len(ids), 1, backbone.config.width)  # nothing stands before a stream
    for piece in torch.split(ids, CHUNK, dim=1):
        now, past = backbone(piece, past)
        before = torch.cat([last, now[:, :-1]], 1)
        rows = [
            functional.cross_entropy(backbone.logits(states), row, reduction="none")
            for states, row in zip(before, piece, strict=True)
        ]
        nats.append(torch.stack(rows))
        hidden.append(now.half())
        last = now[:, -1:]
    return Text(ids, torch.cat(hidden, 1), torch.cat(nats, 1))


def learnt(text: Text, steps: int, rate: float) -> SurprisalHead:
    """A head that ranks the positions of a text."""
    hidden, nats = text.hidden.flatten(0, 1), text.nats.flatten()
    head = SurprisalHead(hidden.shape[1], orders=1)
    optimizer = optimizer_for(head, adam_lr=rate)
    for _ in range(steps):
        at = torch.randint(0, len(nats), (BATCH,))
        optimizer.zero_grad()
        torch.autograd.backward(ranking_loss(head.score(hidden[at].float()), nats[at]))
        optimizer.step()
    return head


@torch.no_grad()
def in_order(head: SurprisalHead, text: Text) -> float:
    """Of two positions of a text, how often the more surprising has the higher score."""
    one, two = torch.randint(0, text.nats.numel(), (2, 10 * BATCH))
    scores = head.score(text.hidden.flatten(0, 1)[torch.cat([one, two])].float()).view(2, -1)
    nats = text.nats.flatten()
    return float(((scores[0] > scores[1]) == (nats[one] > nats[two])).float().mean())


@torch.no_grad()
def scored(gate: Gate, text: Text) -> Tensor:
    """Priorities [B, T]. An entry's key is its token; neither gate here looks at what follows."""
    chunks = zip(*(torch.split(x, CHUNK, 1) for x in (text.ids, text.hidden)), strict=True)
    return torch.cat([gate(Context(i, i, *[h.float()] * 3))[..., 0] for i, h in chunks], 1)


def chosen(scores: Tensor, budget: int) -> Tensor:
    """bool [B, T]: the best `budget` of each chunk."""
    return select(scores.reshape(-1, CHUNK, 1), budget).view_as(scores)


def keys(text: Text, kept: Tensor) -> int:
    """Different tokens among the chosen ones: the entries that they take."""
    return sum(len(row[which].unique()) for row, which in zip(text.ids, kept, strict=True))


def largest(text: Text, scores: Tensor, most: float) -> int:
    """The largest budget that takes at most so many entries."""
    low, high = 0, CHUNK
    while low < high:
        middle = (low + high + 1) // 2
        if keys(text, chosen(scores, middle)) <= most:
            low = middle
        else:
            high = middle - 1
    return low


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with `by`, what ranks the tokens; a run is a seed and a stream."""
    torch.set_num_threads(1)
    trained, length = weights.trained(), config["length"]
    held = read(trained.backbone, torch.from_numpy(weights.rows("valid", config["streams"], length)))
    other = read(trained.backbone, torch.from_numpy(weights.rows("train", 1, length)))
    rows = (within if "budgets" in config else compared)(held, other, config)
    return {name: figures | {"steps": trained.step} for name, figures in rows.items()}


def within(held: Text, other: Text, config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The gates on `held` in a memory that is too small for V65; what is learnt or set is of `other`."""
    rank = RankGate(torch.from_numpy(~Tokenizer.shipped().mass80), orders=1)
    found: dict[str, dict[str, list[float]]] = {}
    for salt in config["salts"]:
        torch.manual_seed(salt)
        head = learnt(other, config["steps"], config["rate"])
        table = [chosen(scored(rank, text), CHUNK) for text in (held, other)]
        most = [len(row[which].unique()) for row, which in zip(held.ids, table[0], strict=True)]
        ways = 8
        shape = Shape(
            sets=int(config["share"] * min(most) / ways), ways=ways, key_width=1, value_width=1, payload=0
        )

        def kept(text: Text, gate: Tensor, wanted: Tensor, shape: Shape = shape, salt: int = salt) -> Any:
            return stream.run(text.ids.numpy(), gate.numpy(), shape, salt=salt, wanted=wanted.numpy())

        of_head = [scored(head, text) for text in (held, other)]
        tried = {
            budget: kept(other, chosen(of_head[1], budget), table[1])["recall"][0]
            for budget in config["budgets"]
        }
        budget = max(tried, key=lambda each: tried[each])
        for name, row in config["rows"].items():
            gate = {
                "table": table[0],
                "head": chosen(of_head[0], budget),
                "chance": chosen(torch.rand(held.ids.shape), budget),
                "all": torch.ones_like(table[0]),
            }[row["by"]]
            result = kept(held, gate, table[0])
            figures = {
                "recall": result["recall"],
                "entries": [float(each) for each in result["occupied"]],
                "of V65's entries": [mine / its for mine, its in zip(result["occupied"], most, strict=True)],
                "writes a token": gate.float().mean(1).tolist(),
            }
            for figure, runs in figures.items():
                found.setdefault(name, {}).setdefault(figure, []).extend(runs)
    return _spread(found)


def compared(held: Text, other: Text, config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The gates on `held`; what is learnt or set is of `other`."""
    rank = RankGate(torch.from_numpy(~Tokenizer.shipped().mass80), orders=1)
    shape = Shape(key_width=1, value_width=1, payload=0)
    found: dict[str, dict[str, list[float]]] = {}
    for salt in config["salts"]:
        torch.manual_seed(salt)
        head = learnt(other, config["steps"], config["rate"])
        ranked: dict[str, list[Tensor]] = {
            "table": [scored(rank, text) for text in (held, other)],
            "head": [scored(head, text) for text in (held, other)],
            "surprisal": [text.nats for text in (held, other)],
            "chance": [torch.rand(text.ids.shape) for text in (held, other)],
        }
        ranked["table, chance"] = [a + b for a, b in zip(ranked["table"], ranked["chance"], strict=True)]
        wanted, table = (chosen(scores, CHUNK) for scores in ranked["table"])
        most = keys(other, table) * config["share"]
        full: list[int] = []
        for name, row in config["rows"].items():
            of_held, of_other = ranked[row["by"]]
            budget = CHUNK if row["by"] == "table" else largest(other, of_other, most)
            gate = chosen(of_held, budget)
            kept = stream.run(held.ids.numpy(), gate.numpy(), shape, salt=salt, wanted=wanted.numpy())
            occupied = kept["occupied"]
            full = full or occupied  # V65 comes first
            figures = {
                "recall": kept["recall"],
                "entries": [float(each) for each in occupied],
                "of V65's entries": [mine / its for mine, its in zip(occupied, full, strict=True)],
                "writes a token": gate.float().mean(1).tolist(),
            }
            if row["by"] == "head":
                figures["pairs in order"] = [in_order(head, held)]
            for figure, runs in figures.items():
                found.setdefault(name, {}).setdefault(figure, []).extend(runs)
    return _spread(found)


def _spread(found: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, Any]]:
    return {name: {figure: spread(runs) for figure, runs in row.items()} for name, row in found.items()}

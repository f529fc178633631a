"""Whether a query finds the earlier mention among 1,024 keys: V52.

Knows the lane and frozen states. Invariant: of 1,024 pairs no two are of the same word, and no negative is.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from experiments import states
from experiments.run import spread
from experiments.states import Text
from nexus.transformer.mentions import Mentions, mentions
from nexus.transformer.semantic import SemanticLane, normed

PAIRS: Final = 1024


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with `by` and `behind`: whether the word was said when it is asked."""
    on, held = (states.text(part, *config[part]) for part in ("train", "valid"))
    found: dict[str, dict[str, list[float]]] = {
        name: {figure: [] for figure in config["figures"]} for name in config["rows"]
    }
    for salt in config["salts"]:
        lanes = {"untrained": _untrained(on, salt), "trained": states.trained(on, salt, config["steps"])}
        asked = _distinct(mentions(held.tokens, states.rare()), held, salt)
        for name, row in config["rows"].items():
            if row["by"] == "window":
                found[name]["in batch"].append(_guessed(held, asked))
                continue
            in_batch, hard = _right(lanes[row["by"]], held, asked, int(row["behind"]), salt)
            found[name]["in batch"].append(in_batch)
            found[name]["same document"].append(hard)
        print(f"  salt {salt}: { ({n: f['in batch'][-1] for n, f in found.items()}) }", flush=True)
    return {
        name: {figure: spread(runs) for figure, runs in figures.items() if runs}
        for name, figures in found.items()
    }


def _untrained(on: Text, salt: int) -> SemanticLane:
    torch.manual_seed(salt)
    return SemanticLane(on.hidden.shape[-1], states.SHAPE).eval()


def _distinct(every: Mentions, held: Text, salt: int) -> Mentions:
    """A pair each of PAIRS words, drawn."""
    inside = (every.earlier > 0) & (every.later + 1 < held.tokens.shape[1])
    draw = torch.Generator().manual_seed(salt)
    order = torch.randperm(len(every), generator=draw)
    order = order[inside[order]]
    seen: dict[int, int] = {}
    for index, name in zip(order.tolist(), every.name[order].tolist(), strict=True):
        seen.setdefault(name, index)
    chosen = every.chosen(torch.tensor(list(seen.values())[:PAIRS]))
    assert len(chosen) == PAIRS, f"only {len(chosen)} words come back"
    return chosen


@torch.no_grad()
def _right(lane: SemanticLane, held: Text, asked: Mentions, kind: int, salt: int) -> tuple[float, float]:
    """The share that found its key among those of all pairs, and among 1,023 others of its document."""
    query = lane.queries(normed(held.hidden[asked.row, asked.later + kind - 1]))
    scores = query @ states.keys_at(lane, held, asked.row, asked.earlier + kind).T
    own = scores.diagonal()
    in_batch = float((scores.argmax(-1) == torch.arange(PAIRS)).float().mean())
    draw, right = torch.Generator().manual_seed(salt), 0
    for row in range(len(held.tokens)):
        mine = (asked.row == row).nonzero().flatten()
        place = torch.randperm(held.tokens.shape[1] - 1, generator=draw)[: PAIRS - 1] + 1
        others = query[mine] @ states.keys_at(lane, held, torch.full_like(place, row), place).T
        same = held.tokens[row, place - kind] == asked.name[mine][:, None]
        right += int((own[mine] > others.masked_fill(same, -2.0).amax(-1)).sum())
    return in_batch, right / PAIRS


@torch.no_grad()
def _guessed(held: Text, asked: Mentions) -> float:
    """How often the window alone holds the right word for the likeliest of the 1,024."""
    _, backbone = states.weights()
    logits: Tensor = backbone.logits(held.hidden[asked.row, asked.later - 1].float())[:, asked.name]
    return float((logits.argmax(-1) == torch.arange(PAIRS)).float().mean())

"""Which gate still knows at 64 times the length that it was trained at: V67, V68.

A small Nexus (the product's, with another window: the last four tokens) learns on the toy stream by the
product's objective; its memory holds 256 entries. Then the same weights read longer streams, each row with
its gate and its replacement; all but `all` may write 10 of 128 tokens.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments import jobs
from experiments.needle_toy import CHUNK, SAID, VOCABULARY, toy
from experiments.run import spread
from nexus.training.muon import optimizer_for
from nexus.training.objective import minimise
from nexus.transformer.backbone import Backbone, WindowCache
from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.gates import NEVER, Context, EveryGate, Gate, SurprisalHead, ranking_loss
from nexus.transformer.model import Nexus, Writing

BUDGET: Final = 10  # of the 128 tokens of a chunk
STREAMS: Final = 16
RANKED: Final = 60  # steps in which the surprisal head learns
SEEN: Final = 4  # tokens that the window sees

CONFIG: Final = Config(
    width=64,
    layers=1,
    heads=2,
    kv_heads=1,
    vocabulary=VOCABULARY,
    embedding=64,
    window=CHUNK,
    chunk=CHUNK,
    memory=MemoryConfig(
        sets=32, ways=8, key_width=8, value_width=64, payload=1, orders=(2,), replacement="priority"
    ),
)


class Near(Backbone):
    """Instead of attention a convolution over the last `SEEN` tokens: it cannot remember, and is quick."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        width = config.width
        self.layers = nn.ModuleList([nn.Linear(SEEN * config.embedding, width), nn.Linear(width, width)])

    def forward(self, tokens: Tensor, past: WindowCache | None = None) -> tuple[Tensor, WindowCache]:
        now = self.table(tokens)
        before = now.new_zeros(len(now), SEEN - 1, now.shape[2]) if past is None else past.keys[0]
        line = torch.cat([before, now], 1)
        hidden = functional.gelu(self.layers[0](line.unfold(1, SEEN, 1).flatten(2)))
        position = tokens.shape[1] + (0 if past is None else past.position)
        kept = (line[:, 1 - SEEN :],)
        return hidden + functional.gelu(self.layers[1](hidden)), WindowCache(kept, kept, position)


class RandomGate(nn.Module):
    """Any token is as good as another."""

    def forward(self, seen: Context) -> Tensor:
        return torch.rand(*seen.key.shape, 1)


class OracleGate(nn.Module):
    """Knows the mark: the answer stands three tokens behind it."""

    def forward(self, seen: Context) -> Tensor:
        said = functional.pad(seen.key, (2, 0), value=-1)[:, :-2] == SAID
        return torch.where(said, 1.0, NEVER)[..., None]


class Positive(nn.Module):
    """The surprisal head as a priority, which is never below 0; the order stays."""

    def __init__(self, head: SurprisalHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, seen: Context) -> Tensor:
        return functional.softplus(self.head(seen))


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with `gate` and `replacement`; one run a seed."""
    found = jobs.done({"rows": {"": {}}, "salts": config["salts"]}, _one, config)
    rows: dict[str, dict[str, Any]] = {}
    for name in config["rows"]:
        runs = [found["", salt][name] for salt in config["salts"]]
        rows[name] = {figure: spread([each[figure] for each in runs]) for figure in runs[0]}
    return rows


def _one(config: dict[str, Any], row: dict[str, Any], salt: int) -> dict[str, dict[str, float]]:
    torch.set_num_threads(1)
    torch.manual_seed(salt)
    model, head = trained(config, salt)
    rows: dict[str, dict[str, float]] = {}
    for name, row in config["rows"].items():
        rows[name] = {}
        for times, needles in config["lengths"]:
            given = toy(config["streams"], times * config["length"], needles, seed=1_000 * (salt + 1) + times)
            recall, written = recalled(model, head, row, given.tokens, given.asked)
            rows[name] |= {f"{times}x": recall, "writes a token": written}
    return rows


def trained(config: dict[str, Any], seed: int) -> tuple[Nexus, SurprisalHead]:
    """A Nexus whose gate learns what is asked, and a head that learns what surprises it."""
    model = Nexus(CONFIG)
    model.backbone = Near(CONFIG)
    model.writing = Writing(model.regret, budget=BUDGET, explore=config["explore"])
    optimizer = optimizer_for(model, lr=config["rate"], adam_lr=config["adam_rate"])
    for step in range(config["steps"]):
        given = toy(STREAMS, config["length"], config["needles"], seed=seed * 100_000 + step)
        optimizer.zero_grad()
        minimise(model, given.tokens, asked=given.asked)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    head = SurprisalHead(CONFIG.width, orders=1)
    ranked = optimizer_for(head, adam_lr=config["adam_rate"])
    for step in range(RANKED):
        given = toy(STREAMS, CHUNK * 2, 8, seed=seed * 100_000 + 50_000 + step)
        with torch.no_grad():
            hidden, _ = model.backbone(given.tokens, None)
            nats = functional.cross_entropy(
                model.backbone.logits(hidden[:, :-1]).flatten(0, 1),
                given.tokens[:, 1:].flatten(),
                reduction="none",
            )
        ranked.zero_grad()
        torch.autograd.backward(ranking_loss(head.score(hidden[:, 1:]).flatten(), nats))
        ranked.step()
    return model, head


@torch.no_grad()
def recalled(
    model: Nexus, head: SurprisalHead, row: dict[str, Any], tokens: Tensor, asked: Tensor
) -> tuple[float, float]:
    """The share of answers that are right, and entries written a token."""
    memory = replace(CONFIG.memory, replacement=row["replacement"], priority_halflife=row.get("halflife", 0))
    reader = Nexus(replace(CONFIG, memory=memory))
    reader.backbone = Near(CONFIG)
    reader.load_state_dict(model.state_dict())
    gates: dict[str, Gate] = {
        "regret": reader.regret,
        "surprisal": Positive(head),
        "random": RandomGate(),
        "all": EveryGate(orders=1),
        "oracle": OracleGate(),
    }
    budget, least = (CHUNK, NEVER) if row["gate"] == "all" else (BUDGET, 0.0)
    reader.writing = Writing(gates[row["gate"]], budget, least)
    state, right, written = reader.start(len(tokens)), 0, 0
    for at, piece in reader.steps(tokens[:, :-1], state):
        out = reader(piece, state, reuse=True)
        state = out.state
        written += len(out.written.writes)
        here = asked[:, at : at + CHUNK]
        if here.any():
            said = reader.log_p(out).argmax(-1)
            right += int((said == tokens[:, at + 1 : at + 1 + CHUNK])[here].sum())
    return right / int(asked.sum()), written / asked.numel()

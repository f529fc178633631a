"""Which gate still knows at 64 times the length that it was trained at: V67, V68.

A small Nexus (the product's, with another window: the last four tokens) learns on the toy stream by the
product's objective; its memory holds 256 entries. Then the same weights read longer streams, each row with
its gate and its replacement; all but `all` may write 10 of 128 tokens.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from experiments import jobs
from experiments.needle_toy import CHUNK, SAID, VOCABULARY, Toy, toy
from experiments.run import spread
from nexus.training.muon import optimizer_for
from nexus.training.objective import minimise
from nexus.transformer import tensor_file
from nexus.transformer.backbone import Backbone, WindowCache
from nexus.transformer.config import Config, MemoryConfig, Replacement
from nexus.transformer.gates import NEVER, Context, EveryGate, Gate, SurprisalHead, ranking_loss, select
from nexus.transformer.model import Nexus
from nexus.transformer.step import Writing

BUDGET: Final = 10  # of the 128 tokens of a chunk
STREAMS: Final = 16
RANKED: Final = 60  # steps in which the surprisal head learns
SEEN: Final = 4  # tokens that the window sees
TRAINED: Final = ("length", "needles", "steps", "explore", "rate", "adam_rate")  # what training depends on
KEPT: Final = Path(__file__).resolve().parents[1] / "build" / "experiments"

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
    """Any token is as good as another, and the later one is better: no priority stays."""

    def forward(self, seen: Context) -> Tensor:
        priority = torch.rand(*seen.key.shape, 1)
        return torch.where(select(priority, BUDGET), 0.0, NEVER)


class OracleGate(nn.Module):
    """Knows the mark: the answer stands three tokens behind it."""

    def forward(self, seen: Context) -> Tensor:
        said = functional.pad(seen.key, (2, 0), value=-1)[:, :-2] == SAID
        return torch.where(said, 1.0, NEVER)[..., None]


class Within(nn.Module):
    """The best `BUDGET` of a chunk; a priority is never below 0, so a head's scores go through softplus."""

    def __init__(self, gate: Gate, scores: bool) -> None:
        super().__init__()
        self.gate, self.scores = gate, scores

    def forward(self, seen: Context) -> Tensor:
        priority = self.gate(seen)
        if self.scores:
            priority = functional.softplus(priority)
        return torch.where(select(priority, BUDGET, 0.0), priority, NEVER)


class Beside(nn.Module):
    """Gates side by side: each has the same number of streams. Saves a pass for each."""

    def __init__(self, gates: list[Gate]) -> None:
        super().__init__()
        self.gates = gates

    def forward(self, seen: Context) -> Tensor:
        each = len(seen.key) // len(self.gates)
        parts = zip(*(getattr(seen, field.name).split(each) for field in fields(seen)), strict=True)
        return torch.cat([gate(Context(*part)) for gate, part in zip(self.gates, parts, strict=True)])


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with `gate`, `replacement`, `halflife` and `explore`; one run a seed."""
    found = jobs.done({"rows": {"": {}}, "salts": config["salts"]}, _one, config)
    rows: dict[str, dict[str, Any]] = {}
    for name in config["rows"]:
        runs = [found["", salt][name] for salt in config["salts"]]
        rows[name] = {figure: spread([each[figure] for each in runs]) for figure in runs[0]}
    return rows


def _one(config: dict[str, Any], row: dict[str, Any], salt: int) -> dict[str, dict[str, float]]:
    torch.set_num_threads(1)
    torch.manual_seed(salt)
    rows: dict[str, dict[str, float]] = {name: {} for name in config["rows"]}
    alike: dict[tuple[float, Replacement, int], list[str]] = {}
    for name, row in config["rows"].items():
        explore = row.get("explore", config["explore"])
        alike.setdefault((explore, row["replacement"], row.get("halflife", 0)), []).append(name)
    for (explore, replacement, halflife), names in alike.items():
        model, head = kept(config | {"explore": explore}, salt)
        for times, needles in config["lengths"]:
            length, seed = times * config["length"], 1_000 * (salt + 1) + times
            given = toy(config["streams"], length, needles, seed)
            gates = [config["rows"][name]["gate"] for name in names]
            found = recalled(model, head, gates, replacement, halflife, given)
            for name, (recall, written) in zip(names, found, strict=True):
                rows[name] |= {f"{times}x": recall, "writes a token": written}
    return rows


def kept(config: dict[str, Any], seed: int) -> tuple[Nexus, SurprisalHead]:
    """`trained`, or what was trained with the same numbers before."""
    numbers = {name: config[name] for name in TRAINED} | {"seed": seed, "model": CONFIG.fingerprint()}
    digest = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:16]
    path = KEPT / f"regret-{digest}.safetensors"
    if not path.exists():
        model, head = trained(config, seed)
        both = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensor_file.save(
            path, both | {f"head.{name}": value for name, value in head.state_dict().items()}, {}
        )
    model, head = made()
    both = load_file(path)
    for part, module in (("model.", model), ("head.", head)):
        module.load_state_dict(
            {name.removeprefix(part): value for name, value in both.items() if name.startswith(part)}
        )
    return model, head


def made(memory: MemoryConfig = CONFIG.memory) -> tuple[Nexus, SurprisalHead]:
    """A Nexus and a head that have learnt nothing."""
    model = Nexus(replace(CONFIG, memory=memory))
    model.backbone = Near(CONFIG)
    return model, SurprisalHead(CONFIG.width, orders=1)


def trained(config: dict[str, Any], seed: int, ranked: int = RANKED) -> tuple[Nexus, SurprisalHead]:
    """A Nexus whose gate learns what is asked, and a head that learns what surprises it."""
    model, head = made()
    model.writing = Writing(model.regret, budget=BUDGET, explore=config["explore"])
    optimizer = optimizer_for(model, lr=config["rate"], adam_lr=config["adam_rate"])
    for step in range(config["steps"]):
        given = toy(STREAMS, config["length"], config["needles"], seed=seed * 100_000 + step)
        optimizer.zero_grad()
        minimise(model, given.tokens, asked=given.asked)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    ranking = optimizer_for(head, adam_lr=config["adam_rate"])
    for step in range(ranked):
        given = toy(STREAMS, CHUNK * 2, 8, seed=seed * 100_000 + 50_000 + step)
        with torch.no_grad():
            hidden, _ = model.backbone(given.tokens, None)
            nats = functional.cross_entropy(
                model.backbone.logits(hidden[:, :-1]).flatten(0, 1),
                given.tokens[:, 1:].flatten(),
                reduction="none",
            )
        ranking.zero_grad()
        torch.autograd.backward(ranking_loss(head.score(hidden[:, 1:]).flatten(), nats))
        ranking.step()
    return model, head


@torch.no_grad()
def recalled(
    model: Nexus, head: SurprisalHead, names: list[str], replacement: Replacement, halflife: int, given: Toy
) -> list[tuple[float, float]]:
    """Of each gate the share of answers that are right, and entries written a token."""
    reader, _ = made(replace(CONFIG.memory, replacement=replacement, priority_halflife=halflife))
    reader.load_state_dict(model.state_dict())
    gates: dict[str, Gate] = {
        "regret": Within(reader.regret, scores=False),
        "surprisal": Within(head, scores=True),
        "random": RandomGate(),
        "all": EveryGate(orders=1),
        "oracle": OracleGate(),
    }
    reader.writing = Writing(Beside([gates[name] for name in names]), CHUNK, NEVER)
    tokens, asked = given.tokens.repeat(len(names), 1), given.asked.repeat(len(names), 1)
    state = reader.start(len(tokens))
    right, written = torch.zeros(len(tokens)), torch.zeros(len(tokens))
    for at, piece in reader.steps(tokens[:, :-1], state):
        out = reader(piece, state, reuse=True)
        state = out.state
        assert out.written is not None
        written += out.written.stream.bincount(minlength=len(tokens))
        here = asked[:, at : at + CHUNK]
        if here.any():
            said = reader.log_p(out).argmax(-1)
            right += ((said == tokens[:, at + 1 : at + 1 + CHUNK]) & here).sum(1)
    right, written = right.view(len(names), -1).sum(1), written.view(len(names), -1).sum(1)
    return list(
        zip((right / given.asked.sum()).tolist(), (written / given.asked.numel()).tolist(), strict=True)
    )

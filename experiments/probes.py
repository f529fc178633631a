"""Whether a probe of a few sets finds what a look at every entry finds, and what it takes: V40.

Knows the lane and frozen states. Invariant: probe and dense read are asked the same of the same memory, and
times are CPU times of one thread, the lane's and the window's in turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from experiments import jobs, states
from experiments.run import spread
from experiments.states import Text
from nexus.training.muon import optimizer_for
from nexus.transformer.rsm import chunked, read
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.semantic import SemanticLane, normed, use_of_sets
from nexus.transformer.tokenizer import Tokenizer

CHUNK: Final = 1024
SURE: Final = 0.5  # the weight of the best entry of all
ASKED: Final = 6  # chunks at the end of the stream whose queries are counted


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with `probes`, 0 for the dense read, and `centroids`, how they were found."""
    each = jobs.done({"rows": {"every": {}}, "salts": config["salts"]}, _of_salt, config)
    return {
        name: {
            figure: spread([each["every", salt][name][figure] for salt in config["salts"]])
            for figure in config["figures"]
        }
        for name in config["rows"]
    }


def _of_salt(config: dict[str, Any], _: dict[str, Any], salt: int) -> dict[str, dict[str, float]]:
    torch.set_num_threads(1)
    on, held = (states.text(part, *config[part]) for part in ("train", "valid"))
    lane, found = states.trained(on, salt, config["steps"]), {}
    kinds = {"k-means": lane.centroids.clone(), "drawn": _drawn(lane, salt)}
    kinds["gradient"] = _by_gradient(lane, on, salt, config["routing_steps"])
    for kind, centroids in kinds.items():
        lane.centroids.copy_(centroids)
        entries, filed = _filled(lane, held, config["budget"])
        for name, row in config["rows"].items():
            if row["centroids"] == kind:
                found[name] = _figures(lane, held, entries, filed, row["probes"])
                print(f"  salt {salt}, {name}: {found[name]}", flush=True)
    return found


def _drawn(lane: SemanticLane, salt: int) -> Tensor:
    random = torch.Generator().manual_seed(salt)
    return functional.normalize(torch.randn(lane.centroids.shape, generator=random), dim=-1)


def _by_gradient(lane: SemanticLane, on: Text, salt: int, steps: int) -> Tensor:
    """Centroids as weights: drawn to the keys that they hold, and all of them to be used alike."""
    draw = torch.Generator().manual_seed(salt)
    row, place = states.rare()[on.tokens].nonzero(as_tuple=True)
    row, place = row[place > 0], place[place > 0]
    router = torch.nn.Module()
    router.weight = torch.nn.Parameter(_drawn(lane, salt))
    optimizer = optimizer_for(router, adam_lr=0.01)
    for _ in range(steps):
        some = torch.randint(0, len(row), (1024,), generator=draw)
        keys = states.keys_at(lane, on, row[some], place[some])
        near = keys @ functional.normalize(router.weight, dim=-1).T * lane.scale.detach()
        use = near.softmax(-1).mean(0)
        loss = functional.cross_entropy(near, near.argmax(-1)) + (use * use.clamp(min=1e-9).log()).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return functional.normalize(router.weight.detach(), dim=-1)


@torch.no_grad()
def _filled(lane: SemanticLane, held: Text, budget: int) -> tuple[Entries, Tensor]:
    """The memory after all documents, one behind the other, and where their keys were filed.

    Of each chunk the rarest tokens are written.
    """
    tokens, hidden = held.tokens.reshape(1, -1), held.hidden.flatten(0, 1)[None].float()
    rank = torch.from_numpy(Tokenizer.shipped().rank).float()
    entries, filed = lane.start(1), []
    hidden = torch.cat([torch.zeros_like(hidden[:, :1]), hidden], 1)
    for at in range(0, tokens.shape[1], CHUNK):
        some = tokens[:, at : at + CHUNK]
        writes = lane.writes(hidden[:, at : at + CHUNK + 1], some, at, rank[some] / len(rank), budget)
        filed.append(writes.set)
        lane.completed(entries, some, at, reuse=True)
        chunked.write_(entries, writes, CHUNK)
    return entries, torch.cat(filed)


@torch.no_grad()
def _figures(
    lane: SemanticLane, held: Text, entries: Entries, filed: Tensor, probes: int
) -> dict[str, float]:
    asked = held.hidden.flatten(0, 1)[None, -ASKED * CHUNK :].float()
    score = lane.gate(normed(asked))[..., 0] - lane.threshold
    opened = score > 0
    queries, scale = lane.queries(normed(asked[opened]))[None], float(lane.scale.detach())
    parts, sets = torch.split(queries, 256, 1), lane.centroids
    dense = [read.dense(entries, part, scale=scale) for part in parts]
    best, sure = (torch.cat([getattr(each, name) for each in dense], 1) for name in ("slot", "weight"))
    found = best
    if probes:
        found = torch.cat([read.probe(entries, part, sets, probes, scale=scale).slot for part in parts], 1)
    same = (found == best).float()
    return {
        "finds": float(same.mean()),
        "finds, sure": float(same[sure > SURE].mean()),
        "of the window's time": _cost(lane, held, entries, probes),
        "use of sets": use_of_sets(filed, lane.shape.sets),
        "gate open": float(opened.float().mean()),
        "entries": float(entries.occupied()[0]) / lane.shape.entries,
    }


@torch.no_grad()
def _cost(lane: SemanticLane, held: Text, entries: Entries, probes: int, turns: int = 3) -> float:
    """CPU time of the lane for a chunk, read, fusion and write, as a share of the window's: the median."""
    _, backbone = states.weights()
    tokens = held.tokens[-1:, : 2 * CHUNK]
    hidden, past = backbone(tokens[:, :CHUNK], None)
    copy, began = entries.clone(), int(entries.clock[0])
    priority, dense = torch.rand(1, CHUNK), probes == 0
    lane.probes = probes or 1
    seen = torch.cat([hidden[:, :1], hidden], 1)

    def window() -> None:
        backbone(tokens[:, CHUNK:], past)

    def lanes() -> None:
        nonlocal began
        if dense:
            opened = lane.gate(normed(hidden))[..., 0] > lane.threshold
            read.dense(copy, lane.queries(normed(hidden[opened]))[None], scale=float(lane.scale.detach()))
        else:
            lane.fuse(hidden, lane.read(hidden, copy))
        writes = lane.writes(seen, tokens[:, :CHUNK], began, priority, CHUNK // 8)
        lane.completed(copy, tokens[:, :CHUNK], began, reuse=True)
        chunked.write_(copy, writes, CHUNK)
        began += CHUNK

    return statistics.median(_time(lanes) / _time(window) for _ in range(turns))


def _time(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began

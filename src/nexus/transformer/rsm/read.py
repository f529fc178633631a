"""How a memory is asked: by exact tag, by all its keys, or by the keys of a few sets.

Knows nothing of where addresses, queries and centroids come from. Invariant: a read changes nothing, sees
only the stream that asks, and gives zeros (payload, place and age -1) where nothing was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.errors import MemoryShapeError


class Source(Protocol):
    """What can be read: `Entries`, or a `Tape` on them."""

    @property
    def entries(self) -> Entries:
        """The entries that are read, without what a tape adds."""

    def at(self, slot: Tensor) -> tuple[Tensor, Tensor]:
        """Tag and payload of slots."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a read by tag found. `...` is the shape of the addresses after the stream, [T] or [T, orders]."""

    hit: Tensor  # bool [B, ...]
    slot: Tensor  # int64 [B, ...]: the entry, counted over all streams; where nothing was hit, any of the set
    way: Tensor  # int64 [B, ...]; -1: not hit
    key: Tensor  # float [B, ..., key_width]
    value: Tensor  # float [B, ..., value_width]
    place: Tensor  # int64 [B, ...]: position of the payload's first token
    age: Tensor  # int64 [B, ...]: tokens from its last write to the memory's clock
    priority: Tensor  # float32 [B, ...]
    payload: Tensor  # int32 [B, ..., P]; of width 0 where it was not asked for


@dataclass(frozen=True, slots=True, eq=False)
class Attended:
    """What a read by key found."""

    value: Tensor  # float [B, T, value_width]: the weighted sum
    slot: Tensor  # int64 [B, T]: the entry with the greatest weight; -1: there was none
    weight: Tensor  # float [B, T]: its weight; 0: there was none
    slots: Tensor  # int64 [B, T, K] or [B, 1, K]: what was looked at, counted over all streams
    weights: Tensor  # float [B, T, K]: 0 for empty entries


def exact(source: Source, sets: Tensor, tags: Tensor, *, payload: bool = True) -> Found:
    """Look up `tags` in `sets`, both int64 [B, ...]. Gradients go to keys and values.

    A tag below 0 is never found. Raises `MemoryShapeError`.
    """
    entries = source.entries
    shape = entries.shape
    _address(entries, sets, "sets")
    _address(entries, tags, "tags")
    if sets.shape != tags.shape:
        raise MemoryShapeError(
            f"{list(sets.shape)} sets for {list(tags.shape)} tags", hint="give one of each"
        )
    room = sets.shape
    first = _streams(entries, sets.dim()) * shape.sets
    row, tag = (sets + first).flatten(), tags.flatten()
    same = entries.tag.view(-1, shape.ways).index_select(0, row) == tag[:, None]
    hit, way = same.max(dim=1)
    hit &= tag >= 0
    slot = row * shape.ways + way
    key, value = (torch.where(hit[:, None], rows, 0) for rows in source.at(slot))
    last = entries.last.view(-1).index_select(0, slot).view(room)
    age = entries.clock.view(-1, *[1] * (sets.dim() - 1)) - last
    tokens = entries.payload.new_empty(len(slot), 0)
    if payload and shape.payload:
        rows = entries.payload.view(-1, shape.payload).index_select(0, slot)
        tokens = torch.where(hit[:, None], rows, -1)
    return Found(
        hit=hit.view(room),
        slot=slot.view(room),
        way=torch.where(hit, way, -1).view(room),
        key=key.view(*room, shape.key_width),
        value=value.view(*room, shape.value_width),
        place=torch.where(hit, entries.place.view(-1).index_select(0, slot), -1).view(room),
        age=torch.where(hit.view(room), age, -1),
        priority=torch.where(hit, entries.priority.view(-1).index_select(0, slot), 0).view(room),
        payload=tokens.view(*room, tokens.shape[1]),
    )


def payload_at(source: Source, slot: Tensor) -> Tensor:
    """int32 [..., P]: the payloads of the entries `slot`, int64 [...]; -1 where the slot is below 0."""
    entries = source.entries
    every = entries.payload.view(entries.tag.numel(), entries.shape.payload)
    rows = every.index_select(0, slot.flatten().clamp(min=0))
    return torch.where((slot < 0).flatten()[:, None], -1, rows).view(*slot.shape, entries.shape.payload)


def dense(source: Source, query: Tensor, *, scale: float | None = None) -> Attended:
    """Softmax over all occupied entries of the stream: the definition of a read by key.

    `query` is [B, T, key_width], `scale` by default key_width^-0.5. Gradients go to query, keys and values.
    Raises `MemoryShapeError`.
    """
    entries = source.entries
    _query(entries, query)
    shape, batch = entries.shape, entries.batch
    slots = torch.arange(batch * shape.entries, device=entries.device)
    key, value = (rows.view(batch, shape.entries, -1) for rows in source.at(slots))
    scores = query @ key.transpose(1, 2) * (shape.key_width**-0.5 if scale is None else scale)
    weights = _softmax(scores, (entries.tag >= 0).view(batch, 1, -1))
    return _attended(weights @ value, slots.view(batch, 1, -1), weights)


def probe(
    source: Source, query: Tensor, centroids: Tensor, probes: int, *, scale: float | None = None
) -> Attended:
    """Softmax over the entries of the `probes` sets whose centroids are nearest, times the router's belief.

    `query` is [B, T, key_width], `centroids` [sets, key_width]. An entry's weight is its softmax among the
    entries looked at times sigmoid(query . centroid) of its set, so that the choice of sets learns too:
    gradients go to query, centroids, keys and values. Raises `MemoryShapeError`.
    """
    entries = source.entries
    _query(entries, query)
    shape, batch = entries.shape, entries.batch
    if tuple(centroids.shape) != (shape.sets, shape.key_width):
        raise MemoryShapeError(
            f"centroids are {list(centroids.shape)}, not {[shape.sets, shape.key_width]}",
            hint="one centroid for each set",
        )
    if not 1 <= probes <= shape.sets:
        raise MemoryShapeError(f"{probes} probes", hint=f"look into 1 to {shape.sets} sets")
    steps = query.shape[1]
    belief, nearest = (query @ centroids.T).topk(probes, dim=-1)
    row = nearest + _streams(entries, 3) * shape.sets
    slots = (row[..., None] * shape.ways + torch.arange(shape.ways, device=row.device)).view(batch, steps, -1)
    key, value = (rows.view(batch, steps, slots.shape[-1], -1) for rows in source.at(slots.flatten()))
    scores = (key @ query[..., None]).squeeze(-1) * (shape.key_width**-0.5 if scale is None else scale)
    occupied = entries.tag.view(-1).index_select(0, slots.flatten()).view_as(slots) >= 0
    weights = _softmax(scores, occupied) * belief.sigmoid().repeat_interleave(shape.ways, dim=-1)
    return _attended((weights[..., None, :] @ value).squeeze(-2), slots, weights)


def _softmax(scores: Tensor, occupied: Tensor) -> Tensor:
    """Softmax where `occupied`; 0 elsewhere, and all 0 where nothing is."""
    none = torch.finfo(scores.dtype).min
    return torch.softmax(scores.masked_fill(~occupied, none), dim=-1).masked_fill(~occupied, 0)


def _attended(value: Tensor, slots: Tensor, weights: Tensor) -> Attended:
    weight, best = weights.max(dim=-1)
    slot = slots.expand_as(weights).gather(-1, best[..., None]).squeeze(-1)
    return Attended(value, torch.where(weight > 0, slot, -1), weight, slots, weights)


def _streams(entries: Entries, dimensions: int) -> Tensor:
    """int64 [B, 1, ...]: the number of each stream."""
    return torch.arange(entries.batch, device=entries.device).view(-1, *[1] * (dimensions - 1))


def _address(entries: Entries, addresses: Tensor, name: str) -> None:
    if addresses.dtype != torch.int64 or addresses.dim() < 2 or addresses.shape[0] != entries.batch:
        raise MemoryShapeError(
            f"{name} are {addresses.dtype} {list(addresses.shape)}, not int64 [{entries.batch}, tokens, ...]",
            hint="ask for every stream of the memory",
        )


def _query(entries: Entries, query: Tensor) -> None:
    wanted = (entries.batch, entries.shape.key_width)
    if query.dim() != 3 or (query.shape[0], query.shape[2]) != wanted or query.dtype != entries.key.dtype:
        raise MemoryShapeError(
            f"queries are {query.dtype} {list(query.shape)}, "
            f"not {entries.key.dtype} [{wanted[0]}, tokens, {wanted[1]}]",
            hint="ask for every stream of the memory, in its width",
        )

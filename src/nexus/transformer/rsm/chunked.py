"""The exact write of a chunk, all streams and tokens at once: equal to `reference.write`, which is the
definition.

Knows nothing of how tags are chosen. Invariant: entries that the chunk does not touch stay bit by bit
(priorities age); products of gates are taken as products, never through logarithms, so gates of exactly 0
and 1 give exact contents and right gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.errors import MemoryShapeError
from nexus.transformer.rsm.reference import aged
from nexus.transformer.rsm.replacement import Plan, plan
from nexus.transformer.rsm.writes import Writes


def write(entries: Entries, writes: Writes, tokens: int) -> Entries:
    """The memory after a chunk of `tokens` tokens (of every stream) that wrote `writes`; `entries` stays.

    Gradients flow to the gates, keys and values of `writes` and to those of `entries`. Copies the memory; see
    `write_` and `tape.Tape` for ways that do not. Raises `MemoryShapeError` and `MemoryValueError`.
    """
    writes.check(entries, tokens)
    priority, clock = aged(entries, tokens), entries.clock + tokens
    if not len(writes):
        return entries.with_(priority=priority, clock=clock)
    chosen = plan(entries, writes, priority)
    rows = contents(chosen, writes, *entries.at(chosen.slot))
    changed = {
        name: old.flatten(0, 2).index_copy(0, chosen.slot, new).view_as(old)
        for name, old, new in (("key", entries.key, rows[0]), ("value", entries.value, rows[1]))
    }
    with torch.no_grad():
        for name in ("tag", "payload", "place", "first_payload", "first_place", "last", "hits"):
            changed[name] = getattr(entries, name).clone()
        copy = entries.with_(**changed, priority=priority.clone(), clock=clock)
        _book(copy, chosen, writes)
    return copy


@torch.no_grad()
def write_(entries: Entries, writes: Writes, tokens: int) -> None:
    """As `write`, into the memory itself and without gradients. An error leaves the memory as it was."""
    writes.check(entries, tokens)
    if entries.key.requires_grad or entries.value.requires_grad:
        raise MemoryShapeError("the memory has a history", hint="write into entries.detach()")
    priority = aged(entries, tokens)
    if not len(writes):
        advance(entries, priority, tokens)
        return
    chosen = plan(entries, writes, priority)
    rows = contents(chosen, writes, *entries.at(chosen.slot))
    put(entries, chosen, writes, priority, tokens, rows)


@torch.no_grad()
def put(
    entries: Entries, chosen: Plan, writes: Writes, priority: Tensor, tokens: int, rows: tuple[Tensor, Tensor]
) -> None:
    """Write what was planned and computed into the memory itself."""
    advance(entries, priority, tokens)
    entries.key.view(-1, entries.shape.key_width).index_copy_(0, chosen.slot, rows[0])
    entries.value.view(-1, entries.shape.value_width).index_copy_(0, chosen.slot, rows[1])
    _book(entries, chosen, writes)


def contents(chosen: Plan, writes: Writes, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """[m, key_width], [m, value_width]: what the entries of the plan hold afterwards, from what they hold.

    A tag's writes 1..c with gates g make D * old + sum of w_i * new_i, where w_i = g_i * (1-g_i+1) ..
    (1-g_c) and D = (1-g_1) .. (1-g_c). The first gate of a new tag is 1, so D is 0 and nothing stays of
    what was there.
    """
    gate = writes.gate.index_select(0, chosen.order).masked_fill(chosen.fresh, 1)
    keep = 1 - gate
    later = _products_of_later(keep, chosen.tags, chosen.longest)
    share = gate * later
    left = (keep * later).index_select(0, chosen.start.index_select(0, chosen.stays))[:, None]

    def mixed(new: Tensor, old: Tensor) -> Tensor:
        # The sum of weighted rows by tag; ten times as fast as index_add on a CPU, and no atomics on CUDA.
        sums = embedding_bag(chosen.order, new, chosen.start, mode="sum", per_sample_weights=share)
        if len(chosen.stays) < len(chosen.start):
            sums = sums.index_select(0, chosen.stays)
        return torch.addcmul(sums, left, old)

    return mixed(writes.key, key), mixed(writes.value, value)


def _products_of_later(keep: Tensor, tags: Tensor, longest: int) -> Tensor:
    """[n]: for each write the product of `keep` over the later writes of its tag; by doubling."""
    if longest < 2:
        return torch.ones_like(keep)
    product = torch.cat([keep[1:].masked_fill(tags[1:] != tags[:-1], 1), keep.new_ones(1)])
    step = 1
    while step < longest - 1:
        further = product[step:].masked_fill(tags[step:] != tags[:-step], 1)
        product = torch.cat([product[:-step] * further, product[-step:]])
        step *= 2
    return product


@torch.no_grad()
def advance(entries: Entries, priority: Tensor, tokens: int) -> None:
    """Move the memory's clock on, in place; `priority` are its priorities then."""
    entries.clock.add_(tokens)
    if priority is not entries.priority:
        entries.priority.copy_(priority)


def _book(entries: Entries, chosen: Plan, writes: Writes) -> None:
    """All of an entry but its key and value, into the memory itself."""
    slot = chosen.slot
    entries.tag.view(-1).index_copy_(0, slot, chosen.tag)
    entries.last.view(-1).index_copy_(0, slot, writes.time.index_select(0, chosen.newest))
    entries.hits.view(-1).index_copy_(0, slot, chosen.hits)
    entries.priority.view(-1).index_copy_(0, slot, chosen.priority)
    entries.place.view(-1).index_copy_(0, slot, writes.place.index_select(0, chosen.newest))
    new = (chosen.first >= 0).nonzero().flatten()
    its_slot, its_write = slot.index_select(0, new), chosen.first.index_select(0, new)
    entries.first_place.view(-1).index_copy_(0, its_slot, writes.place.index_select(0, its_write))
    if entries.shape.payload:
        payload, first = (
            rows.view(-1, entries.shape.payload) for rows in (entries.payload, entries.first_payload)
        )
        payload.index_copy_(0, slot, writes.payload.index_select(0, chosen.newest))
        first.index_copy_(0, its_slot, writes.payload.index_select(0, its_write))

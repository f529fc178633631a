"""Plan: where the writes of a chunk go, which tags stay and which entries they take.

Knows nothing of keys and values, and has no gradients. Invariant: `slot` holds no entry twice, and the plan
is what `reference.write` would do; that one says why, this one only how all sets are decided at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.shape import TAG_BITS
from nexus.transformer.rsm.writes import Writes

# Subtracted from the `last` of earlier chunks' entries, so that a write of this chunk is later than any.
_BEFORE: Final = 1 << 50


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """n writes are of u tags, of which m stay. The writes of a tag lie side by side in `order`, in time
    order."""

    order: Tensor  # int64 [n]: the writes, tag by tag
    tags: Tensor  # int64 [n]: which of the u tags each is of, in `order`
    fresh: Tensor  # bool [n]: in `order`, the first write of a tag that was not known
    start: Tensor  # int64 [u]: where in `order` a tag's writes begin
    longest: int  # no tag has more writes
    stays: Tensor  # int64 [m]: which of the u tags stay
    slot: Tensor  # int64 [m]: the entry of each, counted over all streams
    tag: Tensor  # int64 [m]
    newest: Tensor  # int64 [m]: the tag's last write
    first: Tensor  # int64 [m]: the tag's first write, where it was not known; -1: it was
    hits: Tensor  # int64 [m]
    priority: Tensor  # float32 [m]


@torch.no_grad()
def plan(entries: Entries, writes: Writes, aged: Tensor) -> Plan:
    """Decide a chunk of at least one write; `aged` are the memory's priorities at its end, [B, S, W].

    Asks the device for the number of tags, of new ones, and of those that stay: three times in all.
    """
    shape, n, room = entries.shape, len(writes), entries.tag.numel()
    ways, by_priority = shape.ways, shape.replacement == "priority"
    row = torch.add(writes.set, writes.stream, alpha=shape.sets)
    identities, order = torch.sort((row << TAG_BITS) | writes.tag, stable=True)
    begins = torch.ones(n, dtype=torch.bool, device=entries.device)
    torch.ne(identities[1:], identities[:-1], out=begins[1:])
    tags, start = begins.cumsum(0) - 1, begins.nonzero().flatten()
    after = torch.cat([start[1:], start.new_full((1,), n)])
    count, newest = after - start, order.index_select(0, after - 1)
    identity = identities.index_select(0, start)
    row, tag = identity >> TAG_BITS, identity & ((1 << TAG_BITS) - 1)

    same = entries.tag.view(-1, ways).index_select(0, row) == tag[:, None]
    known, way = same.max(dim=1)
    slot = torch.where(known, row * ways + way, room)  # `room`: none

    written = torch.full((room + 1,), -1, dtype=torch.int64, device=entries.device)
    written.index_copy_(0, slot, newest)  # by which write an entry was written in this chunk
    first = order.index_select(0, start).masked_fill(known, -1)
    own, worth = writes.priority.index_select(0, newest), None
    if by_priority:
        own = own.new_zeros(len(start)).scatter_reduce_(
            0, tags, writes.priority.index_select(0, order), "amax"
        )
        worth = torch.cat([aged.masked_fill(entries.tag < 0, -1).flatten(), aged.new_full((1,), -1)])
        own = torch.maximum(own, worth.index_select(0, slot))
        worth.index_copy_(0, slot, own)

    hits = entries.hits.view(-1).index_select(0, slot.clamp(max=room - 1)).add_(1)
    hits = hits.masked_fill_(~known, 0).add_(count).sub_(1)
    fresh = torch.zeros(n, dtype=torch.bool, device=entries.device).index_copy_(0, start, ~known)
    longest = n if entries.device.type == "cuda" else int(count.max())
    new = (~known).nonzero().flatten()
    if not len(new):
        stays = torch.arange(len(start), device=entries.device)
        return Plan(order, tags, fresh, start, longest, stays, slot, tag, newest, first, hits, own)

    row, best = row.index_select(0, new), newest.index_select(0, new)
    taken = _taken(row, best, own.index_select(0, new), entries, written, worth)
    # A known tag goes where a new one takes its entry; a new one that takes none never comes.
    gone = torch.zeros(room + 1, dtype=torch.bool, device=entries.device).index_fill_(0, taken, True)
    slot = slot.index_copy(0, new, taken)
    stays = (slot < room).logical_and_(~(known & gone.index_select(0, slot))).nonzero().flatten()
    if len(stays) < len(start):
        slot, tag, newest, first, hits, own = (
            tensor.index_select(0, stays) for tensor in (slot, tag, newest, first, hits, own)
        )
    return Plan(order, tags, fresh, start, longest, stays, slot, tag, newest, first, hits, own)


def _taken(
    row: Tensor, newest: Tensor, own: Tensor, entries: Entries, written: Tensor, worth: Tensor | None
) -> Tensor:
    """int64 [f]: the entry that each new tag takes, or the number of entries if it takes none.

    The new tags of a set, the best first, meet its entries, the worst first; each takes the entry that it
    meets if it is the better of the two. That leaves the best of both together.
    """
    rows, ways = entries.batch * entries.shape.sets, entries.shape.ways
    if worth is None:
        by_row = torch.argsort((row << 32) - newest)
    else:  # a float32 that is not negative sorts as its bits do
        by_worth = torch.argsort(((own + 0.0).view(torch.int32).long() << 32) | newest, descending=True)
        by_row = by_worth.index_select(0, torch.argsort(row.index_select(0, by_worth), stable=True))
    row, newest = row.index_select(0, by_row), newest.index_select(0, by_row)
    at = torch.arange(len(row), device=row.device)
    begins = torch.zeros_like(at)
    begins[1:] = torch.where(row[1:] != row[:-1], at[1:], 0)
    rank = at - begins.cummax(0).values
    meets = rank.clamp(max=ways - 1)[:, None]

    # How late their entries were written, no two alike in a set: empty ways, earlier chunks, this chunk.
    earlier = entries.last.view(-1, ways).index_select(0, row) - _BEFORE
    now = written[:-1].view(-1, ways).index_select(0, row)
    theirs = torch.where(now < 0, earlier, now).mul_(ways).add_(torch.arange(ways, device=row.device))
    if worth is None:
        met = theirs.sort(dim=1).values.gather(1, meets).flatten()
        way = met.remainder(ways)
        better = newest * ways > met
    else:
        theirs_worth = worth[:-1].view(rows, ways).index_select(0, row)
        # Sorted by one and then, stably, by the other.
        first = theirs.argsort(dim=1)
        second = theirs_worth.gather(1, first).argsort(dim=1, stable=True)
        way = first.gather(1, second.gather(1, meets))
        met, met_worth = theirs.gather(1, way).flatten(), theirs_worth.gather(1, way).flatten()
        way, own = way.flatten(), own.index_select(0, by_row)
        better = (own > met_worth) | ((own == met_worth) & (newest * ways > met))
    taken = torch.where(better & (rank < ways), row * ways + way, rows * ways)
    return torch.empty_like(taken).index_copy_(0, by_row, taken)

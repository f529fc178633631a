"""What a write does to a memory: this loop over tokens is the definition, `chunked.write` must equal it.

Knows nothing of speed. Invariant: as that of `Entries`; a stream and a set that nothing was written to only
age.

**Entry.** An entry is known by its stream, its set and its tag. Where a write goes is not learnt: gradients
go through gates, keys and values, never through addresses, payloads or priorities.

**A chunk is one step.** Every write of a chunk sees the memory as the chunk found it: whether a tag is
*known* is asked of the chunk's start only, and nothing is evicted before its end. Reads belong before the
write of their chunk.

**Same tag: refine.** The writes of one tag go one after the other, in the order of `Writes`: key and value
become (1 - gate) * old + gate * new. The first write of a tag that was not known has gate 1 whatever its
gate says (and so gives no gradient to it). A gate of 0 leaves key and value, but it is a write like any
other: whoever does not want to write leaves the token out.

**Other tag: evict, never blend.** At the chunk's end each set keeps its best `ways` tags, among those it
held and those of the chunk. Nothing of an evicted entry stays. More tags than ways in one chunk: the best
stay, and what the others wrote is gone, even where the tag was known before. A tag that comes back later is
new.

**Best.** "lru": the one written later. "priority": the one with the higher priority; of equal ones the one
written later, so with equal priorities it is lru. Later means later in `Writes`; of entries of earlier
chunks the one with the greater `last`, then the one in the higher way. An empty way is worse than any
entry.

**Priority.** "priority": a tag has the highest of its own and those of its writes. "lru": that of its last
write; nothing asks for it. When the clock moves on by n tokens, every priority that a memory holds is first
multiplied by 2^(-n / halflife) (float32; not at all with halflife 0), so those of the chunk count in full.

**Payload and place.** Those of the tag's last write. **First payload and first place**: those of its first
write since it was new; they stay until it is evicted.

**Bookkeeping.** `last` is the time of the tag's last write; `hits` the writes of the tag after its first;
`clock` moves on by the tokens of the chunk.

**Ways.** A tag that stays keeps its way. The new tags of a set, the best first, take the ways of what is
evicted, the worst first, where of two empty ways the lower one is the worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.writes import Writes


@dataclass(slots=True)
class _Entry:
    """One entry while a chunk is written."""

    tag: int
    key: Tensor
    value: Tensor
    payload: Tensor
    place: int
    first_payload: Tensor
    first_place: int
    last: int
    priority: float
    hits: int
    way: int  # -1: it has none yet
    written: int  # index in the writes; before the chunk: -1

    def better_than(self, other: _Entry, by_priority: bool) -> bool:
        mine = (self.written, self.last if self.written < 0 else 0, self.way)
        others = (other.written, other.last if other.written < 0 else 0, other.way)
        if by_priority and self.priority != other.priority:
            return self.priority > other.priority
        return mine > others


def write(entries: Entries, writes: Writes, tokens: int) -> Entries:
    """The memory after a chunk of `tokens` tokens (of every stream) that wrote `writes`; `entries` stays.

    Raises `MemoryShapeError` and `MemoryValueError`.
    """
    writes.check(entries, tokens)
    shape, by_priority = entries.shape, entries.shape.replacement == "priority"
    priority = aged(entries, tokens)
    known: dict[tuple[int, int], dict[int, _Entry]] = {}
    for n in range(len(writes)):
        room = (int(writes.stream[n]), int(writes.set[n]))
        if room not in known:
            known[room] = _held(entries, priority, *room)
        held, tag = known[room], int(writes.tag[n])
        if tag not in held:
            held[tag] = _first(writes, n)
        else:
            _refine(held[tag], writes, n, by_priority)

    # A copy that later writes do not touch, whose rows are put one by one.
    rows = {name: list(tensor.detach().flatten(0, 2).unbind()) for name, tensor in _rows(entries).items()}
    for name in ("key", "value"):
        rows[name] = list(getattr(entries, name).flatten(0, 2).unbind())
    rows["priority"] = list(priority.flatten().unbind())
    for (stream, set_), held in known.items():
        for entry in _kept(list(held.values()), shape.ways, by_priority):
            if entry.written < 0:
                continue
            slot = (stream * shape.sets + set_) * shape.ways + entry.way
            for name in rows:
                rows[name][slot] = torch.as_tensor(
                    getattr(entry, name), dtype=rows[name][slot].dtype, device=entries.device
                )
    made = {name: torch.stack(kept).view_as(getattr(entries, name)) for name, kept in rows.items()}
    return Entries(shape, clock=entries.clock + tokens, **made)


def aged(entries: Entries, tokens: int) -> Tensor:
    """float32 [B, S, W]: the priorities `tokens` later."""
    if not entries.shape.priority_halflife or not tokens:
        return entries.priority
    return entries.priority * math.exp2(-tokens / entries.shape.priority_halflife)


def _rows(entries: Entries) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in entries.tensors().items() if name != "clock"}


def _held(entries: Entries, priority: Tensor, stream: int, set_: int) -> dict[int, _Entry]:
    """The entries of one set at the chunk's start, by tag."""
    held = {}
    for way in range(entries.shape.ways):
        at = (stream, set_, way)
        if int(entries.tag[at]) >= 0:
            held[int(entries.tag[at])] = _Entry(
                tag=int(entries.tag[at]),
                key=entries.key[at],
                value=entries.value[at],
                payload=entries.payload[at],
                place=int(entries.place[at]),
                first_payload=entries.first_payload[at],
                first_place=int(entries.first_place[at]),
                last=int(entries.last[at]),
                priority=float(priority[at]),
                hits=int(entries.hits[at]),
                way=way,
                written=-1,
            )
    return held


def _first(writes: Writes, n: int) -> _Entry:
    """The first write of a tag that was not known: gate 1."""
    return _Entry(
        tag=int(writes.tag[n]),
        key=writes.key[n],
        value=writes.value[n],
        payload=writes.payload[n],
        place=int(writes.place[n]),
        first_payload=writes.payload[n],
        first_place=int(writes.place[n]),
        last=int(writes.time[n]),
        priority=float(writes.priority[n]),
        hits=0,
        way=-1,
        written=n,
    )


def _refine(entry: _Entry, writes: Writes, n: int, by_priority: bool) -> None:
    """A further write of a tag."""
    gate = writes.gate[n]
    entry.key = (1 - gate) * entry.key + gate * writes.key[n]
    entry.value = (1 - gate) * entry.value + gate * writes.value[n]
    entry.payload, entry.place = writes.payload[n], int(writes.place[n])
    priority = float(writes.priority[n])
    entry.priority = max(entry.priority, priority) if by_priority else priority
    entry.last, entry.written = int(writes.time[n]), n
    entry.hits += 1


def _kept(held: list[_Entry], ways: int, by_priority: bool) -> list[_Entry]:
    """The best `ways` entries of a set; the new ones among them with the way that they take."""
    best: list[_Entry] = []
    for entry in held:  # insertion sort, the best first
        place = next((n for n, other in enumerate(best) if entry.better_than(other, by_priority)), len(best))
        best.insert(place, entry)
    stay = [entry for entry in best[:ways] if entry.way >= 0]
    new = [entry for entry in best[:ways] if entry.way < 0]
    evicted = [entry.way for entry in reversed(best[ways:]) if entry.way >= 0]
    taken = {entry.way for entry in stay} | set(evicted)
    free = [way for way in range(ways) if way not in taken] + evicted
    for entry, way in zip(new, free, strict=False):
        entry.way = way
    return stay + new

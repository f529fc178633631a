"""The semantic lane: a second memory, addressed by what was meant and not by which words were said.

An entry at place p is filed by a key, a unit vector made of the hidden states of p - 1 and p; its payload
begins with token p. Learned centroids divide the keys among the sets. A position whose read gate is open asks
the entries of the nearest sets, and gets their values and the best entry's payload: what may come next. No
gradient goes through an address. It goes to keys, queries and values by what was read, and to the read gate
and the query by how far that is trusted; the centroids follow the keys. Knows hidden states and entries;
knows no text, no lexical address and no training loop (seed 001, section 3C; research 3.1 rows 2, 5, 16).

Invariants: an entry is known by its place, so no two are ever mixed; a read sees only what was written before
its chunk, and the same however the chunk is cut; where nothing was read, nothing is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.fusion import Fusion
from nexus.transformer.gates import NEVER, select
from nexus.transformer.mentions import Mentions
from nexus.transformer.pointer import NONE
from nexus.transformer.rsm import chunked
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.read import Source, payload_at, probe
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.tape import Tape
from nexus.transformer.rsm.writes import Writes

PROBES: Final = 16
SHARE: Final = 0.15  # of the positions that ask; a quarter is the most that the lane may
LEAST_TEMPERATURE: Final = 0.01
_KEPT: Final = 0.98  # what the centroids' averages keep at each step
_LITTLE: Final = 1e-6  # of a key: what a set is thought to hold at first
_EMPTY: Final = 0.1  # of a fair share of keys: a set with less gets a new centroid


@dataclass(frozen=True, slots=True, eq=False)
class SemanticRead:
    """What the lane gave at T positions of B streams."""

    value: Tensor  # float [B, T, value_width]: 0 where nothing was read
    there: Tensor  # bool [B, T]: something was read
    slot: Tensor  # int64 [B, T]: the best entry, counted over all streams; -1: none
    place: Tensor  # int64 [B, T]: of its payload's first token; -1: none
    payload: Tensor  # int64 [B, T, P]: the first token is the one that may come next; NONE: not known
    weight: Tensor  # float [B, T]: how far it is trusted, 0 to 1; 0: nothing was read


@dataclass(frozen=True, slots=True, eq=False)
class SemanticLosses:
    """contrast: InfoNCE in nats. routing: of the choice of sets. gate: of the read gate. right: the share of
    queries that found their key.
    """

    contrast: Tensor
    routing: Tensor
    gate: Tensor
    right: float

    @property
    def total(self) -> Tensor:
        """What to minimise."""
        return self.contrast + self.routing + self.gate


class SemanticLane(nn.Module):
    """Keys, queries, centroids, read gate and fusion of the lane. Its entries are the caller's to keep: all
    streams of them are as long as another."""

    centroids: Tensor  # float [sets, key_width], of length 1
    threshold: Tensor  # float []: the score from which on the read gate is open
    _sums: Tensor  # float [sets, key_width]: of each set's keys, a fading sum
    _counts: Tensor  # float [sets]: and how many they are

    def __init__(self, width: int, memory: Any, *, probes: int = PROBES, share: float = SHARE) -> None:
        """`memory` is a `Shape` or names its numbers. Raises `InvalidInputError`."""
        super().__init__()
        self.shape = Shape.of(memory)
        self.probes, self.share = min(probes, self.shape.sets), share
        key_width, value_width = self.shape.key_width, self.shape.value_width
        self.to_query = nn.Linear(width, key_width, bias=False)
        self.to_key = nn.Linear(2 * width, key_width, bias=False)
        self.to_value = nn.Linear(width, value_width, bias=False)
        self.gate = nn.Linear(width, 1)
        self.fusion = Fusion(width, value_width)
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())
        drawn = functional.normalize(torch.randn(self.shape.sets, key_width), dim=-1)
        self.register_buffer("centroids", drawn)
        self.register_buffer("_sums", drawn * _LITTLE)
        self.register_buffer("_counts", torch.zeros(self.shape.sets))
        self.register_buffer("threshold", torch.zeros(()))

    @property
    def scale(self) -> Tensor:
        """One over the temperature, at most 1 / LEAST_TEMPERATURE."""
        return self.log_scale.exp().clamp(max=1 / LEAST_TEMPERATURE)

    def start(self, batch: int, device: torch.device | str | None = None) -> Entries:
        """The entries of `batch` streams before their first token."""
        return Entries.empty(self.shape, batch, device)

    def keys(self, states: Tensor) -> Tensor:
        """float [..., key_width], of length 1, of `pairs` of states."""
        return functional.normalize(self.to_key(states), dim=-1)

    def queries(self, states: Tensor) -> Tensor:
        """float [..., key_width], of length 1, of `normed` states."""
        return functional.normalize(self.to_query(states), dim=-1)

    def file(self, keys: Tensor) -> Tensor:
        """int64 [...]: the set of each key."""
        with torch.no_grad():
            return (keys @ self.centroids.T).argmax(-1)

    def read(self, hidden: Tensor, source: Source) -> SemanticRead:
        """Ask at T positions, of which `hidden` [B, T, d] are the states.

        Raises `MemoryShapeError` where the entries are of other streams or widths.
        """
        entries, states = source.entries, normed(hidden)
        over = self.gate(states)[..., 0] - self.threshold
        opened = over > 0
        most = int(opened.sum(1).max())
        # The open positions of each stream first, filled up with closed ones to the same number.
        at = opened.long().argsort(dim=1, descending=True, stable=True)[:, :most]
        if not most:
            nothing = states.new_zeros(len(states), 0, self.shape.value_width)
            return self._put(at, at, over[:, :0], nothing, entries, over)
        asked = states.gather(1, at[..., None].expand(-1, -1, states.shape[-1]))
        found = probe(
            source,
            self.queries(asked),
            self.centroids,
            self.probes,
            scale=float(self.scale.detach()),
        )
        slot = torch.where(opened.gather(1, at), found.slot, -1)
        trust = torch.sigmoid(over.gather(1, at)) * found.weights.sum(-1)
        return self._put(at, slot, trust, found.value, entries, over)

    def fuse(self, hidden: Tensor, read: SemanticRead) -> Tensor:
        """hidden [B, T, d] with what was read added as far as it is trusted; elsewhere `hidden` itself.

        The fusion norms what it adds, so the trust must come after it or would have no effect.
        """
        added: Tensor = self.fusion(hidden, read.value, read.there) - hidden
        return hidden + read.weight[..., None].to(hidden.dtype) * added

    def writes(
        self,
        seen: Tensor,
        tokens: Tensor,
        began: int,
        priority: Tensor,
        budget: int,
        least: float = NEVER,
    ) -> Writes:
        """The best `budget` of a chunk's T positions, those of a `priority` above `least`.

        seen: float [B, 1 + T, d], their hidden states behind that of the token before. tokens: int64 [B, T],
        the first stands at `began`. priority: float [B, T]. Raises `MemoryValueError` for a priority that is
        NaN.
        """
        stream, at = select(priority[..., None], budget, least)[..., 0].nonzero(as_tuple=True)
        states, width = _pair_at(seen, stream, at + 1), self.shape.payload
        key = self.keys(states)
        said = functional.pad(tokens, (0, max(width - 1, 0)), value=NONE).unfold(1, max(width, 1), 1)
        return Writes(
            stream=stream,
            set=self.file(key),
            tag=began + at,
            gate=key.new_ones(len(at)),
            key=key,
            value=self.to_value(states[:, states.shape[-1] // 2 :]),
            payload=said[stream, at, :width].int(),
            place=began + at,
            time=began + at,
            priority=priority[stream, at].float().clamp(min=0),
        )

    @torch.no_grad()
    def completed(self, entries: Entries, tokens: Tensor, began: int, *, reuse: bool = False) -> Entries:
        """The entries whose payloads reach from the chunk before into this one, filled in.

        tokens: int64 [B, T], the first stands at `began`. Without `reuse` the payloads are copied.
        """
        width = self.shape.payload
        late = entries.place > began - width
        late &= entries.tag >= 0
        stream = late.nonzero(as_tuple=True)[0]
        if not len(stream):
            return entries
        index = entries.place[late][:, None] + torch.arange(width, device=tokens.device) - began
        known = (index >= 0) & (index < tokens.shape[1])
        said = tokens[stream[:, None], index.clamp(0, tokens.shape[1] - 1)]
        whole = entries.payload if reuse else entries.payload.clone()
        whole[late] = torch.where(known, said.to(whole.dtype), whole[late])
        return entries if reuse else entries.with_(payload=whole)

    def end(
        self,
        source: Entries | Tape,
        seen: Tensor,
        tokens: Tensor,
        priority: Tensor,
        budget: int,
        least: float = NEVER,
        *,
        reuse: bool = False,
    ) -> tuple[Entries, Writes]:
        """The entries after a chunk of T tokens, and what it wrote; the rest as `writes`.

        A tape is written into; so are entries with `reuse`, and without it they are copied.
        """
        length, kept, tape = tokens.shape[1], source.entries, isinstance(source, Tape)
        began = int(kept.clock[0])
        kept = self.completed(kept, tokens, began, reuse=reuse or tape)
        writes = self.writes(seen, tokens, began, priority, budget, least)
        if isinstance(source, Tape):
            source.write(writes, length)
        elif reuse:
            chunked.write_(kept, writes, length)
        else:
            kept = chunked.write(kept, writes, length)
        return kept, writes

    def losses(
        self,
        hidden: Tensor,
        tokens: Tensor,
        mentions: Mentions,
        *,
        most: int = 512,
        strangers: int = 512,
        generator: torch.Generator | None = None,
    ) -> SemanticLosses:
        """InfoNCE of at most `most` pairs of mentions in the rows `hidden` [B, N, d], and the gate's loss.

        A pair is asked before its word was said or behind it, drawn for each. Negatives are the keys of the
        other pairs and of `strangers`, places drawn from the same rows; but for those of the same word, which
        would be right, too. Keys are drawn to the centroid of their set, and queries to that of their key's:
        fewer sets need to be probed then. Without `settle` in between that would gather all keys in a few.
        The gate learns to open where a query finds its key, and not at the strangers. No gradient goes to
        `hidden`.
        """
        device, length = hidden.device, tokens.shape[1]
        kind = torch.randint(0, 2, (len(mentions),), generator=generator).to(device)
        inside = (mentions.earlier + kind > 0) & (mentions.later > 0) & (mentions.later + kind < length)
        order = torch.randperm(len(mentions), generator=generator).to(device)
        order = order[inside[order]][:most]
        asked, kind = mentions.chosen(order), kind[order]
        row = torch.randint(0, len(tokens), (strangers,), generator=generator).to(device)
        place = torch.randint(1, length, (strangers,), generator=generator).to(device)
        x, later, earlier = hidden.detach(), asked.later + kind, asked.earlier + kind
        states, stranger = normed(x[asked.row, later - 1]), normed(x[row, place - 1])
        self._set_threshold(stranger)
        if not len(asked):
            nothing = x.new_zeros(())
            return SemanticLosses(nothing, nothing, nothing, 0.0)
        query = self.queries(states)
        key = torch.cat(
            [
                self.keys(_pair_at(x, asked.row, earlier)),
                self.keys(_pair_at(x, row, place)),
            ]
        )
        scores = query @ key.T * self.scale
        own = torch.arange(len(asked), device=device)
        said = torch.stack([tokens[row, place], tokens[row, place - 1]])[kind]
        also = torch.cat([asked.name[:, None] == asked.name, said == asked.name[:, None]], 1)
        also[own, own] = False
        scores = scores.masked_fill(also, float("-inf"))
        right = scores.argmax(-1) == own
        # Without the threshold: that follows the scores, and the two would chase each other.
        score = self.gate(torch.cat([states, stranger]))[:, 0]
        wanted = torch.cat([right, right.new_zeros(strangers)]).to(score.dtype)
        gate = functional.binary_cross_entropy_with_logits(score, wanted)
        contrast, filed = functional.cross_entropy(scores, own), self.file(key)
        near = torch.cat([key, query]) @ self.centroids.T * self.scale.detach()
        routing = functional.cross_entropy(near, torch.cat([filed, filed[: len(asked)]]))
        return SemanticLosses(contrast, routing, gate, float(right.float().mean()))

    @torch.no_grad()
    def settle(self, keys: Tensor, generator: torch.Generator | None = None) -> None:
        """Move the centroids one step to the keys [n, key_width] that were filed: k-means with fading sums.

        A set that has hardly any keys left gets a new centroid: a key of those given, each the more likely
        the fuller its own set is, so that crowded sets are divided.
        """
        if not len(keys):
            return
        keys = keys.float()
        filed = self.file(keys)
        self._sums.mul_(_KEPT).index_add_(0, filed, keys, alpha=1 - _KEPT)
        self._counts.mul_(_KEPT).index_add_(0, filed, keys.new_ones(len(keys)), alpha=1 - _KEPT)
        empty = (self._counts < _EMPTY * self._counts.mean()).nonzero().flatten()[: len(keys)]
        if len(empty):
            crowd = self._counts[filed].cpu()
            drawn = torch.multinomial(crowd, len(empty), generator=generator).to(keys.device)
            fair = self._counts.mean()
            self._sums[empty] = keys[drawn] * fair
            self._counts[empty] = fair
        self.centroids.copy_(functional.normalize(self._sums, dim=-1))

    @torch.no_grad()
    def _set_threshold(self, states: Tensor) -> None:
        """Follow the score that a `share` of these states exceeds."""
        wanted = torch.quantile(self.gate(states)[:, 0].float(), 1 - self.share)
        self.threshold.lerp_(wanted, 0.1)

    def _put(
        self,
        at: Tensor,
        slot: Tensor,
        trust: Tensor,
        value: Tensor,
        entries: Entries,
        like: Tensor,
    ) -> SemanticRead:
        """What m asked positions [B, m] were given, at all T of `like` [B, T]."""
        there = slot >= 0
        every = torch.full(like.shape, -1, dtype=torch.int64, device=like.device).scatter(1, at, slot)
        place = torch.where(every < 0, -1, entries.place.view(-1)[every.clamp(min=0)])
        value = torch.where(there[..., None], value, 0)
        wide = at[..., None].expand(-1, -1, value.shape[-1])
        return SemanticRead(
            value=value.new_zeros(*like.shape, value.shape[-1]).scatter(1, wide, value),
            there=every >= 0,
            slot=every,
            place=place,
            payload=payload_at(entries, every).long(),
            weight=torch.zeros_like(like).scatter(1, at, torch.where(there, trust, 0)),
        )


def normed(hidden: Tensor) -> Tensor:
    """float [..., d] of root mean square 1: how large states are, says how deep the model is."""
    return functional.rms_norm(hidden.float(), hidden.shape[-1:])


def pairs(seen: Tensor) -> Tensor:
    """float [B, T, 2 d]: each of T states behind the one before it, of `seen` [B, 1 + T, d]; both normed."""
    x = normed(seen)
    return torch.cat([x[:, :-1], x[:, 1:]], -1)


def _pair_at(hidden: Tensor, row: Tensor, at: Tensor) -> Tensor:
    """`pairs` at n places of rows [B, N, d]: float [n, 2 d]."""
    return normed(torch.stack([hidden[row, at - 1], hidden[row, at]], 1)).flatten(1)


def use_of_sets(filed: Tensor, sets: int) -> float:
    """Entropy in nats of where keys were filed, int64 [n], as a share of log `sets`."""
    counts = torch.bincount(filed.flatten(), minlength=sets).double()
    part = counts[counts > 0] / counts.sum()
    return float(-(part * part.log()).sum() / torch.tensor(sets).double().log()) if sets > 1 else 1.0

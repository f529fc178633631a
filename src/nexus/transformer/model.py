"""The Nexus: a window that reasons, a memory that is read within a chunk and written at its end (seed 001).

One step takes tokens of B streams that lie in one chunk. The window gives hidden states; n-grams that have an
entry give values, which are fused into the hidden states, and payloads, which the pointer follows. At the end
of the chunk the gate chooses what is written. Hidden states never depend on the memory, so the model without
it is in every step, and what the memory saves is known for each token.

Invariant: any split of a stream into calls gives the same; nothing at position t depends on a token after t.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer import recollection
from nexus.transformer.backbone import Backbone, WindowCache, pieces
from nexus.transformer.config import Config
from nexus.transformer.fusion import Copy, Fusion, describe, mix, mixed_at
from nexus.transformer.gates import NEVER, Context, RegretHead, means, select
from nexus.transformer.lexical import NOTHING, Lexical, last_of_each
from nexus.transformer.names import LONGEST
from nexus.transformer.pointer import NONE, Hits, runs
from nexus.transformer.recollection import Pointed, Recollection, named
from nexus.transformer.rsm import chunked
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.read import exact, payload_at
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.tape import Tape
from nexus.transformer.rsm.writes import Writes
from nexus.transformer.semantic import SemanticLane
from nexus.transformer.step import Losses, Output, Read, State, Tapes, Writing, Written

NAMED = 0.3  # the priority of a name: what will save less than a third of a nat goes before it
DUE = 1e-3  # of a word's probability: less is no credit


class Nexus(nn.Module):
    """Backbone, memory, and what joins them. `writing` may be replaced: the gate is part of the model."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        memory = config.memory
        self.backbone = Backbone(config)
        self.fusion = Fusion(config.width, memory.value_width)
        self.copy = Copy(config.width)
        self.recollection = Recollection(config.width, config.embedding, memory.payload)
        self.to_value = nn.Linear(config.width, memory.value_width, bias=False)
        self.to_key = nn.Linear(config.width, memory.key_width, bias=False)
        self.refine = nn.Linear(config.width, 1)
        self.regret = RegretHead(config.width, len(memory.orders))
        self.lexical = Lexical(memory.orders, memory.sets)
        shape = replace(Shape.of(memory), sets=memory.meanings) if memory.meanings else None
        self.semantic = None if shape is None else SemanticLane(config.width, shape)
        self.lead = memory.payload + max(self.lexical.past, LONGEST)
        self.writing = Writing(self.regret)

    def start(self, batch: int, device: torch.device | str | None = None) -> State:
        """The state before the first token of `batch` streams."""
        tokens = torch.full((batch, self.lead), NOTHING, dtype=torch.int64, device=device)
        hidden = torch.zeros(batch, 1, self.config.width, device=device)
        entries = Entries.empty(self.config.memory, batch, device)
        meanings = None if self.semantic is None else self.semantic.start(batch, device)
        return State(0, None, entries, tokens, hidden, meanings)

    def forward(
        self, tokens: Tensor, state: State, tapes: Tapes | None = None, *, reuse: bool = False
    ) -> Output:
        """One step: int64 [B, T] that do not reach over the end of the chunk; `steps` cuts longer ones.

        With `tapes` of the state's memories, reads give gradients to what the tapes wrote. `reuse`: the
        memories of `state` are written into and `state` is of no more use; without it, they are copied.

        Raises:
            ValueError: the tokens do not fit into the chunk.
        """
        known, entries = self._begun(tokens, state, reuse or tapes is not None)
        hidden, window = self.backbone(tokens, state.window)
        source, meanings = (entries, state.meanings) if tapes is None else (tapes.entries, tapes.meanings)
        read = self._read(source, known, tokens.shape[1], state.position)
        fused, meant = self.fusion(hidden, read.value, read.there), None
        if self.semantic is not None and meanings is not None:
            meant = self.semantic.read(hidden, meanings)
            fused = self.semantic.fuse(fused, meant)
        even = functional.rms_norm(hidden, hidden.shape[-1:])
        after, written = self._ended(state, known, even, window, source, meanings, reuse)
        return Output(hidden, even, fused, read, meant, after, written)

    @torch.no_grad()
    def take(self, tokens: Tensor, state: State) -> State:
        """`forward` for the state alone: nothing is read. `state` is used up. Raises `ValueError`."""
        known, entries = self._begun(tokens, state, True)
        hidden, window = self.backbone(tokens, state.window)
        even = functional.rms_norm(hidden, hidden.shape[-1:])
        return self._ended(state, known, even, window, entries, state.meanings, True)[0]

    def steps(self, tokens: Tensor, state: State) -> Iterator[tuple[int, Tensor]]:
        """int64 [B, N] cut at the ends of chunks: where each piece begins in N, and the piece."""
        return pieces(tokens, state.position, self.config.chunk)

    @torch.no_grad()
    def stream(self, tokens: Tensor, state: State) -> State:
        """Take in int64 [B, N] of any N; the state afterwards. `state` is used up."""
        for _, piece in self.steps(tokens, state):
            state = self.take(piece, state)
        return state

    def log_p(self, out: Output) -> Tensor:
        """log p of the next token: float [B, T, vocabulary]."""
        own = functional.log_softmax(self.backbone.logits(out.fused), -1)
        token, trust, there = self._said(out, own)
        pointed = self._pointed(out, own)
        return recollection.mix(mix(own, token, trust, there), pointed)

    def losses(self, out: Output, target: Tensor) -> Losses:
        """Of int64 [B, T] targets."""
        logits, alone = self.backbone.logits(out.fused), self.backbone.logits(out.hidden)
        size = logits.logsumexp(-1)
        own = logits - size[..., None]
        token, trust, there = self._said(out, own)
        pointed = self._pointed(out, own.detach())
        off = functional.cross_entropy(alone.flatten(0, 1), target.flatten(), reduction="none").view_as(
            target
        )
        by_run = mixed_at(own, target, token, trust, there)
        on = recollection.mixed_at(by_run, target, pointed)
        place, order = self._due(out.read, token == target, pointed, target)
        return Losses(-on, off, size.square().mean(), place, order)

    @torch.no_grad()
    def _due(self, read: Read, run_right: Tensor, pointed: Pointed, target: Tensor) -> tuple[Tensor, Tensor]:
        """Place and order of the entry to thank: the run's, or the named one that held the word."""
        right = pointed.weight * (pointed.token == target[..., None])
        each = right.view(*target.shape, read.named_place.shape[-1], -1).sum(-1)
        best = each.argmax(-1, keepdim=True)
        named_right = (each.sum(-1) * pointed.trust > DUE) & ~run_right
        place, order = (
            torch.where(named_right, of_named.gather(-1, best)[..., 0], of_run)
            for of_named, of_run in ((read.named_place, read.place), (read.named_order, read.order))
        )
        return place, order

    def _said(self, out: Output, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The word that the run says, how far it is believed, and whether there is a run: three of [B, T]."""
        read, run = out.read, out.read.run
        of_word = own.detach().gather(-1, run.token.clamp(min=0)[..., None])[..., 0]
        facts = describe(run.evidence, read.order, run.offset, read.age, read.priority, of_word)
        return run.token, self.copy.trust(out.even.detach(), facts), run.token != NONE

    def _pointed(self, out: Output, own: Tensor) -> Pointed:
        pointed: Pointed = self.recollection(
            out.even, out.read.names, self.backbone.table.weight.detach(), own.detach()
        )
        return pointed

    def _begun(self, tokens: Tensor, state: State, in_place: bool) -> tuple[Tensor, Entries]:
        """The chunk's tokens so far and those before it, and the entries with their payloads completed."""
        chunk, within, length = self.config.chunk, state.position % self.config.chunk, tokens.shape[1]
        if not 0 < length <= chunk - within:
            raise ValueError(
                f"{length} tokens where the chunk has room for {chunk - within}: cut them with `steps`"
            )
        known = torch.cat([state.tokens, tokens], 1)
        if within >= self.config.memory.payload:
            return known, state.entries
        return known, self._completed(state.entries, known, state.position - within, in_place)

    def _ended(
        self,
        state: State,
        known: Tensor,
        even: Tensor,
        window: WindowCache,
        source: Entries | Tape,
        meanings: Entries | Tape | None,
        reuse: bool,
    ) -> tuple[State, Written | None]:
        """The state after a step; at the end of a chunk, what was written."""
        chunk, position = self.config.chunk, state.position + even.shape[1]
        seen, written, entries = torch.cat([state.hidden, even], 1), None, source.entries
        if position % chunk == 0:
            written = self._written(known, seen, position - chunk, entries)
            if self.semantic is not None and meanings is not None:
                by, said = self.writing, known[:, self.lead :]
                meanings, filed = self.semantic.end(
                    meanings, seen, said, written.worth, by.budget, by.least, reuse=reuse
                )
                written = replace(written, meanings=filed)
            if isinstance(source, Tape):
                source.write(written.writes, chunk)
            elif reuse:
                chunked.write_(source, written.writes, chunk)
            else:
                entries = chunked.write(source, written.writes, chunk)
            known, seen = known[:, -self.lead :].clone(), seen[:, -1:].clone()
        kept = None if meanings is None else meanings.entries
        return State(position, window, entries, known, seen.detach(), kept), written

    def _read(self, source: Entries | Tape, known: Tensor, length: int, position: int) -> Read:
        payload, past = self.config.memory.payload, self.lexical.past
        first = known.shape[1] - length - payload + 1  # of the hits whose runs may reach the first token
        line = known[:, first:]
        sets, tags, _ = self.lexical.addresses(line, known[:, first - past : first])
        found = exact(source, sets, tags, payload=False)
        order, longest = (
            found.hit.long().mul(torch.arange(1, found.hit.shape[-1] + 1, device=line.device)).max(-1)
        )

        def of_longest(x: Tensor) -> Tensor:
            index = longest[(..., *[None] * (x.dim() - 2))].expand(*longest.shape, 1, *x.shape[3:])
            return x.gather(2, index)[:, :, 0]

        lengths = torch.tensor([0, *self.lexical.orders], device=line.device)[order]
        place, priority = of_longest(found.place), of_longest(found.priority)
        slot = torch.where(order > 0, of_longest(found.slot), -1)
        hits = Hits(payload_at(source, slot).long(), place, lengths)
        began = torch.full((len(line),), position - payload + 1, device=line.device)
        often = source.entries.hits.view(-1)[slot.clamp(min=0)]
        run, names = (
            runs(hits, line, began),
            named(hits, priority / (1 + often), line, began, known[:, first - 1 : first]),
        )
        there = run.token != NONE

        def of_run(x: Tensor) -> Tensor:
            return torch.where(there, x.gather(1, run.source), 0)

        now = position + torch.arange(length, device=line.device)
        age = torch.where(there, now - of_run(place) - run.offset, 0)
        value = of_longest(found.value)[:, -length:]
        read_there = order[:, -length:] > 0
        of_named = names.source.flatten(1)
        return Read(
            value=value,
            there=read_there,
            run=run,
            order=of_run(lengths),
            place=of_run(place),
            priority=of_run(priority),
            age=age,
            names=names,
            named_place=place.gather(1, of_named).view_as(names.source),
            named_order=lengths.gather(1, of_named).view_as(names.source),
        )

    def _completed(self, entries: Entries, known: Tensor, began: int, reuse: bool) -> Entries:
        """The payloads of the chunk before that reach into this one, as far as this one is known."""
        payload, past, lead = self.config.memory.payload, self.lexical.past, self.lead
        ends = known[
            :, lead - payload : lead - 1
        ]  # the n-grams of the entries at the places began - P + 1 ..
        sets, tags, _ = self.lexical.addresses(ends, known[:, lead - payload - past : lead - payload])
        if self.writing.names is not None:
            its = self.writing.names.ending(known[:, lead - payload + 1 - LONGEST : lead], self.lexical)
            sets, tags = torch.cat([sets, its.sets], -1), torch.cat([tags, its.tags], -1)
        found = exact(entries, sets, tags, payload=False)
        places = began - payload + 1 + torch.arange(payload - 1, device=known.device)
        said = functional.pad(known[:, lead - payload + 1 :], (0, payload), value=NONE).unfold(1, payload, 1)
        said = said[:, : payload - 1, None].expand(-1, -1, found.hit.shape[-1], -1)
        first_place = entries.first_place.view(-1)[found.slot]
        changed = {}
        for name, place in (("payload", found.place), ("first_payload", first_place)):
            mine = found.hit & (place == places[None, :, None])
            whole = getattr(entries, name) if reuse else getattr(entries, name).clone()
            whole.view(-1, payload)[found.slot[mine]] = said[mine].to(whole.dtype)
            changed[name] = whole
        return entries if reuse else entries.with_(**changed)

    def _written(self, known: Tensor, seen: Tensor, began: int, entries: Entries) -> Written:
        """What the gate lets in of the chunk that `known` ends with: n-grams, each where it stands last."""
        lead, past, payload = self.lead, self.lexical.past, self.config.memory.payload
        soon = means(seen[:, 1:], max(1, payload))
        context = Context(known[:, lead - 1 : -1], known[:, lead:], seen[:, :-1], seen[:, 1:], soon)
        sets, tags, _ = self.lexical.addresses(context.key, known[:, lead - 1 - past : lead - 1])
        with torch.no_grad():
            priority, by = self.writing.gate(context), self.writing
            there = exact(entries, sets, tags, payload=False).hit
            last = last_of_each(tags)
            kept = select(priority.masked_fill(there | ~last, NEVER), by.budget, by.least)
            kept |= select(priority.masked_fill(~(there & last), NEVER), by.budget // 2, by.least)
            if self.writing.explore:
                kept |= torch.rand(kept.shape, device=kept.device) < self.writing.explore / kept.shape[-1]
            worth = priority.float().amax(-1)
            if by.names is not None:
                its = by.names.ending(known[:, lead - LONGEST :], self.lexical)
                # Of a new one the first mention; later the last of a chunk: who comes back is not old.
                known_name = exact(entries, its.sets, its.tags, payload=False).hit
                first = last_of_each(its.tags.flip(1)).flip(1)
                chosen = its.there & torch.where(known_name, last_of_each(its.tags), first)
                sets, tags = torch.cat([sets, its.sets], -1), torch.cat([tags, its.tags], -1)
                kept = torch.cat([kept, chosen], -1)
                priority = torch.cat([priority, torch.full_like(its.sets, NAMED, dtype=priority.dtype)], -1)
        stream, at, order = kept.nonzero(as_tuple=True)
        said = functional.pad(context.token, (0, payload - 1), value=NONE).unfold(1, payload, 1)
        before, now = context.before[stream, at], context.now[stream, at]
        writes = Writes(
            stream=stream,
            set=sets[stream, at, order],
            tag=tags[stream, at, order],
            gate=torch.sigmoid(self.refine(now))[:, 0],
            key=self.to_key(before),
            value=self.to_value(now),
            payload=said[stream, at].int(),
            place=began + at,
            time=began + at,
            priority=priority[stream, at, order].float().clamp(min=0),
        )
        return Written(writes, stream, at, order, context, worth)

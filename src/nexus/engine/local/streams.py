"""Streams: tokens whose keys and values the model holds, and where new ones get theirs from.

A stream begins with the longest prefix that is known: a stream of an earlier answer that still lies in
RAM whole, or blocks on the disk. Does not compute. Invariants: between steps `Stream.tokens` are exactly
the tokens of its context; a block is named only after it is on the disk; at most `kept` idle streams, and
what all contexts hold in RAM beside their pages is taken from the pages.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from nexus.core.errors import StorageError
from nexus.engine.local.names import BLOCK_TOKENS, Block, Names, Tokens, chain
from nexus.engine.local.stream import Limits, Stream, new_context

if TYPE_CHECKING:
    from nexus._engine import Model, Store

log = logging.getLogger(__name__)

# Named together: one fdatasync and one transaction for so many blocks.
NAMED_AT_ONCE = 16
# Evicted together, of the store's capacity: it takes a look at all names.
_EVICTED_PART = 64
_RAM_STEP = 4 << 20
# Frames that a step needs beside those of the blocks that it fills.
_FRAMES_BESIDE = 8


class CrowdedError(Exception):
    """There is no room now; there will be when an open stream is kept or dropped."""


class Streams:
    """Opens, names, keeps and closes streams of one model on one store. One thread uses it.

    Names whose blocks the store does not have any more are forgotten, with a warning.
    """

    def __init__(
        self, model: Model, store: Store, names: Names, limits: Limits, *, kept: int, ram_bytes: int
    ) -> None:
        self._model = model
        self._store = store
        self._ram_bytes = self._pages_bytes = ram_bytes
        self._layers = int(model.config["layers"])
        self.names = names
        self._limits = limits
        self._kept = kept
        self._idle: list[Stream] = []
        self._open: list[Stream] = []
        self._clock = 0
        if lost := names.forget_beyond(store.slots):
            log.warning("%d stored blocks have no place in the block file: computed again", len(lost))
        store.reserve(names.slots())
        stats = store.stats()
        if stats["blocks"] > stats["capacity"]:  # less disk is allowed than before
            self._evict(stats["blocks"] - stats["capacity"])
        self._give_space_back()

    def open(self, prompt: Tokens, fresh: int = 1, *, idle: bool = True) -> tuple[Stream, int]:
        """A stream that holds the beginning of `prompt`, and how many of its tokens; never the `fresh` last
        ones: they have to be computed, for their logits. `idle`: a stream of an earlier answer may be
        taken for it. Raises `CrowdedError` or `StorageError` where its
        memory cannot be had."""
        useful = prompt[: len(prompt) - fresh]
        best, length = None, 0
        for stream in self._idle if idle else ():
            common = self._reusable(stream, stream.common(useful))
            if common > length:
                best, length = stream, common
        stored = self.names.match(useful)
        held = len(stored) * BLOCK_TOKENS
        # Nothing is cut off a stream for what the disk gives as well.
        if best is not None and (length > held or length == held == len(best.tokens)):
            self._idle.remove(best)
            self._open.append(best)
            self._cut(best, length)
            stream = best
        else:
            stream = self._adopt(stored, useful)
        try:
            self._share_ram()
        except (CrowdedError, StorageError):
            self.keep(stream)
            raise
        return stream, len(stream.tokens)

    def promise(self, stream: Stream, tokens: int) -> None:
        """See that the store has room for `stream` to grow to so many tokens, beside all that was promised
        to others. Raises `CrowdedError` while others are open, `StorageError` where it is too small."""
        stream.promised = tokens // BLOCK_TOKENS
        while (lacking := self._lacking()) > 0:
            if self._evict(lacking):
                continue
            if not self._idle:
                break
            self._close(self._oldest())
        else:
            return
        if len(self._open) > 1:
            raise CrowdedError
        raise StorageError(
            f"the engine's store is full: it has {self._store.stats()['capacity']} blocks of"
            f" {BLOCK_TOKENS} tokens, and this conversation needs {stream.promised}",
            hint="raise engine.disk_gib, or shorten the conversation",
        )

    def free_some(self, stream: Stream) -> int:
        """The disk gave no more: forget stored prefixes for what was promised to `stream`; how many went."""
        wanted = max(1, stream.promised - len(stream.slots))
        freed = self._evict(wanted)
        while freed < wanted and self._idle:
            self._close(self._oldest())
            freed += self._evict(wanted - freed)
        return freed

    @property
    def most_tokens(self) -> int:
        """That a step of one stream may bring: all blocks that they fill have to be in RAM at once."""
        blocks = (self._store.stats()["frames"] - _FRAMES_BESIDE) // self._layers
        return max(1, blocks) * BLOCK_TOKENS

    def grew(self, stream: Stream, tokens: Sequence[int]) -> None:
        """These tokens have entered the context."""
        stream.tokens.extend(tokens)
        stream.fresh += stream.context.new_blocks()

    def settle(self, stream: Stream) -> None:
        """Between steps: name full blocks now and then. Raises `StorageError` and what the store raises;
        streams whose blocks did not reach the disk are shorter then."""
        if len(stream.fresh) >= NAMED_AT_ONCE:
            self.name_blocks(stream)
            self._share_ram()

    def name_blocks(self, stream: Stream) -> None:
        """Bring full blocks to the disk and give them names, so that others and later runs find them."""
        if not stream.fresh:
            return
        try:
            self._store.sync()
        except Exception:
            # It may be anybody's blocks that are lost: all without a name are made again.
            for each in [*self._idle, *self._open]:
                if each.fresh:
                    self._cut(each, len(each.blocks) * BLOCK_TOKENS)
            raise
        parent = stream.blocks[-1].name if stream.blocks else self.names.root
        tokens = np.asarray(stream.tokens[len(stream.blocks) * BLOCK_TOKENS :], dtype=np.int32)
        new = [
            (Block(name, ordinal, slot, mark), before, part)
            for (ordinal, slot, mark), (name, before, part) in zip(
                stream.fresh, chain(parent, tokens), strict=False
            )
        ]
        # Where another stream has given a name meanwhile, ours keeps its own copy until it is closed.
        self.names.add(new)
        stream.fresh = []
        stream.blocks += [block for block, _, _ in new]

    def keep(self, stream: Stream) -> None:
        """The answer is over; the stream stays whole for the next turn of its conversation."""
        self.name_blocks(stream)
        self._open.remove(stream)
        stream.promised = 0
        self._clock += 1
        stream.kept_at = self._clock
        self._idle.append(stream)
        while len(self._idle) > self._kept or (
            len(self._idle) > 1 and self._held(self._idle) > self._ram_bytes // 4
        ):
            self._close(self._oldest())

    def drop(self, stream: Stream) -> None:
        """Something went wrong in it: forget what is not named. Never raises."""
        if stream in self._open:
            self._open.remove(stream)
        try:
            self.mend(stream)
            self._release(stream)
        except Exception as error:  # at worst its slots stay taken until the next start
            log.warning("a conversation was not closed in order: %s", error)

    def mend(self, stream: Stream) -> None:
        """After a step that failed: the stream is again what it was before, or shorter."""
        context = stream.context
        # A truncation closes the step, also where it then finds fewer tokens than it was asked for.
        with suppress(RuntimeError):
            context.truncate(context.tokens)
        stream.fresh += context.new_blocks()
        length = min(len(stream.tokens), context.tokens)
        if length < context.tokens // BLOCK_TOKENS * BLOCK_TOKENS:
            length = length // BLOCK_TOKENS * BLOCK_TOKENS
        self._cut(stream, length)

    def forget_damaged(self, slot: int) -> bool:
        """A stored block is not what was written: it and all that follow it have to go. Whether open
        streams had it; they are shorter now. None may be in a step."""
        held = self._slots_in_use()
        for lost in self.names.forget(slot):
            if lost not in held:
                self._store.release(lost)
        for stream in [each for each in self._idle if slot in each.slots]:
            self._close(stream)
        concerned = [each for each in self._open if slot in each.slots]
        for stream in concerned:
            self._cut(stream, stream.slots.index(slot) * BLOCK_TOKENS)
        return bool(concerned)

    def close(self) -> None:
        """Name what is full and give everything back."""
        for stream in [*self._idle, *self._open]:
            try:
                self.name_blocks(stream)
            except Exception as error:  # the others may have better luck
                log.warning("the end of a conversation was not stored: %s", error)
        self._idle.clear()
        self._open.clear()

    def summary(self) -> dict[str, int]:
        """What is stored, and how the pages in RAM did."""
        return {
            **self.names.summary(),
            **{f"store_{name}": value for name, value in self._store.stats().items()},
            "block_bytes": self._store.block_bytes,
            "open": len(self._open),
            "idle": len(self._idle),
        }

    def clear(self) -> dict[str, int]:
        """Forget every stored block that no open answer needs; returns how many went, and bytes of disk."""
        before = self._store.stats()["disk_bytes"]
        while self._idle:
            self._close(self._idle[0])
        blocks = self._evict(self.names.summary()["blocks"])
        self._give_space_back()
        return {"blocks": blocks, "bytes": max(0, before - self._store.stats()["disk_bytes"])}

    def _give_space_back(self) -> None:
        """The disk gets what free slots take of it. Not while answers come and go: they fill slots again."""
        from nexus._engine import EngineIoError

        try:
            self._store.give_back()
        except EngineIoError as error:  # later blocks use the space
            log.warning("%s", error)

    def _share_ram(self) -> None:
        """What contexts hold themselves (their indexes grow) is taken from the pages, so that the sum stays.

        Raises `CrowdedError` or `StorageError` where too little would be left.
        """
        while (pages := self._ram_bytes - self._held([*self._idle, *self._open])) < self._least_pages():
            if self._idle:
                self._close(self._oldest())
                continue
            if len(self._open) > 1:
                raise CrowdedError
            raise StorageError(
                f"this conversation takes {(self._ram_bytes - pages) / 1e6:.0f} MB of the"
                f" {self._ram_bytes / 1e6:.0f} MB of RAM, which leaves too little for its pages",
                hint="give it more: engine.ram_mib, or --ram",
            )
        if abs(pages - self._pages_bytes) >= min(_RAM_STEP, self._ram_bytes // 16):
            self._store.set_ram(pages)
            self._pages_bytes = pages

    def _least_pages(self) -> int:
        """Each open stream may fill a block in the same step."""
        page = self._store.least_ram // (self._layers + _FRAMES_BESIDE)
        return (self._layers * max(1, len(self._open)) + _FRAMES_BESIDE) * page

    @staticmethod
    def _held(streams: Iterable[Stream]) -> int:
        return sum(stream.context.ram_bytes for stream in streams)

    def _oldest(self) -> Stream:
        return min(self._idle, key=lambda idle: idle.kept_at)

    def _lacking(self) -> int:
        """Blocks that were promised and could not be had now."""
        stats = self._store.stats()
        missing = sum(max(0, each.promised - len(each.slots)) for each in self._open)
        return missing - (stats["capacity"] - stats["blocks"])

    def _evict(self, count: int) -> int:
        spare = self._store.stats()["capacity"] // _EVICTED_PART
        freed = self.names.evict(max(count, min(spare, 256)), self._slots_in_use())
        for slot in freed:
            self._store.release(slot)
        return len(freed)

    def _adopt(self, stored: list[Block], tokens: Tokens) -> Stream:
        """A new stream of these blocks, or of those before the first that is damaged."""
        from nexus._engine import EngineNativeError

        context = new_context(self._model, self._store, self._limits)
        try:
            if stored:
                context.adopt([block.slot for block in stored], [block.mark for block in stored])
        except EngineNativeError as error:
            log.warning("stored context is lost and is computed again: %s", error)
            whole = context.tokens // BLOCK_TOKENS
            self.forget_damaged(stored[whole].slot)
            stored = stored[:whole]
        stream = Stream(context, array("i", tokens[: len(stored) * BLOCK_TOKENS].tobytes()), stored)
        self._open.append(stream)
        return stream

    @staticmethod
    def _reusable(stream: Stream, common: int) -> int:
        """To how many tokens a stream can be cut so that at most `common` are left."""
        tail = len(stream.tokens) // BLOCK_TOKENS * BLOCK_TOKENS
        return common if common >= tail else common // BLOCK_TOKENS * BLOCK_TOKENS

    def _cut(self, stream: Stream, length: int) -> None:
        """To a multiple of 128 tokens, or within the tail."""
        if length != stream.context.tokens:
            stream.context.truncate(length)
        del stream.tokens[length:]
        whole = length // BLOCK_TOKENS
        blocks, fresh = stream.blocks[whole:], stream.fresh[max(0, whole - len(stream.blocks)) :]
        del stream.fresh[len(stream.fresh) - len(fresh) :], stream.blocks[whole:]
        self._give_back(blocks, fresh)

    def _close(self, stream: Stream) -> None:
        self._idle.remove(stream)
        self._release(stream)

    def _release(self, stream: Stream) -> None:
        blocks, fresh = stream.blocks, stream.fresh
        stream.blocks, stream.fresh = [], []
        self._give_back(blocks, fresh)

    def _give_back(self, blocks: list[Block], fresh: list[tuple[int, int, int]]) -> None:
        """Of blocks that their stream has given up: named ones stay on the disk; one that another of the
        same name made superfluous goes, as does one without a name."""
        for _, slot, _ in fresh:
            self._store.release(slot)
        loose = [block.slot for block in blocks if not self.names.is_named(block)]
        in_use = self._slots_in_use() if loose else set()
        for slot in loose:
            if slot not in in_use:
                self._store.release(slot)

    def _slots_in_use(self) -> set[int]:
        return {slot for stream in [*self._idle, *self._open] for slot in stream.slots}

"""Tape: a memory while it is trained on a few chunks, where reads must give gradients to earlier writes.

Knows nothing of losses. Autograd through `chunked.write` would keep a copy of the memory for every chunk, 8
MB each; the tape keeps only the rows that were written. Invariant: `entries` has no history and at any
moment holds the very numbers that `at` gives; `at` gives those written since the last `cut` with their
history.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nexus.transformer.rsm.chunked import advance, contents, put
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.reference import aged
from nexus.transformer.rsm.replacement import plan
from nexus.transformer.rsm.writes import Writes


class Tape:
    """The memory `entries` and what was written since. It writes into `entries` itself.

    >>> tape = Tape(entries)
    >>> for chunk in window:                     # backpropagation through time over this many chunks
    ...     found = read.exact(tape, chunk.sets, chunk.tags)    # the memory as the chunk finds it
    ...     tape.write(chunk.writes, chunk.tokens)
    >>> loss.backward()
    >>> tape.cut()                               # the next window starts without history
    """

    def __init__(self, entries: Entries) -> None:
        self.entries = entries.detach()
        # Which written row an entry holds; -1: none since the last cut.
        self._row = torch.full((entries.tag.numel(),), -1, dtype=torch.int64, device=entries.device)
        self._written: tuple[Tensor, Tensor] | None = None

    @property
    def rows(self) -> int:
        """Rows written since the last cut: what autograd holds."""
        return 0 if self._written is None else len(self._written[0])

    def at(self, slot: Tensor) -> tuple[Tensor, Tensor]:
        """[m, key_width], [m, value_width]: the entries `slot` (int64 [m]), with the history of their
        writes."""
        held = self.entries.at(slot)
        if self._written is None:
            return held
        row = self._row.index_select(0, slot)
        new, row = (row >= 0)[:, None], row.clamp(min=0)
        key, value = (
            torch.where(new, written.index_select(0, row), old)
            for written, old in zip(self._written, held, strict=True)
        )
        return key, value

    def write(self, writes: Writes, tokens: int) -> None:
        """As `chunked.write`. Raises `MemoryShapeError` and `MemoryValueError`; then nothing was written."""
        writes.check(self.entries, tokens)
        priority = aged(self.entries, tokens)
        if not len(writes):
            advance(self.entries, priority, tokens)
            return
        chosen = plan(self.entries, writes, priority)
        rows = contents(chosen, writes, *self.at(chosen.slot))
        put(self.entries, chosen, writes, priority, tokens, rows)
        numbers = torch.arange(self.rows, self.rows + len(chosen.slot), device=self.entries.device)
        self._row.index_copy_(0, chosen.slot, numbers)
        if self._written is None:
            self._written = rows
        else:
            self._written = (torch.cat([self._written[0], rows[0]]), torch.cat([self._written[1], rows[1]]))

    def cut(self) -> None:
        """Forget the history; the memory stays as it is."""
        self._row.fill_(-1)
        self._written = None

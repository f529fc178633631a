"""Writes: what one chunk hands to a memory, flat and in time order.

Knows nothing of what the memory holds. Invariant of writes that `check` has passed: every number is finite
and in range. Which of two writes is the later one, their order says; the streams may alternate.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import torch
from torch import Tensor

from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.errors import MemoryShapeError, MemoryValueError
from nexus.transformer.rsm.shape import ROW_BITS, TAG_BITS


@dataclass(frozen=True, slots=True, eq=False)
class Writes:
    """n writes. Only `gate`, `key` and `value` carry gradients."""

    stream: Tensor  # int64 [n]: 0 .. B-1
    set: Tensor  # int64 [n]: 0 .. sets-1
    tag: Tensor  # int64 [n]: 0 .. 2^44-1; the same tag in another set is another entry
    gate: Tensor  # float [n]: 0 .. 1, how much of the entry the write replaces
    key: Tensor  # float [n, key_width]
    value: Tensor  # float [n, value_width]
    payload: Tensor  # int32 [n, P]; -1: no token
    place: Tensor  # int64 [n]: position of the payload's first token
    time: Tensor  # int64 [n]: position of the token that writes, clock <= time < clock + tokens
    priority: Tensor  # float32 [n]: at least 0

    def __len__(self) -> int:
        return self.tag.shape[0]

    def chosen(self, which: Tensor) -> Writes:
        """The writes at the indices `which` (int64), in that order."""
        return Writes(*(getattr(self, field.name).index_select(0, which) for field in fields(self)))

    def check(self, entries: Entries, tokens: int) -> None:
        """Raises `MemoryShapeError` or `MemoryValueError`; asks the device once."""
        self._check_shapes(entries, tokens)
        if len(self):
            self._check_numbers(entries, tokens)

    def _check_shapes(self, entries: Entries, tokens: int) -> None:
        shape, n = entries.shape, self.tag.numel()
        real = entries.key.dtype
        wanted: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
            "stream": (torch.int64, (n,)),
            "set": (torch.int64, (n,)),
            "tag": (torch.int64, (n,)),
            "gate": (real, (n,)),
            "key": (real, (n, shape.key_width)),
            "value": (real, (n, shape.value_width)),
            "payload": (torch.int32, (n, shape.payload)),
            "place": (torch.int64, (n,)),
            "time": (torch.int64, (n,)),
            "priority": (torch.float32, (n,)),
        }
        for name, (dtype, size) in wanted.items():
            tensor: Tensor = getattr(self, name)
            if tensor.dtype != dtype or tuple(tensor.shape) != size:
                raise MemoryShapeError(
                    f"{name} of the writes is {tensor.dtype} {list(tensor.shape)}, not {dtype} {list(size)}",
                    hint="all writes of a chunk have the memory's widths",
                )
            if tensor.device != entries.device:
                raise MemoryShapeError(
                    f"{name} of the writes is on {tensor.device}, the memory on {entries.device}",
                    hint="move one to the other",
                )
        if tokens < 0:
            raise MemoryShapeError(f"a chunk of {tokens} tokens", hint="give the length of the chunk")
        if entries.batch * shape.sets > 1 << ROW_BITS:
            raise MemoryShapeError(
                f"{entries.batch} streams of {shape.sets} sets are more than {1 << ROW_BITS} sets",
                hint="use fewer streams",
            )

    def _check_numbers(self, entries: Entries, tokens: int) -> None:
        # One sum tells whether all is finite unless it overflows by itself; then it is looked at closely.
        with torch.no_grad():
            total = self.key.sum() + self.value.sum() + self.gate.sum() + self.priority.sum()
            since = self.time - entries.clock.index_select(0, self.stream.clamp(0, entries.batch - 1))
            whole = torch.stack([self.stream, self.set, self.tag, since])
            lows, highs = torch.aminmax(whole, dim=1)
            real = torch.stack([self.gate.min(), self.gate.max(), self.priority.min(), total])
            found = torch.cat([lows.double(), highs.double(), real.double()]).tolist()
        bounds = {
            "stream": (found[0], found[4], 0, entries.batch - 1),
            "set": (found[1], found[5], 0, entries.shape.sets - 1),
            "tag": (found[2], found[6], 0, (1 << TAG_BITS) - 1),
            "time less the clock": (found[3], found[7], 0, tokens - 1),
            "gate": (found[8], found[9], 0, 1),
            "priority": (found[10], found[10], 0, None),
        }
        if not abs(found[11]) < float("inf"):
            self._name_what_is_not_finite()
        for name, (least, most, low, high) in bounds.items():
            if least < low or (high is not None and most > high):
                raise MemoryValueError(
                    f"{name} of the writes goes from {least:g} to {most:g}, allowed is "
                    + (f"{low} to {high}" if high is not None else f"{low} and more"),
                    hint=_REMEDY.get(name, "give what belongs to this memory"),
                )

    def _name_what_is_not_finite(self) -> None:
        for name in ("gate", "key", "value", "priority"):
            bad = (~torch.isfinite(getattr(self, name)).reshape(len(self), -1).all(1)).nonzero()
            if len(bad):
                at = int(bad[0])
                raise MemoryValueError(
                    f"{name} of write {at} (time {int(self.time[at])}) is NaN or infinite",
                    hint="the model diverged: lower the learning rate or go back to the last good checkpoint",
                )


_REMEDY: Final = {
    "gate": "a gate is a share: put it through a sigmoid",
    "priority": "put it through softplus, or clamp it at 0",
    "tag": f"use the lowest {TAG_BITS} bits of a hash",
    "time less the clock": "write the tokens of this chunk, and give its length",
}

"""Entries: what a memory holds, for B streams at once.

Knows nothing of how entries are chosen or read. Invariant: where `tag` is -1 the entry is empty, and then its
payloads, places and last are -1 and all its other numbers are 0; a tag occurs once in a set of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import torch
from torch import Tensor

from nexus.transformer.rsm.errors import ForeignMemoryError, MemoryShapeError
from nexus.transformer.rsm.shape import Shape

FORMAT: Final = "nexus-memory-2"


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """B streams of S sets of W ways. Only `key` and `value` carry gradients."""

    shape: Shape
    tag: Tensor  # int64 [B, S, W]; -1: empty
    key: Tensor  # float [B, S, W, key_width]
    value: Tensor  # float [B, S, W, value_width]
    payload: Tensor  # int32 [B, S, W, P]; -1: no token
    place: Tensor  # int64 [B, S, W]: position in the stream of the payload's first token
    first_payload: Tensor  # int32 [B, S, W, P]: the payload when the tag was new
    first_place: Tensor  # int64 [B, S, W]: its place
    last: Tensor  # int64 [B, S, W]: position of the token that wrote it last
    priority: Tensor  # float32 [B, S, W], as of `clock`
    hits: Tensor  # int64 [B, S, W]: how often its tag was written again
    clock: Tensor  # int64 [B]: tokens of the stream so far

    @classmethod
    def empty(
        cls,
        shape: Any,
        batch: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Entries:
        """A memory that holds nothing yet; `shape` is a `Shape` or names its numbers."""
        shape = Shape.of(shape)
        if batch < 1:
            raise MemoryShapeError(f"a memory of {batch} streams", hint="use at least one stream")
        room = (batch, shape.sets, shape.ways)

        def none(*width: int, dtype: torch.dtype = torch.int64) -> Tensor:
            return torch.full((*room, *width), -1, dtype=dtype, device=device)

        def zero(*width: int, dtype: torch.dtype = dtype) -> Tensor:
            return torch.zeros((*room, *width), dtype=dtype, device=device)

        return cls(
            shape=shape,
            tag=none(),
            key=zero(shape.key_width),
            value=zero(shape.value_width),
            payload=none(shape.payload, dtype=torch.int32),
            place=none(),
            first_payload=none(shape.payload, dtype=torch.int32),
            first_place=none(),
            last=none(),
            priority=zero(dtype=torch.float32),
            hits=zero(dtype=torch.int64),
            clock=torch.zeros(batch, dtype=torch.int64, device=device),
        )

    @property
    def batch(self) -> int:
        """Streams."""
        return self.tag.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.tag.device

    @property
    def entries(self) -> Entries:
        """Itself: a memory is a `read.Source`, and so is a `tape.Tape` on one."""
        return self

    def at(self, slot: Tensor) -> tuple[Tensor, Tensor]:
        """[m, key_width], [m, value_width]: the entries `slot` (int64 [m], counted over all streams)."""
        return self.key.flatten(0, 2).index_select(0, slot), self.value.flatten(0, 2).index_select(0, slot)

    def occupied(self) -> Tensor:
        """int64 [B]: entries that are not empty."""
        return (self.tag >= 0).sum(dim=(1, 2))

    def bytes(self) -> int:
        """Bytes of all tensors: what the memory takes, whatever the length of the stream."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, as they are: no copies."""
        return {name: getattr(self, name) for name in NAMES}

    def with_(self, **changed: Tensor) -> Entries:
        """The same memory with some tensors replaced."""
        return Entries(self.shape, **(self.tensors() | changed))

    def detach(self) -> Entries:
        """The same tensors without their history."""
        return Entries(self.shape, **{name: tensor.detach() for name, tensor in self.tensors().items()})

    def clone(self) -> Entries:
        """A copy; gradients flow through it."""
        return Entries(self.shape, **{name: tensor.clone() for name, tensor in self.tensors().items()})

    def to(self, device: torch.device | str) -> Entries:
        """The memory on another device."""
        return Entries(self.shape, **{name: tensor.to(device) for name, tensor in self.tensors().items()})

    def streams(self, chosen: Tensor) -> Entries:
        """The memory of the streams `chosen` (int64), in that order: a copy."""
        return Entries(
            self.shape, **{name: tensor.index_select(0, chosen) for name, tensor in self.tensors().items()}
        )

    def saved(self, fingerprint: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
        """Tensors and metadata for safetensors. `fingerprint` is the model's, beside the shape's own."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors().items()}
        return tensors, {"format": FORMAT, "shape": self.shape.fingerprint, "fingerprint": fingerprint}

    @classmethod
    def restored(
        cls,
        tensors: Mapping[str, Tensor],
        metadata: Mapping[str, str] | None,
        shape: Any,
        fingerprint: str = "",
        device: torch.device | str | None = None,
    ) -> Entries:
        """A memory that was saved. Raises `ForeignMemoryError` when it is another model's, or is damaged."""
        shape = Shape.of(shape)
        found = dict(metadata or {})
        if found.get("format") != FORMAT:
            raise ForeignMemoryError(
                f"the file's format is {found.get('format')!r}, not {FORMAT!r}",
                hint="give a file that a memory was saved to",
            )
        for name, ours in (("shape", shape.fingerprint), ("fingerprint", fingerprint)):
            if found.get(name, "") != ours:
                raise ForeignMemoryError(
                    f"the saved memory has {name} {found.get(name)!r}, this model {ours!r}",
                    hint="load it with the model and configuration that saved it",
                )
        clock = tensors.get("clock")
        batch = clock.shape[0] if clock is not None and clock.dim() == 1 else 0
        if set(tensors) != set(NAMES) or not batch:
            raise ForeignMemoryError(
                f"the saved memory has the tensors {sorted(tensors)}",
                hint="the file is damaged: save it again",
            )
        like = cls.empty(shape, batch, "meta", tensors["key"].dtype)
        for name, tensor in like.tensors().items():
            kept = tensors[name]
            if kept.shape != tensor.shape or kept.dtype != tensor.dtype:
                raise ForeignMemoryError(
                    f"{name} of the saved memory is {kept.dtype} {list(kept.shape)}, "
                    f"not {tensor.dtype} {list(tensor.shape)}",
                    hint="the file is damaged: save it again",
                )
        if not all(bool(torch.isfinite(tensors[name]).all()) for name in ("key", "value", "priority")):
            raise ForeignMemoryError(
                "the saved memory holds NaN or infinite numbers", hint="the file is damaged: save it again"
            )
        return cls(shape, **{name: tensors[name].clone().to(device) for name in NAMES})


NAMES: Final = tuple(field.name for field in fields(Entries) if field.name != "shape")

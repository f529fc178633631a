"""What can be wrong with a memory of the transformer and with what is written into it."""

from __future__ import annotations

from nexus.core.errors import InvalidInputError


class MemoryShapeError(InvalidInputError):
    """A tensor of a memory, of a write or of a query has the wrong shape, type or device."""

    code = "transformer_memory_shape"


class MemoryValueError(InvalidInputError):
    """A number that is written lies outside what a memory can hold: NaN, infinite or out of range."""

    code = "transformer_memory_value"


class ForeignMemoryError(InvalidInputError):
    """A saved memory is not of this model, or is not a memory."""

    code = "transformer_memory_foreign"

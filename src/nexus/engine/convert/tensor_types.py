"""How the weights of a GGUF file are encoded: ids, block sizes.

The same table as native/engine/gguf/types.cpp. A row of a matrix is a whole number of blocks.
"""

from __future__ import annotations

import math
from enum import IntEnum

I2_S_TRAILER = 32  # bytes behind the blocks of an I2_S tensor: one f32 scale and padding


class TensorType(IntEnum):
    """The encodings that the engine loads, with the ids of the format."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    Q4_K = 12
    Q5_K = 13
    Q6_K = 14
    BF16 = 30
    TQ1_0 = 34
    TQ2_0 = 35
    I2_S = 36

    @property
    def block(self) -> tuple[int, int]:
        """Weights and bytes of one block."""
        return _BLOCKS[self]

    def row_bytes(self, columns: int) -> int:
        """Bytes of one row; `columns` is a whole number of blocks (ValueError otherwise)."""
        elements, size = self.block
        if columns % elements:
            raise ValueError(f"{columns} columns are not a multiple of {elements}, as {self.name} needs")
        return columns // elements * size

    def tensor_bytes(self, shape: tuple[int, ...]) -> int:
        """Bytes of a whole tensor of `shape` (rows first), with the trailer of I2_S."""
        rows = self.row_bytes(shape[-1]) * math.prod(shape[:-1])
        return rows + I2_S_TRAILER if self is TensorType.I2_S else rows


_BLOCKS = {
    TensorType.F32: (1, 4),
    TensorType.F16: (1, 2),
    TensorType.Q4_0: (32, 18),
    TensorType.Q4_1: (32, 20),
    TensorType.Q5_0: (32, 22),
    TensorType.Q5_1: (32, 24),
    TensorType.Q8_0: (32, 34),
    TensorType.Q4_K: (256, 144),
    TensorType.Q5_K: (256, 176),
    TensorType.Q6_K: (256, 210),
    TensorType.BF16: (1, 2),
    TensorType.TQ1_0: (256, 54),
    TensorType.TQ2_0: (256, 66),
    TensorType.I2_S: (128, 32),
}


def file_type(kind: TensorType) -> int:
    """What `general.file_type` says of a file whose matrices are `kind`."""
    return _FILE_TYPES[kind]


_FILE_TYPES = {
    TensorType.F32: 0,
    TensorType.F16: 1,
    TensorType.BF16: 32,
    TensorType.Q8_0: 7,
    TensorType.TQ2_0: 37,
    TensorType.I2_S: 40,
}

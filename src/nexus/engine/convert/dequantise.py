"""The bytes of a GGUF tensor to f32 weights, for every encoding that the engine loads.

The numbers are those of native/engine/gguf/dequantise.cpp, bit for bit; the layouts are described
there. Knows blocks, not files.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from nexus.engine.convert.tensor_types import TensorType

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


def decode(data: bytes | memoryview, kind: TensorType, columns: int) -> Floats:
    """Whole rows as rows x columns floats. Of I2_S the codes -1, 0, +1: its scale lies elsewhere."""
    blocks = np.frombuffer(data, dtype=np.uint8).reshape(-1, kind.block[1])
    return np.ascontiguousarray(_DECODERS[kind](blocks)).reshape(-1, columns)


def _half(blocks: Bytes, at: int) -> Floats:
    """The half-precision number at byte `at` of every block, as a column."""
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(np.float32)


def _f32(blocks: Bytes) -> Floats:
    return blocks.view("<f4").astype(np.float32)


def _f16(blocks: Bytes) -> Floats:
    return blocks.view("<f2").astype(np.float32)


def _bf16(blocks: Bytes) -> Floats:
    return (blocks.view("<u2").astype(np.uint32) << 16).view(np.float32)


def _nibbles(packed: Bytes) -> Bytes:
    """Low nibbles of all bytes, then the high ones."""
    return np.concatenate([packed & 15, packed >> 4], axis=1)


def _fifth_bits(words: Bytes) -> Bytes:
    return np.unpackbits(words, axis=1, bitorder="little") << np.uint8(4)


def _q4_0(blocks: Bytes) -> Floats:
    return _half(blocks, 0) * (_nibbles(blocks[:, 2:]).astype(np.float32) - 8)


def _q4_1(blocks: Bytes) -> Floats:
    return _half(blocks, 0) * _nibbles(blocks[:, 4:]).astype(np.float32) + _half(blocks, 2)


def _q5_0(blocks: Bytes) -> Floats:
    codes = _nibbles(blocks[:, 6:]) | _fifth_bits(blocks[:, 2:6])
    return _half(blocks, 0) * (codes.astype(np.float32) - 16)


def _q5_1(blocks: Bytes) -> Floats:
    codes = _nibbles(blocks[:, 8:]) | _fifth_bits(blocks[:, 4:8])
    return _half(blocks, 0) * codes.astype(np.float32) + _half(blocks, 2)


def _q8_0(blocks: Bytes) -> Floats:
    return _half(blocks, 0) * blocks[:, 2:].view(np.int8).astype(np.float32)


def _group_scales(packed: Bytes) -> tuple[Floats, Floats]:
    """Scales and minima (blocks x 8) of 8 groups, 6 bits each, from 12 bytes."""
    first, second, third = packed[:, 0:4], packed[:, 4:8], packed[:, 8:12]
    scales = np.concatenate([first & 63, third & 15 | first >> 6 << 4], axis=1)
    minima = np.concatenate([second & 63, third >> 4 | second >> 6 << 4], axis=1)
    return scales.astype(np.float32), minima.astype(np.float32)


def _k_groups(blocks: Bytes, codes: Bytes) -> Floats:
    """`codes` (blocks x 8 x 32) with the scales and minima at the head of a Q4_K or Q5_K block."""
    scales, minima = _group_scales(blocks[:, 4:16])
    steps, lows = _half(blocks, 0) * scales, _half(blocks, 2) * minima
    return steps[:, :, None] * codes.astype(np.float32) - lows[:, :, None]


def _k_nibbles(packed: Bytes) -> Bytes:
    runs = packed.reshape(-1, 4, 1, 32)
    return np.concatenate([runs & 15, runs >> 4], axis=2).reshape(-1, 8, 32)


def _q4_k(blocks: Bytes) -> Floats:
    return _k_groups(blocks, _k_nibbles(blocks[:, 16:]))


def _q5_k(blocks: Bytes) -> Floats:
    shifts = np.arange(8, dtype=np.uint8)[None, :, None]
    fifth = (blocks[:, None, 16:48] >> shifts & np.uint8(1)) << np.uint8(4)
    return _k_groups(blocks, _k_nibbles(blocks[:, 48:]) | fifth)


def _q6_k(blocks: Bytes) -> Floats:
    low = blocks[:, :128].reshape(-1, 2, 1, 64)
    low = np.concatenate([low & 15, low >> 4], axis=2).reshape(-1, 2, 4, 32)
    shifts = np.array([0, 2, 4, 6], dtype=np.uint8)[None, None, :, None]
    high = blocks[:, 128:192].reshape(-1, 2, 1, 32) >> shifts & 3
    codes = (low | high << 4).reshape(-1, 16, 16).astype(np.float32) - 32
    steps = _half(blocks, 208) * blocks[:, 192:208].view(np.int8).astype(np.float32)
    return steps[:, :, None] * codes


def _tq1_0(blocks: Bytes) -> Floats:
    powers = np.array([1, 3, 9, 27, 81], dtype=np.uint8)[None, :, None]
    parts = [
        blocks[:, None, 0:32] * powers,
        blocks[:, None, 32:48] * powers,
        blocks[:, None, 48:52] * powers[:, :4],
    ]
    digits = np.concatenate([part.reshape(len(blocks), -1) for part in parts], axis=1)
    codes = (digits.astype(np.uint16) * 3 >> 8).astype(np.float32) - 1
    return _half(blocks, 52) * codes


def _tq2_0(blocks: Bytes) -> Floats:
    shifts = np.array([0, 2, 4, 6], dtype=np.uint8)[None, None, :, None]
    codes = (blocks[:, :64].reshape(-1, 2, 1, 32) >> shifts & 3).reshape(-1, 256)
    return _half(blocks, 64) * (codes.astype(np.float32) - 1)


def _i2_s(blocks: Bytes) -> Floats:
    shifts = np.array([6, 4, 2, 0], dtype=np.uint8)[None, :, None]
    return (blocks[:, None, :] >> shifts & 3).astype(np.float32) - 1


_DECODERS: dict[TensorType, Callable[[Bytes], Floats]] = {
    TensorType.F32: _f32,
    TensorType.F16: _f16,
    TensorType.BF16: _bf16,
    TensorType.Q4_0: _q4_0,
    TensorType.Q4_1: _q4_1,
    TensorType.Q5_0: _q5_0,
    TensorType.Q5_1: _q5_1,
    TensorType.Q8_0: _q8_0,
    TensorType.Q4_K: _q4_k,
    TensorType.Q5_K: _q5_k,
    TensorType.Q6_K: _q6_k,
    TensorType.TQ1_0: _tq1_0,
    TensorType.TQ2_0: _tq2_0,
    TensorType.I2_S: _i2_s,
}

"""f32 weights to the bytes of a GGUF tensor.

Knows blocks, not models. What a weight cannot be written as (not a number, too large for half
precision) is a `ValueError` that says so; nothing is clipped quietly.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from nexus.engine.convert.tensor_types import I2_S_TRAILER, TensorType

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]

HALF_MAX = 65504.0


def encode(rows: Floats, kind: TensorType) -> bytes:
    """The bytes of `rows` (rows x columns, finite) in F32, F16, BF16 or Q8_0. Raises `ValueError`."""
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    if not np.isfinite(rows).all():
        raise ValueError("it holds a weight that is not a finite number")
    if kind is TensorType.F32:
        return rows.astype("<f4").tobytes()
    if kind is TensorType.F16:
        return _halves(rows).tobytes()
    if kind is TensorType.BF16:
        return _brain_halves(rows).tobytes()
    if kind is TensorType.Q8_0:
        return _q8_0(rows)
    raise ValueError(f"weights cannot be written as {kind.name}")


def encode_ternary(codes: Codes, scale: float, kind: TensorType) -> bytes:
    """A whole ternary matrix: `codes` (rows x columns of -1, 0, +1) times one `scale`, as TQ2_0 or I2_S
    (with its trailer). Raises `ValueError` where the scale is not positive, finite and in range."""
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"its scale is {scale}, not a positive number")
    if kind is TensorType.TQ2_0:
        blocks = codes.size // kind.block[0]
        return pack_tq2_0(codes, np.full(blocks, scale, dtype=np.float32))
    if kind is TensorType.I2_S:
        runs = (codes.reshape(-1, 4, 32) + 1).astype(np.uint8)
        packed = runs[:, 0] << 6 | runs[:, 1] << 4 | runs[:, 2] << 2 | runs[:, 3]
        return packed.tobytes() + struct.pack("<f", scale) + bytes(I2_S_TRAILER - 4)
    raise ValueError(f"ternary weights cannot be written as {kind.name}")


def pack_tq2_0(codes: Codes, scales: Floats) -> bytes:
    """`codes` (any shape, whole blocks of 256) with one scale a block, as TQ2_0. Raises `ValueError`."""
    runs = (codes.reshape(-1, 2, 4, 32) + 1).astype(np.uint8)
    packed = runs[:, :, 0] | runs[:, :, 1] << 2 | runs[:, :, 2] << 4 | runs[:, :, 3] << 6
    halves = _halves(scales)
    if ((halves == 0) & (scales != 0)).any():
        raise ValueError(f"its scale {scales[scales != 0].min()} is too small for half precision")
    return np.concatenate([packed.reshape(-1, 64), halves.view(np.uint8).reshape(-1, 2)], axis=1).tobytes()


def absmean_codes(rows: Floats) -> tuple[Codes, float]:
    """Ternary codes of a matrix and their scale, the mean absolute weight, as BitNet b1.58 has it."""
    scale = np.float32(max(float(np.abs(rows).mean(dtype=np.float64)), 1e-5))
    return np.clip(np.rint(rows / scale), -1, 1).astype(np.int8), float(scale)


def absmean_blocks(rows: Floats) -> tuple[Codes, Floats]:
    """The same with a scale of its own for every 256 weights of a row; a block of zeros has scale 0."""
    blocks = rows.reshape(-1, 256)
    scales = np.abs(blocks).mean(axis=1, dtype=np.float64).astype(np.float32)
    # The codes are chosen for the scale that will be stored.
    scales = _halves(scales).astype(np.float32)
    safe = np.where(scales == 0, np.float32(1), scales)
    codes = np.clip(np.rint(blocks / safe[:, None]), -1, 1).astype(np.int8)
    codes[scales == 0] = 0
    return codes, scales


def _halves(values: Floats) -> npt.NDArray[np.float16]:
    worst = float(np.abs(values).max(initial=0.0))
    if worst > HALF_MAX:
        raise ValueError(f"it holds {worst}, too large for half precision (65504)")
    return values.astype("<f2")


def _brain_halves(values: Floats) -> npt.NDArray[np.uint16]:
    """The upper halves, rounded to nearest, ties to even."""
    bits = values.view(np.uint32)
    rounded = ((bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16).astype("<u2")
    if ((rounded & 0x7FFF) == 0x7F80).any():
        raise ValueError(f"it holds {float(np.abs(values).max())}, too large for BF16")
    return rounded


def _q8_0(rows: Floats) -> bytes:
    blocks = rows.reshape(-1, 32)
    steps = np.abs(blocks).max(axis=1) / np.float32(127)
    if steps.max(initial=0.0) > HALF_MAX:
        raise ValueError(f"it holds {float(np.abs(blocks).max())}, too large for Q8_0")
    # A step so small is 0 in half precision, whatever the codes; its inverse need not be a finite number.
    inverse = np.divide(np.float32(1), steps, out=np.zeros_like(steps), where=steps > 1e-30)
    scaled = blocks * inverse[:, None]
    codes = (np.sign(scaled) * np.floor(np.abs(scaled) + np.float32(0.5))).astype(np.int8)
    halves = steps.astype("<f2").view(np.uint8).reshape(-1, 2)
    return np.concatenate([halves, codes.view(np.uint8)], axis=1).tobytes()

"""Weights and their bytes: what is encoded is decoded; what cannot be encoded is refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from nexus.engine.convert.dequantise import decode
from nexus.engine.convert.quantise import (
    absmean_blocks,
    absmean_codes,
    encode,
    encode_ternary,
    pack_tq2_0,
)
from nexus.engine.convert.tensor_types import TensorType


def _weights(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(rows, columns)).astype(np.float32)


def test_plain_kinds_keep_what_they_can_hold() -> None:
    weights = _weights(4, 64)
    assert np.array_equal(decode(encode(weights, TensorType.F32), TensorType.F32, 64), weights)
    half = decode(encode(weights, TensorType.F16), TensorType.F16, 64)
    assert np.array_equal(half, weights.astype(np.float16).astype(np.float32))
    brain = decode(encode(weights, TensorType.BF16), TensorType.BF16, 64)
    assert np.abs(brain / weights - 1).max() <= 2**-8


@pytest.mark.parametrize(
    ("bits", "kept"),
    [(0x3F808000, 0x3F80), (0x3F818000, 0x3F82), (0x3F808001, 0x3F81), (0xBF807FFF, 0xBF80)],
)
def test_bf16_rounds_to_nearest_ties_to_even(bits: int, kept: int) -> None:
    number = np.array([[bits]], dtype=np.uint32).view(np.float32)
    assert encode(number, TensorType.BF16) == struct.pack("<H", kept)


def test_q8_0_is_within_half_a_step() -> None:
    weights = _weights(3, 96)
    weights[1, :32] = 0
    weights[2, 32:64] = 1e-42  # a step whose inverse is no finite number
    decoded = decode(encode(weights, TensorType.Q8_0), TensorType.Q8_0, 96)
    steps = np.abs(weights.reshape(-1, 32)).max(axis=1, keepdims=True) / 127
    # Half a step from rounding the code, and 127 codes times the rounding of the step to half precision.
    assert (np.abs(decoded - weights).reshape(-1, 32) <= steps * (0.5 + 127 * 2**-11) + 1e-7).all()
    assert encode(np.full((1, 32), 127.0), TensorType.Q8_0) == struct.pack("<e", 1.0) + b"\x7f" * 32


def test_q8_0_rounds_halves_away_from_zero() -> None:
    block = np.zeros((1, 32), dtype=np.float32)
    block[0, :4] = [127, 2.5, -2.5, 0.49]
    assert list(encode(block, TensorType.Q8_0)[2:6]) == [127, 3, 256 - 3, 0]


@pytest.mark.parametrize("kind", [TensorType.F32, TensorType.F16, TensorType.BF16, TensorType.Q8_0])
def test_what_is_no_number_is_refused(kind: TensorType) -> None:
    for bad in (np.nan, np.inf):
        weights = _weights(1, 32)
        weights[0, 5] = bad
        with pytest.raises(ValueError, match="not a finite number"):
            encode(weights, kind)


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="too large for half precision"):
        encode(np.full((1, 32), 70000.0), TensorType.F16)
    with pytest.raises(ValueError, match="too large for BF16"):
        encode(np.full((1, 32), 3.4e38), TensorType.BF16)
    with pytest.raises(ValueError, match="too large for Q8_0"):
        encode(np.full((1, 32), 1e8), TensorType.Q8_0)


def _codes(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(5).integers(-1, 2, size=(rows, columns)).astype(np.int8)


def test_ternary_kinds_keep_every_weight() -> None:
    codes = _codes(3, 512)
    tq2 = encode_ternary(codes, 0.75, TensorType.TQ2_0)
    assert len(tq2) == TensorType.TQ2_0.tensor_bytes((3, 512))
    assert np.array_equal(decode(tq2, TensorType.TQ2_0, 512), codes * np.float32(0.75))
    i2s = encode_ternary(codes, 0.3, TensorType.I2_S)
    assert len(i2s) == TensorType.I2_S.tensor_bytes((3, 512)) == 3 * 512 // 4 + 32
    assert np.array_equal(decode(i2s[:-32], TensorType.I2_S, 512), codes)
    assert i2s[-32:] == struct.pack("<f", 0.3) + bytes(28)


def test_i2_s_has_its_weights_where_the_format_says() -> None:
    codes = np.full((1, 128), -1, dtype=np.int8)
    codes[0, [3, 35, 67, 99]] = [1, 0, -1, 1]
    assert encode_ternary(codes, 1.0, TensorType.I2_S)[3] == 0b10_01_00_10


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 1e-9, 1e9])
def test_a_scale_that_cannot_be_stored_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=r"scale|half precision"):
        encode_ternary(_codes(1, 256), scale, TensorType.TQ2_0)


def test_absmean_is_the_rule_of_b158() -> None:
    weights = np.array([[0.1, -0.6, 1.0, -2.3]], dtype=np.float32)  # mean absolute weight 1
    codes, scale = absmean_codes(weights)
    assert codes.tolist() == [[0, -1, 1, -1]]
    assert scale == pytest.approx(1.0)
    assert absmean_codes(np.zeros((2, 2), np.float32))[0].tolist() == [[0, 0], [0, 0]]


def test_every_block_has_a_scale_of_its_own() -> None:
    weights = _weights(2, 512)
    weights[0, :256] *= 100
    weights[1, 256:] = 0
    codes, scales = absmean_blocks(weights)
    expected = np.abs(weights).reshape(-1, 256).mean(axis=1).astype(np.float16).astype(np.float32)
    assert np.array_equal(scales, expected)
    decoded = decode(pack_tq2_0(codes, scales), TensorType.TQ2_0, 512)
    assert np.array_equal(decoded.reshape(-1, 256), codes * scales[:, None])
    assert not decoded[1, 256:].any()


@pytest.mark.parametrize("kind", list(TensorType))
def test_every_kind_decodes_random_bytes_to_its_columns(kind: TensorType) -> None:
    columns = 512
    data = np.random.default_rng(9).integers(0, 256, size=3 * kind.row_bytes(columns), dtype=np.uint8)
    with np.errstate(all="ignore"):  # a random scale may be no number
        rows = decode(data.tobytes(), kind, columns)
    assert rows.shape == (3, columns)
    assert rows.dtype == np.float32

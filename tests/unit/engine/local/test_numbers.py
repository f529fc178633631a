"""The engine's logits are those of a plain float64 computation of the same model, for every graph.

Differences are given in standard deviations of the logits. In the tail, the last tokens that do not fill a
block of 128, keys and values are floats: with weights in floats only the order of sums differs, 6e-7. Full
blocks hold 8-bit codes by design; a definition that rounds alike agrees to 1e-3 (a value on the border of two
codes may fall either way), the unrounded one to 1e-2. Quantised weights meet 8-bit activations: rounded
alike, the same in the tail but for a few such borders (up to 4e-3); the codes of a block move many
activations over a border (2e-2), which is as far as rounding itself is from no rounding (3e-2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nexus import _engine
from nexus.engine.convert.tensor_types import TensorType
from tests.unit.engine.local.definition import EXACT, Rounding, logits
from tests.unit.engine.local.tiny_models import Array, Tiny, TinyModel, draw

EVERYTHING = 1 << 20  # exact_tokens: nothing is left out
BLOCKS = TensorType.Q4_K  # a type with blocks of 256

GRAPHS = {
    "llama": Tiny("llama"),
    "llama tied": Tiny("llama", tied=True),
    "llama 3": Tiny("llama", rope_factors=True, rope_base=500000.0),
    "llama half turned": Tiny("llama", head_dim=64, rope_dims=32),
    "llama linear": Tiny("llama", rope_linear=4.0),
    "llama one head": Tiny("llama", kv_heads=1, layers=1),
    "llama many heads": Tiny("llama", heads=8, kv_heads=8, width=96, feed_forward=64),
    "qwen2": Tiny("qwen2", biases=True, rope_base=1e6, epsilon=1e-6),
    "qwen2 tied": Tiny("qwen2", biases=True, tied=True),
    "qwen2 wide head": Tiny("qwen2", biases=True, head_dim=128, heads=6, kv_heads=2),
    "qwen3": Tiny("qwen3", rope_base=1e6, epsilon=1e-6, head_dim=64),
    "gemma3": Tiny(
        "gemma3",
        layers=5,
        head_dim=64,
        kv_heads=1,
        window=40,
        pattern=3,
        local_rope_base=10000.0,
        rope_base=1e6,
    ),
    "gemma3 linear": Tiny(
        "gemma3",
        layers=2,
        window=300,
        pattern=2,
        local_rope_base=10000.0,
        rope_linear=8.0,
        rope_base=1e6,
        tied=True,
    ),
}
QUANTISED = {
    "llama f16": Tiny("llama", TensorType.F16, TensorType.F16),
    "llama bf16": Tiny("llama", TensorType.BF16, TensorType.BF16),
    "llama q8_0": Tiny("llama", TensorType.Q8_0, TensorType.Q8_0, tied=True),
    "llama q4_0": Tiny("llama", TensorType.Q4_0, TensorType.Q8_0),
    "llama q4_1": Tiny("llama", TensorType.Q4_1, TensorType.Q8_0, tied=True),
    "llama q5_0": Tiny("llama", TensorType.Q5_0, TensorType.Q5_1),
    "llama q5_1": Tiny("llama", TensorType.Q5_1, TensorType.F32),
    "qwen2 q4_k": Tiny("qwen2", BLOCKS, TensorType.Q6_K, biases=True, width=256, heads=8, feed_forward=512),
    "qwen3 q5_k": Tiny(
        "qwen3", TensorType.Q5_K, TensorType.Q6_K, width=256, heads=8, feed_forward=256, tied=True
    ),
    "gemma3 q6_k": Tiny(
        "gemma3",
        TensorType.Q6_K,
        TensorType.Q8_0,
        width=256,
        heads=4,
        head_dim=64,
        feed_forward=256,
        window=64,
        pattern=2,
        local_rope_base=10000.0,
    ),
}
TERNARY = {
    "bitnet-b1.58 tq2_0": Tiny(
        "bitnet", TensorType.TQ2_0, TensorType.F16, width=256, heads=8, feed_forward=512
    ),
    "bitnet tq1_0": Tiny(
        "bitnet", TensorType.TQ1_0, TensorType.Q6_K, width=256, heads=8, feed_forward=256, tied=True
    ),
    "bitnet-b1.58 i2_s": Tiny(
        "bitnet-b1.58", TensorType.I2_S, TensorType.F32, width=128, feed_forward=384, tied=True
    ),
    "bitnet-25 i2_s": Tiny(
        "bitnet-25", TensorType.I2_S, TensorType.Q8_0, width=256, heads=8, feed_forward=384
    ),
}
EVERY = {**GRAPHS, **QUANTISED, **TERNARY}
# Over full blocks the definition takes a second: one graph of each kind and some types in the fast suite.
# Where no block is full, all of them are in the fast suite.
FAST = {
    *("llama", "qwen2", "qwen3", "gemma3"),
    *("llama f16", "llama q8_0", "qwen2 q4_k", "gemma3 q6_k", "bitnet-b1.58 tq2_0", "bitnet-25 i2_s"),
}


def _fast_and_slow(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, id=name, marks=() if name in FAST else pytest.mark.slow) for name in names]


class Running:
    """A tiny model in the engine."""

    def __init__(self, drawn: TinyModel, folder: Path) -> None:
        self.drawn = drawn
        self.model = _engine.Model(str(drawn.write(folder / "tiny.gguf")), 2)
        self.store = _engine.Store(str(folder / "blocks"), self.model, bytes(32), 64 << 20, 64)

    def context(self) -> _engine.Context:
        return _engine.Context(self.model, self.store, EVERYTHING)

    def run(self, tokens: Sequence[int], steps: Sequence[int]) -> Array:
        """Logits of all tokens, entered in steps of these sizes into a new context."""
        context, rows, at = self.context(), [], 0
        for step in steps:
            rows.append(self.model.step([(context, list(tokens[at : at + step]), step)]).copy())
            at += step
        for _, slot, _ in context.new_blocks():
            self.store.release(slot)
        return np.concatenate(rows).astype(np.float64)


@pytest.fixture
def running(tmp_path: Path) -> Callable[[Tiny], Running]:
    return lambda tiny: Running(draw(tiny), tmp_path)


def _tokens(tiny: Tiny, count: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(count).integers(0, tiny.vocabulary, count)]


def _steps(count: int, size: int) -> list[int]:
    return [min(size, count - at) for at in range(0, count, size)]


def _worst(found: Array, wanted: Array) -> float:
    """The largest difference, in units of the logits' standard deviation."""
    return float(np.abs(found - wanted).max() / wanted.std())


def _typical(found: Array, wanted: Array) -> float:
    return float(np.sqrt(((found - wanted) ** 2).mean()) / wanted.std())


def _assert_same_choice(found: Array, wanted: Array, near: float) -> None:
    """The likeliest tokens agree, but where the second is within `near` standard deviations."""
    best = np.sort(wanted, axis=1)
    clear = best[:, -1] - best[:, -2] > near * wanted.std()
    assert clear.sum() > len(wanted) // 5
    np.testing.assert_array_equal(found.argmax(axis=1)[clear], wanted.argmax(axis=1)[clear])


@pytest.mark.parametrize("name", GRAPHS)
def test_floats_in_the_tail_are_computed_as_defined(name: str, running: Callable[[Tiny], Running]) -> None:
    tiny = GRAPHS[name]
    engine, tokens = running(tiny), _tokens(tiny, 100)
    wanted = logits(engine.drawn, tokens, [100], EXACT)
    for size in (100, 7):
        found = engine.run(tokens, _steps(100, size))
        assert _worst(found, wanted) < 1e-4
        _assert_same_choice(found, wanted, 1e-3)


@pytest.mark.parametrize("name", _fast_and_slow(GRAPHS))
def test_full_blocks_are_rounded_and_nothing_else(name: str, running: Callable[[Tiny], Running]) -> None:
    tiny = GRAPHS[name]
    engine, tokens = running(tiny), _tokens(tiny, 430)
    for size in (300, 128, 7):
        steps = _steps(430, size)
        wanted = logits(engine.drawn, tokens, steps)
        found = engine.run(tokens, steps)
        assert _typical(found, wanted) < 1e-3
        assert _worst(found, wanted) < 2e-2
        _assert_same_choice(found, wanted, 4e-2)
    exact = logits(engine.drawn, tokens, [430], EXACT)
    assert _typical(found, exact) < 2e-2


@pytest.mark.parametrize("name", [*QUANTISED, *TERNARY])
def test_quantised_weights_meet_rounded_activations(name: str, running: Callable[[Tiny], Running]) -> None:
    tiny = EVERY[name]
    engine, tokens = running(tiny), _tokens(tiny, 100)
    wanted = logits(engine.drawn, tokens, [100])
    for size in (100, 7):
        found = engine.run(tokens, _steps(100, size))
        assert _typical(found, wanted) < 1e-2
        _assert_same_choice(found, wanted, 0.1)


@pytest.mark.parametrize("name", _fast_and_slow([*QUANTISED, *TERNARY]))
def test_quantised_weights_over_full_blocks(name: str, running: Callable[[Tiny], Running]) -> None:
    tiny = EVERY[name]
    engine, tokens = running(tiny), _tokens(tiny, 300)
    exact = logits(engine.drawn, tokens, [300], EXACT)
    for size in (300, 128, 7):
        steps = _steps(300, size)
        found = engine.run(tokens, steps)
        assert _typical(found, logits(engine.drawn, tokens, steps)) < 4e-2
        assert _typical(found, exact) < 5e-2
        _assert_same_choice(found, exact, 0.4)


@pytest.mark.parametrize("name", ["llama", "gemma3", "bitnet-b1.58 i2_s"])
def test_one_token_at_a_time_is_as_defined(name: str, running: Callable[[Tiny], Running]) -> None:
    tiny = EVERY[name]
    engine, tokens = running(tiny), _tokens(tiny, 270)
    steps = [1] * 270
    assert _typical(engine.run(tokens, steps), logits(engine.drawn, tokens, steps)) < 4e-2


@pytest.mark.parametrize("name", ["llama 3", "qwen2 q4_k", "gemma3", "bitnet-b1.58 tq2_0"])
def test_streams_of_one_step_are_as_each_alone(name: str, running: Callable[[Tiny], Running]) -> None:
    tiny = EVERY[name]
    engine = running(tiny)
    texts = [_tokens(tiny, 200), _tokens(tiny, 150), _tokens(tiny, 3)]
    alone = [engine.run(text, [len(text)]) for text in texts]
    contexts = [engine.context() for _ in texts]
    together = engine.model.step(
        [(context, text, len(text)) for context, text in zip(contexts, texts, strict=True)]
    )
    np.testing.assert_array_equal(together.astype(np.float64), np.concatenate(alone))


@pytest.mark.parametrize("name", ["llama", "bitnet-b1.58 tq2_0"])
def test_only_the_last_logits_that_are_wanted_come(name: str, running: Callable[[Tiny], Running]) -> None:
    tiny = EVERY[name]
    engine, tokens = running(tiny), _tokens(tiny, 60)
    every = engine.run(tokens, [60])
    for wanted in (0, 1, 5):
        found = engine.model.step([(engine.context(), tokens, wanted)])
        assert found.shape == (wanted, tiny.vocabulary)
        np.testing.assert_array_equal(found.astype(np.float64), every[60 - wanted :])


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_do_not_change_a_bit(threads: int, running: Callable[[Tiny], Running]) -> None:
    tiny = EVERY["qwen2 q4_k"]
    engine, tokens = running(tiny), _tokens(tiny, 260)
    two = engine.run(tokens, [200, 60])
    engine.model.threads = threads
    np.testing.assert_array_equal(engine.run(tokens, [200, 60]), two)


def test_a_tail_and_blocks_taken_up_again_give_the_same_numbers(running: Callable[[Tiny], Running]) -> None:
    tiny = EVERY["gemma3"]
    engine, tokens = running(tiny), _tokens(tiny, 300)
    wanted = engine.run(tokens, [290, 10])[290:]
    first: Any = engine.context()
    engine.model.step([(first, tokens[:290], 0)])
    blocks = first.new_blocks()
    engine.store.sync()
    second = engine.context()
    second.adopt([slot for _, slot, _ in blocks], [mark for _, _, mark in blocks])
    second.restore_tail(first.tail())
    assert second.tokens == 290
    found = engine.model.step([(second, tokens[290:], 10)])
    np.testing.assert_array_equal(found.astype(np.float64), wanted)


def test_what_is_left_of_a_cut_context_goes_on_as_if_it_had_stopped_there(
    running: Callable[[Tiny], Running],
) -> None:
    tiny = EVERY["qwen2"]
    engine, tokens = running(tiny), _tokens(tiny, 300)
    wanted = logits(engine.drawn, tokens, [256, 44], Rounding())[256:]
    context = engine.context()
    engine.model.step([(context, [*tokens[:256], 1, 2, 3], 0)])
    context.truncate(256)
    found = engine.model.step([(context, tokens[256:], 44)])
    assert _typical(found.astype(np.float64), wanted) < 1e-3

"""The parts of the bench: what it makes is what it says, a wrong name is refused. Speeds are not judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nexus import _engine
from nexus.core.errors import EngineError, InvalidInputError
from nexus.engine.evaluation import bench, bench_speed, bitnet_shape
from nexus.engine.evaluation.figures import three
from nexus.engine.evaluation.peer import Peer
from tests.unit.engine.local.tiny_models import Tiny, draw

TOKENS = 4 * _engine.PAGE_TOKENS


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bitnet_shape.write(tmp_path_factory.mktemp("shape") / "bitnet.gguf", layers=1, words=512)


def test_the_bitnet_file_is_a_ternary_model_of_the_published_shape(shape: Path, tmp_path: Path) -> None:
    model = _engine.Model(str(shape), 1)
    config = model.config
    assert config["ternary"]
    assert (config["width"], config["feed_forward"], config["heads"], config["kv_heads"]) == (
        2560,
        6912,
        20,
        5,
    )
    store = _engine.Store(str(tmp_path / "blocks"), model, bytes(32), 64 << 20, 16)
    logits = model.step([(_engine.Context(model, store, 4096), [1, 2, 3], 3)])
    assert np.isfinite(logits).all()
    assert logits.std() > 0.1


def test_products_and_reads_are_of_the_matrices_of_one_packing(shape: Path) -> None:
    model = _engine.Model(str(shape), 1)
    ternary, head = (_engine.WeightBench(model, packing) for packing in ("t2", "q6"))
    assert ternary.weights == 2 * 2560 * 2560 + 2 * 640 * 2560 + 3 * 6912 * 2560
    assert head.weights == 512 * 2560
    assert _engine.WeightBench(model).bytes == ternary.bytes + head.bytes == model.bytes
    assert min(ternary.read(), ternary.multiply(1), ternary.multiply(8)) > 0
    with pytest.raises(_engine.LimitError, match="513 tokens"):
        ternary.multiply(513)
    assert _engine.WeightBench(model, "q4").bytes == 0


def test_every_row_of_the_kernels_has_its_figures(shape: Path) -> None:
    lines: list[str] = []
    rows = bench_speed.kernels(shape, lines.append, turns=2)
    assert rows[0]["packing"] == "all"
    for row in rows:
        smallest, middle, largest = row["share"]
        assert 0 < smallest <= middle <= largest
    assert len(lines) == len(rows)


def test_a_context_grows_out_of_its_own_blocks(tmp_path: Path) -> None:
    model = _engine.Model(str(draw(Tiny("llama")).write(tmp_path / "tiny.gguf")), 1)
    store = _engine.Store(str(tmp_path / "blocks"), model, bytes(32), 16 << 20, 64)
    context = _engine.Context(model, store, 1 << 20)
    with pytest.raises(_engine.LimitError, match="0 blocks"):
        _engine.extend_context(model, store, context, 1, 0)
    tokens = [int(token) for token in np.random.default_rng(1).integers(0, 101, TOKENS)]
    model.step([(context, tokens, 0)])
    _engine.extend_context(model, store, context, blocks=6, sources=4)
    assert context.tokens == TOKENS + 6 * _engine.PAGE_TOKENS
    assert [ordinal for ordinal, _, _ in context.new_blocks()] == list(range(10))
    # What was added counts: the same question is answered otherwise, and from numbers.
    longer = model.step([(context, [5], 1)]).copy()
    context.truncate(TOKENS)
    shorter = model.step([(context, [5], 1)])
    assert np.isfinite(longer).all()
    assert not np.array_equal(longer, shorter)


def test_a_side_says_what_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"nexus: .*nothing\.gguf"):
        Peer("nexus", tmp_path / "nothing.gguf", 1)


def test_our_side_gives_speeds_of_any_number_of_prompts(shape: Path) -> None:
    with Peer("nexus", shape, 1) as peer:
        for _ in range(2):
            assert peer.prompt(list(range(300))) > 0
            assert peer.generate([1, 2, 3], 4) > 0


def test_a_section_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'speeed'"):
        bench.run([], ["speeed"], print)


def test_three_figures_are_smallest_median_largest() -> None:
    assert three([3.0, 1.0, 2.0, 10.0, 0.5]) == [0.5, 2.0, 10.0]

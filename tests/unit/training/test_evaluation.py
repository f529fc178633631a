"""What a Nexus is measured by: a memory that keeps all scores all, one that keeps nothing none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.core.errors import InvalidInputError
from nexus.training.evaluation import bpb, keeping, needle, recall
from nexus.training.evaluation.figures import Figure
from nexus.training.evaluation.passes import through
from nexus.transformer.tokenizer import Tokenizer
from tests.transformer_commands import model, story

TOKENIZER = Tokenizer.shipped()


def test_a_deviation_of_one_run_is_unknown() -> None:
    assert Figure.of([1.0, math.nan]).shown() == "1.00"
    assert Figure.of([1.0, 3.0]).shown("{:.1f}") == "2.0 ± 1.4"
    assert Figure.of([]).shown() == "-"
    assert Figure.of([]).as_dict() == {"mean": None, "sd": None, "runs": []}


def test_needles_of_both_in_the_same_streams() -> None:
    heard: list[str] = []
    rows = needle.run(
        {"keeps": model(), "forgets": model(keeps=False)},
        TOKENIZER,
        ["letters"],
        length=1500,
        count=2,
        kind="number",
        seeds=2,
        told=lambda doing, done, of: heard.append(doing),
    )
    assert [(row.candidate, row.exact.runs, row.held.runs) for row in rows] == [
        ("keeps", (2.0, 2.0), (2.0, 2.0)),
        ("forgets", (0.0, 0.0), (0.0, 0.0)),
    ]
    assert rows[0].as_dict()["distance"] == rows[1].as_dict()["distance"]
    assert set(heard) == {"keeps, letters", "forgets, letters"}


def test_haystacks_are_those_that_are_named() -> None:
    import random

    chance = random.Random(1)
    for name in ("common", "letters", "rare"):
        assert len(needle.haystack(name, TOKENIZER, None)(300, chance)) == 300
    assert TOKENIZER.mass80[needle.haystack("common", TOKENIZER, None)(300, chance)].mean() > 0.3
    assert not TOKENIZER.mass80[needle.haystack("rare", TOKENIZER, None)(300, chance)].any()
    text = needle.haystack("text", TOKENIZER, np.arange(7))(5, chance)
    assert set(np.diff(text) % 7) == {1}
    with pytest.raises(InvalidInputError, match="--books"):
        needle.haystack("text", TOKENIZER, None)
    with pytest.raises(InvalidInputError, match="no haystack 'hay'"):
        needle.haystack("hay", TOKENIZER, None)


def test_recurrences_are_rare_words_back_after_the_window() -> None:
    ids = np.array([5, 1, 1, 5, 1, 6, 5, 6])
    assert keeping.recurrences(ids, ids >= 5, 2).tolist() == [0, 0, 0, 3, 0, 0, 3, 0]
    assert keeping.recurrences(ids, ids >= 5, 3).sum() == 0


def test_what_is_kept_depends_on_the_ways() -> None:
    ids = np.tile(np.arange(40), 10)
    rare = np.ones(len(ids), bool)
    events = keeping.recurrences(ids, rare, 16) > 0
    shares = [keeping.kept(ids, rare, events, form, chunk=16) for form in ((16, 8), (16, 1))]
    assert shares[0] == 1.0
    assert shares[1] < 0.5
    assert math.isnan(keeping.kept(ids, rare, np.zeros(len(ids), bool), (16, 8), chunk=16))


def book() -> list[np.ndarray]:
    """Words of rare letters, twice: the second half is the first one again."""
    rare = np.flatnonzero(~TOKENIZER.mass80)[:250]
    return [np.tile(np.random.default_rng(n).permutation(rare), 2).astype(np.int64) for n in (1, 2)]


def test_recall_of_a_memory_that_keeps_all_and_of_none() -> None:
    books = book()
    kept = recall.keep(books, TOKENIZER, 64, chunk=64, hashes=1)
    assert [row.form for row in kept] == ["8 ways", "direct-mapped"]
    assert kept[0].share.mean == 1.0
    assert kept[0].events == 500
    heard: list[tuple[int, int]] = []
    keeps, forgets = recall.run(
        {"keeps": model(), "forgets": model(keeps=False)},
        books,
        TOKENIZER,
        64,
        told=lambda doing, done, of: heard.append((done, of)),
    )
    assert keeps.read.mean > 0.95
    assert keeps.pred.mean > 0.9
    assert keeps.saved_at_events.mean > keeps.saved.mean > 1.0
    assert (forgets.read.mean, forgets.saved.mean) == (0.0, 0.0)
    assert forgets.pred.mean < 0.05
    assert heard[-1] == (2 * 499, 2 * 499)
    assert keeps.as_dict()["read"]["mean"] == keeps.read.mean
    with pytest.raises(InvalidInputError, match="a stream of 100 tokens"):
        recall.keep([books[0][:100]], TOKENIZER, 64)


def test_streams_lie_one_behind_the_other() -> None:
    texts = [("a", np.arange(5)), ("b", np.arange(10, 14))]
    found = recall.streams(iter(texts), 4, 5, 99)
    assert [part.tolist() for part in found] == [[0, 1, 2, 3], [4, 99, 10, 11]]
    assert [part.tolist() for part in recall.streams(iter(texts), 40, 5, 99)] == [
        [0, 1, 2, 3, 4, 99, 10, 11, 12, 13, 99]
    ]


def test_bits_are_those_of_the_losses(tmp_path: Path) -> None:
    ids = TOKENIZER.encode(story(tmp_path / "text", 20).read_text())
    ours = model()
    (row,) = bpb.run({"nexus": ours}, TOKENIZER, [("a", ids), ("b", ids[:50])], most_tokens=10_000)
    assert row.tokens == len(ids) + 50 - 2
    assert row.bytes == sum(len(TOKENIZER.decode_bytes(part[1:])) for part in (ids, ids[:50]))
    with torch.no_grad():
        line = torch.from_numpy(ids.astype(np.int64))[None]
        hidden, _ = ours.backbone(line[:, :-1])
        nats = torch.nn.functional.cross_entropy(ours.backbone.logits(hidden)[0], line[0, 1:])
    bits = float(nats) * (len(ids) - 1) / math.log(2) / len(TOKENIZER.decode_bytes(ids[1:]))
    assert row.off_of_documents.runs[0] == pytest.approx(bits, rel=1e-4)
    cut = bpb.run({"nexus": ours}, TOKENIZER, [("a", ids)], most_tokens=40)
    assert cut[0].tokens == 39
    with pytest.raises(InvalidInputError, match="no two tokens"):
        bpb.run({}, TOKENIZER, [("a", ids[:1])], most_tokens=10)


def test_looking_at_a_stream_changes_nothing_of_it() -> None:
    ours, ids = model(), book()[0]
    on = torch.cat([step.on for step in through(ours, ids)])
    with torch.no_grad():
        tokens = torch.from_numpy(ids)[None]
        state, want = ours.start(1), []
        for at, piece in ours.steps(tokens[:, :-1], state):
            out = ours(piece, state)
            state = out.state
            want.append(ours.losses(out, tokens[:, at + 1 : at + 1 + piece.shape[1]]).on[0])
    assert torch.allclose(on, torch.cat(want), atol=1e-4)

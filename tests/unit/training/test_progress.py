"""Progress: the experience factor, and what a checkpoint may hold of it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from nexus.training.progress import Progress


def test_the_experience_factor_is_what_the_seed_and_the_research_say() -> None:
    assert Progress().experience_factor == 0.0
    assert Progress(now_bits=5.0, frozen_bits=5.0).experience_factor == 0.0
    assert Progress(now_bits=2.0, frozen_bits=5.0).experience_factor == pytest.approx(0.6)
    assert Progress(now_bits=6.0, frozen_bits=5.0).experience_factor < 0


def test_it_comes_back_from_json_as_it_was() -> None:
    progress = Progress(base_read=3, read_upto=99, bytes_learned=12345, now_bits=2.25)
    progress.learnt(100, 250.0, 180.0)
    assert progress.bits_per_byte == pytest.approx(2.5)
    assert progress.flow_depth == pytest.approx(1.8)
    assert Progress.from_dict(json.loads(json.dumps(progress.as_dict()))) == progress


@pytest.mark.parametrize("value", [None, "7", True, -1, math.nan, math.inf, [1]])
def test_figures_that_cannot_be_are_refused(value: Any) -> None:
    for name in ("read_upto", "now_bits"):
        with pytest.raises(ValueError, match=name):
            Progress.from_dict({**Progress().as_dict(), name: value})

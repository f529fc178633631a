"""The measure of the gate against secrets, on lists and texts made here."""

from __future__ import annotations

import random
import string

import pytest

from nexus.core.errors import InvalidInputError
from nexus.cortex.evaluation import bench_secrets
from nexus.cortex.evaluation.options import Options

RULES = """
title = "a list"
[[rules]]
id = "alpha"
regex = '''\\bghp_[0-9a-zA-Z]{36}\\b'''
[[rules]]
id = "beta"
regex = '''\\bnothing-known-[a-z]{4}\\b'''
"""


def quiet(doing: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.mark.slow
def test_shapes_texts_and_published_rules_give_their_rows(tmp_path, models_folder):
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "other.toml").write_text("[tool]\nx = 1\n")
    section = bench_secrets.measure(Options(tmp_path, models_folder), quiet)
    rows = {row.what: row for row in section.rows}
    assert rows["kinds"].reached
    assert rows["own shapes, found as their kind"].reached
    # Odd rules were developed on: alpha is the first by name, beta the second.
    assert rows["published shapes, developed on (odd rules)"].value == 100.0
    assert rows["published shapes, held out (even rules)"].value == 0.0
    assert "beta 20" in rows["published shapes, held out (even rules)"].note
    assert rows["false hits in the given data"].value == 0.0
    assert section.missing == []


@pytest.mark.slow
def test_hits_are_counted_per_megabyte(tmp_path, models_folder):
    draw = random.Random(0)
    token = "ghp_" + "".join(draw.choices(string.ascii_letters + string.digits, k=36))
    (tmp_path / "a.txt").write_text(f"token {token}\n" + "plain words of a text \n" * 100_000)
    section = bench_secrets.measure(Options(tmp_path, models_folder), quiet)
    row = next(row for row in section.rows if row.what == "false hits in the given data")
    assert row.value == pytest.approx(1 / 2.3, rel=0.01)
    assert "gitleaks" in section.missing[0]


def test_part_of_a_value_is_not_the_value():
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    assert bench_secrets.covered(f"x {token} y", token)
    assert not bench_secrets.covered("x plain-word y", "plain-word")


@pytest.mark.parametrize("text", ["[[rules]]\nid = ", "[[rules]]\nregex = 'x'\n"])
def test_a_damaged_list_is_named(tmp_path, text):
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(InvalidInputError, match=r"rules\.toml"):
        bench_secrets.published(tmp_path)

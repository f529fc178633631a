"""The gate of memories: no way into the store, and none to an agent, for a credential."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus.core.errors import SecretError
from nexus.core.paths import Home
from nexus.cortex.evaluation.credentials import HIGH, Maker
from nexus.cortex.memory import render
from tests.unit.cortex.remembering_sample import Sample, opened

FACT = "the staging database listens on port 5432"
TOKEN = HIGH["github-token"](Maker(7))
ENDING = TOKEN[-12:].encode()


@pytest.fixture
def sample(home: Home) -> Iterator[Sample]:
    with opened(home) as made:
        yield made


def written(home: Home) -> bytes:
    return b"".join(path.read_bytes() for path in home.root.rglob("*") if path.is_file())


@pytest.mark.parametrize("field", ["project", "session", "context", "words", "source"])
def test_no_field_of_a_memory_takes_one(sample: Sample, field: str) -> None:
    old = sample.it.remember(FACT)
    fields: dict[str, Any] = {field: f"/srv/{TOKEN}"}
    for call in (
        lambda: sample.it.remember("another fact", **fields),
        lambda: sample.it.supersede(old.id, "another fact", **fields),
        lambda: sample.it.edit(old.id, **fields),
    ):
        with pytest.raises(SecretError, match="github-token") as caught:
            call()
        assert TOKEN not in str(caught.value)
    assert ENDING not in written(sample.home)


def test_a_list_is_looked_through(sample: Sample) -> None:
    with pytest.raises(SecretError):
        sample.it.remember("another fact", supersedes=("MEM-2026-01-01-001-aaaaaaaa", TOKEN))


@pytest.mark.parametrize("names", [{"session": TOKEN}, {"project": f"/srv/{TOKEN}"}])
def test_a_proposal_has_none_in_where_it_comes_from(sample: Sample, names: dict[str, Any]) -> None:
    with pytest.raises(SecretError):
        sample.it.consider(f"Remember: {FACT}.", **names)
    assert sample.it.proposals() == []
    assert ENDING not in written(sample.home)


@pytest.mark.parametrize("field", ["learning", "context", "session", "project", "keywords"])
def test_an_import_leaves_it_out_however_it_is_spelled(sample: Sample, tmp_path: Path, field: str) -> None:
    memory = replace(sample.it.remember(FACT), id="MEM-2026-01-01-001-aaaaaaaa")
    value = [TOKEN] if field == "keywords" else f"it is {TOKEN}"
    escaped = json.dumps(memory.as_dict() | {field: value}).replace("ghp_", "\\u0067hp\\u005f")
    assert TOKEN not in escaped
    (tmp_path / "lines.jsonl").write_text(escaped + "\n")
    report = sample.it.import_from(tmp_path / "lines.jsonl")
    assert report.added == ()
    assert "github-token" in report.problems[0]
    assert TOKEN not in str(report)
    assert ENDING not in written(sample.home)


def test_an_import_looks_at_notes_and_unknown_keys_too(sample: Sample, tmp_path: Path) -> None:
    memory = replace(sample.it.remember(FACT), id="MEM-2026-01-01-001-aaaaaaaa")
    for text in (
        render(memory) + f"My notes: {TOKEN}\n",
        render(memory).replace("source:", f"my: {TOKEN}\nsource:"),
    ):
        (tmp_path / f"{memory.id}.md").write_text(text)
        assert sample.it.import_from(tmp_path).added == ()
    assert ENDING not in written(sample.home)


def test_a_file_that_was_edited_by_hand_is_named_and_not_used(home: Home) -> None:
    with opened(home) as first:
        memory = first.it.remember(FACT)
        path = first.store.path(memory.id)
        path.write_text(path.read_text().replace("context: ''", f"context: 'with {TOKEN}'"))
    with opened(home) as second:
        _, problems, _ = second.it.recover()
        assert problems == (
            f"{path}: holds a credential (github-token); it is not used"
            " (say where the secret is kept, not what it is)",
        )
        assert second.it.memories() == []
        assert second.it.export(home.root / "out") == 0
        for call in (
            lambda: second.it.memory(memory.id),
            lambda: second.it.edit(memory.id, confidence="low"),
            lambda: second.it.supersede(memory.id, "another fact"),
        ):
            with pytest.raises(SecretError):
                call()
        assert ENDING not in home.store.read_bytes()
        # Either way it can be mended from here.
        assert second.it.edit(memory.id, context="").context == ""
        assert [m.id for m in second.it.memories()] == [memory.id]

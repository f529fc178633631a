"""Remembering: nothing doubled, nothing silently replaced, nothing learnt from an echo."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.core.errors import InvalidInputError, NotFoundError, SecretError
from nexus.core.paths import Home
from nexus.cortex.filters import Filter
from tests.unit.cortex.remembering_sample import Sample, opened

OLD = "the staging database listens on port 5432"
NEW = "the staging database listens on port 6543"
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


@pytest.fixture
def sample(home: Home) -> Iterator[Sample]:
    with opened(home) as made:
        yield made


def test_the_same_words_are_the_same_memory(sample: Sample) -> None:
    first = sample.it.remember(OLD)
    assert sample.it.remember(f"  {OLD.upper()}. ").id == first.id
    assert len(sample.it.memories()) == 1


def test_the_same_words_in_two_projects_are_two_memories(sample: Sample) -> None:
    one, two = (sample.it.remember(OLD, project=p) for p in ("/a", "/b"))
    assert one.id != two.id
    assert [m.id for m in sample.it.memories(Filter(project="/a"))] == [one.id]


def test_twenty_threads_store_the_same_words_once(sample: Sample) -> None:
    threads = [threading.Thread(target=sample.it.remember, args=(OLD,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(sample.store.files())) == 1


def test_a_contradiction_is_stored_and_reported_but_replaces_nothing(sample: Sample) -> None:
    old = sample.it.remember(OLD)
    new = sample.it.remember(NEW)
    assert new.contradicts == (old.id,)
    assert sample.texts() == {OLD, NEW}
    assert sample.it.memory(new.id).contradicts == ()  # found out at that time, not written down


def test_superseding_ends_the_old_one_and_keeps_it_readable(sample: Sample) -> None:
    old = sample.it.remember(OLD)
    new = sample.it.supersede(old.id, NEW)
    assert new.supersedes == (old.id,)
    assert sample.texts() == {NEW}
    assert [m.id for m in sample.it.memories()] == [new.id]
    assert {m.id for m in sample.it.memories(Filter(include_expired=True))} == {old.id, new.id}
    assert sample.it.memory(old.id).valid_to


def test_superseding_what_is_not_there_stores_nothing(sample: Sample) -> None:
    with pytest.raises(NotFoundError):
        sample.it.supersede("MEM-2026-01-01-001-aaaaaaaa", NEW)
    assert list(sample.store.files()) == []


def test_an_ended_memory_may_be_remembered_again(sample: Sample) -> None:
    old = sample.it.remember(OLD)
    sample.it.supersede(old.id, NEW)
    assert sample.it.remember(OLD).id != old.id


@pytest.mark.parametrize("field", ["learning", "context", "words"])
def test_a_secret_is_refused_wherever_it_stands(sample: Sample, field: str) -> None:
    fields: dict[str, Any] = {"learning": OLD, field: f"the token is {TOKEN}"}
    with pytest.raises(SecretError):
        sample.it.remember(**fields)
    assert list(sample.store.files()) == []
    memory = sample.it.remember(OLD)
    with pytest.raises(SecretError):
        sample.it.edit(memory.id, **{field: f"the token is {TOKEN}"})


def test_a_proposal_says_where_it_comes_from_and_becomes_a_memory(sample: Sample) -> None:
    (found,) = sample.it.consider(f"Remember: {NEW}.", session="s1", project="/p")
    assert (found.learning, found.words) == (f"{NEW}.", f"Remember: {NEW}.")
    assert (found.session, found.project, found.role) == ("s1", "/p", "user")
    assert sample.it.proposals() == [found]
    assert sample.texts() == set()
    memory = sample.it.approve(found.id)
    assert (memory.verified, memory.session, memory.words) == (True, "s1", found.words)
    assert sample.it.proposals() == []
    assert sample.it.consider(f"Remember: {NEW}.", project="/p") == []


def test_a_rejected_proposal_does_not_return(sample: Sample) -> None:
    (found,) = sample.it.consider(f"note: {NEW}")
    sample.it.reject(found.id)
    assert sample.it.consider(f"note: {NEW}") == []
    for call in (sample.it.reject, sample.it.approve):
        with pytest.raises(NotFoundError, match=found.id):
            call(found.id)


def test_a_proposal_names_what_it_contradicts_and_approval_supersedes_it(sample: Sample) -> None:
    old = sample.it.remember(OLD)
    (found,) = sample.it.consider(f"Remember: {NEW}")
    assert found.contradicts == (old.id,)
    assert old.id in found.reason
    assert sample.it.approve(found.id).supersedes == (old.id,)
    assert sample.texts() == {NEW}


def test_a_person_may_keep_both(sample: Sample) -> None:
    sample.it.remember(OLD)
    (found,) = sample.it.consider(f"Remember: {NEW}")
    sample.it.approve(found.id, supersede=False)
    assert sample.texts() == {OLD, NEW}


def test_a_rule_takes_in_its_categories_unverified(sample: Sample) -> None:
    sample.rules.auto_approve = ("explicit_note",)
    (found,) = sample.it.consider(f"Remember: {OLD}")
    assert sample.it.memory(found.memory).verified is False
    assert sample.it.proposals() == []
    (against,) = sample.it.consider(f"Remember: {NEW}")
    assert against.memory == ""  # a contradiction is for a person
    assert [p.id for p in sample.it.proposals()] == [against.id]
    assert sample.it.remember(OLD).verified is True  # now a person has said it


def test_what_was_shown_is_never_learnt_from_it(sample: Sample) -> None:
    sample.it.shown("s1", [f"[memory] {OLD}. The fix was to set PYTHONHASHSEED=0 in tox.ini."])
    said = "The fix was to set PYTHONHASHSEED=0 in tox.ini."
    for session in ("s1", "s2"):
        assert sample.it.consider(said, "assistant", session=session) == []
        assert sample.it.consider(said, "user", session=session) == []


def test_a_person_may_ask_to_remember_what_another_session_was_shown(sample: Sample) -> None:
    sample.it.shown("s1", [OLD])
    assert sample.it.consider(f"Remember: {OLD}", session="s1") == []
    assert len(sample.it.consider(f"Remember: {OLD}", session="s2")) == 1


def test_forgetting_is_for_good(sample: Sample) -> None:
    memory = sample.it.remember(OLD)
    sample.it.forget(memory.id)
    assert sample.texts() == set()
    with pytest.raises(NotFoundError, match=memory.id):
        sample.it.forget(memory.id)


@pytest.mark.parametrize("name", ["out", "out.jsonl"])
def test_what_goes_out_comes_in_the_same(sample: Sample, tmp_path: Path, name: str) -> None:
    old = sample.it.remember(OLD, context='he said "ja" \U0001f600\u2028', words="x\r\ny")
    sample.it.supersede(old.id, NEW)
    everything = sample.it.memories(Filter(include_expired=True))
    assert sample.it.export(tmp_path / name) == 2
    other = Home(tmp_path / "other")
    other.create()
    with opened(other) as fresh:
        report = fresh.it.import_from(tmp_path / name)
        assert (len(report.added), report.unchanged, report.problems) == (2, (), ())
        assert fresh.it.memories(Filter(include_expired=True)) == everything
        assert fresh.texts() == {NEW}
        again = fresh.it.import_from(tmp_path / name)
        assert (again.added, len(again.unchanged), again.problems) == ((), 2, ())


def test_an_import_names_what_it_does_not_take(sample: Sample, tmp_path: Path) -> None:
    memory = sample.it.remember(OLD)
    lines = [
        {"id": memory.id, "learning": "something else"},
        {"id": "../../x", "learning": "y"},
        {"id": "MEM-2026-01-01-001-aaaaaaaa", "learning": f"token {TOKEN}"},
        {"id": "MEM-2026-01-01-002-aaaaaaaa"},
        {"id": "MEM-2026-01-01-003-aaaaaaaa", "learning": "this one is good"},
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join([*map(json.dumps, lines), "no json", "[1]"]))
    report = sample.it.import_from(source)
    assert report.added == ("MEM-2026-01-01-003-aaaaaaaa",)
    assert len(report.problems) == 6
    assert sample.it.memory(memory.id).learning == OLD
    with pytest.raises(NotFoundError):
        sample.it.import_from(tmp_path / "absent")


def test_a_start_agrees_with_whatever_happened_to_the_files(home: Home) -> None:
    with opened(home) as sample:
        changed, gone, damaged = (sample.it.remember(f"fact number {n}") for n in range(3))
    path = sample.store.path
    path(changed.id).write_text(path(changed.id).read_text().replace("number 0", "number 7"))
    path(gone.id).unlink()
    path(damaged.id).write_text("nonsense")
    (home.memories / f".{changed.id}.md.0123.tmp").write_text("half a write")
    with opened(home) as sample:
        sample.indexed = {str(path(m.id)): m for m in (changed, gone, damaged)}
        count, problems, half_written = sample.it.recover()
        assert (count, half_written) == (1, 1)
        assert len(problems) == 1
        assert str(path(damaged.id)) in problems[0]
        assert "fact number 7" in sample.texts()
        assert str(path(gone.id)) not in sample.indexed
        assert list(home.memories.glob(".*.tmp")) == []
        assert sample.it.recover() == (0, problems, 0)


def test_an_unknown_field_is_named(sample: Sample) -> None:
    with pytest.raises(InvalidInputError, match="colour"):
        sample.it.remember(OLD, colour="red")

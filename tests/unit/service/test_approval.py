"""What waits is shown with what stands against it; a memory takes another's place without a loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.filters import Filter
from nexus.service import approval

OLD, NEW = "The staging database listens on port 5432", "The staging database listens on port 6543"


@pytest.fixture
def cortex(home: Home, embedder_folder: Path) -> Iterator[Cortex]:
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with Cortex(home, CortexSettings(index="exact"), embedder) as opened:
        yield opened


def ids(cortex: Cortex, *, include_expired: bool = False) -> set[str]:
    where = Filter(include_expired=include_expired)
    return {memory.id for memory in cortex.memories(where)}


def test_a_proposal_comes_with_the_memory_it_contradicts(cortex: Cortex) -> None:
    old = cortex.remember(OLD)
    cortex.consider(f"Remember that {NEW}.")
    (proposal,) = approval.waiting(cortex)
    assert [m["learning"] for m in proposal["against"]] == [OLD]
    cortex.edit(old.id, valid_to="2020-01-01")
    assert approval.waiting(cortex)[0]["against"] == []
    cortex.forget(old.id)
    assert approval.waiting(cortex)[0]["against"] == []


def test_new_words_end_the_old_memory_and_keep_its_project(cortex: Cortex) -> None:
    old = cortex.remember(OLD, project="/srv/shop", type="procedural")
    new = approval.supersede(cortex, old.id, NEW)
    assert (new.project, new.type, new.supersedes) == ("/srv/shop", "procedural", (old.id,))
    assert ids(cortex) == {new.id}
    assert ids(cortex, include_expired=True) == {old.id, new.id}


def test_a_memory_that_is_there_takes_the_place_without_a_copy(cortex: Cortex) -> None:
    old, new = cortex.remember(OLD), cortex.remember(NEW)
    assert new.contradicts == (old.id,)
    assert approval.supersede(cortex, old.id, new.id).supersedes == (old.id,)
    assert ids(cortex) == {new.id}
    ended = cortex.memory(old.id).valid_to
    assert approval.supersede(cortex, old.id, new.id).supersedes == (old.id,)
    assert cortex.memory(old.id).valid_to == ended


def test_what_cannot_be_is_refused_and_nothing_changes(cortex: Cortex) -> None:
    old = cortex.remember(OLD)
    with pytest.raises(InvalidInputError, match="its own place"):
        approval.supersede(cortex, old.id, old.id)
    with pytest.raises(NotFoundError, match="MEM-2020-01-01-001"):
        approval.supersede(cortex, old.id, "MEM-2020-01-01-001")
    with pytest.raises(NotFoundError, match="MEM-2020-01-01-001"):
        approval.supersede(cortex, "MEM-2020-01-01-001", NEW)
    assert cortex.memory(old.id) == old


def test_a_memory_of_a_project_is_not_ended(cortex: Cortex, tmp_path: Path) -> None:
    (tmp_path / ".cortex").mkdir()
    shared = cortex.remember(OLD, project=str(tmp_path), share=True)
    new = cortex.remember(NEW)
    with pytest.raises(InvalidInputError, match="only read"):
        approval.supersede(cortex, shared.id, new.id)
    assert cortex.memory(new.id).supersedes == ()

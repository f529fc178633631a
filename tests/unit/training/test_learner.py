"""The learning loop with the real Flow: the order of what is read, what is kept, what is forgotten."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus.core.errors import StorageError
from nexus.flowing.flow import Flow
from nexus.flowing.settings import FlowSettings
from nexus.training.base_text import base_text
from nexus.training.learner import LearningLoop, student_pair
from nexus.training.learner_settings import LearnerSettings
from nexus.training.replay import Replay

PLACES = "harbour library station market garden bridge museum kitchen"
WHO = "Ada Grace Alan Edsger Barbara Donald Frances Kurt"
DEEDS = "found lost painted repaired counted borrowed described forgot"


def sentence(number: int) -> str:
    chance = random.Random(number)
    who, deed, place = (chance.choice(words.split()) for words in (WHO, DEEDS, PLACES))
    return f"{who} {deed} the blue lantern number {number} near the {place} before the evening bell rang. "


def talk(first: int, count: int) -> list[str]:
    """Messages of about 300 bytes each."""
    return ["".join(sentence(4 * n + k) for k in range(3)) for n in range(first, first + count)]


@pytest.fixture
def settings(tmp_path: Path) -> LearnerSettings:
    return LearnerSettings(str(tmp_path / "training"), str(tmp_path / "checkpoints"), base_bytes=0)


def loop_of(settings: LearnerSettings) -> LearningLoop:
    return LearningLoop(settings, *student_pair())


def run_dry(loop: LearningLoop, most: int = 100_000) -> None:
    """Until there is nothing left to do, twice in a row."""
    idle = 0
    for _ in range(most):
        idle = 0 if loop.step() else idle + 1
        if idle == 3:
            return
    raise AssertionError("it never comes to rest")


def kinds(loop: LearningLoop) -> list[str]:
    return [thought["kind"] for thought in loop.thoughts]


def test_new_text_is_read_then_dreamt_of_until_it_teaches_nothing_then_there_is_rest(
    settings: LearnerSettings,
) -> None:
    loop = loop_of(settings)
    for text in talk(0, 24):
        loop.observe(text, "conversation", "c1")
    run_dry(loop)
    assert loop.dream.rested
    assert loop.dream.nights >= 2
    assert kinds(loop)[-1] == "dream"
    metrics = loop.metrics()
    assert 0.3 < metrics["experience_factor"] < 1
    assert metrics["held_out"]["now"] < 0.7 * metrics["held_out"]["frozen"]
    assert metrics["flow_depth"] >= 1
    # All but the held-out eighth was learnt, once: nothing of it was forgotten yet.
    held = sum(len(piece.text) for piece in loop.replay.held_out(9))
    assert metrics["bytes_learned"] == loop.replay.bytes - held
    assert metrics["dreams"]["learnt_again"] == 0
    assert metrics["replay"] == {
        "items": 24,
        "bytes": loop.replay.bytes,
        "limit": settings.replay_bytes,
        "trimmed": 0,
        "doubles": 0,
    }
    assert not loop.step()
    loop.close()


def test_held_out_passages_are_never_learnt(settings: LearnerSettings) -> None:
    loop = loop_of(settings)
    learnt: list[bytes] = []

    class Watching:
        def __init__(self) -> None:
            self._student: Any = student_pair()[0]()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._student, name)

        def read(self, data: bytes, *, learn: bool, mixer: int = 0) -> Any:
            if learn:
                learnt.append(data)
            return self._student.read(data, learn=learn, mixer=mixer)

    loop.close()
    loop = LearningLoop(settings, Watching, student_pair()[1])
    for text in talk(0, 16):
        loop.observe(text, "conversation", "c1")
    run_dry(loop)
    everything = b"".join(learnt)
    held = [piece.text for piece in loop.replay.held_out(9)]
    assert len(held) == 2
    assert all(text not in everything for text in held)
    assert loop.replay.bytes - sum(map(len, held)) <= len(everything)
    loop.close()


def test_the_base_is_read_first_and_stays_as_it_is(settings: LearnerSettings) -> None:
    loop = loop_of(replace(settings, base_bytes=10_000))
    for text in talk(0, 10):
        loop.observe(text, "conversation", "c1")
    while loop.progress.base_read < loop.metrics()["base"]["of"]:
        assert loop.step()
    assert not loop.thoughts
    run_dry(loop)
    before = loop.progress.base_bits
    for text in talk(100, 10):
        loop.observe(text, "conversation", "c2")
    run_dry(loop)
    assert 0 < before < 8
    assert loop.progress.base_bits == before
    loop.close()


def test_a_restart_goes_on_where_the_checkpoint_was(settings: LearnerSettings) -> None:
    loop = loop_of(settings)
    messages = talk(0, 12)
    for text in messages[:6]:
        loop.observe(text, "conversation", "c1")
    run_dry(loop)
    loop.checkpoint()
    read_upto = loop.progress.read_upto
    expected = loop.surprise(messages[0])
    for text in messages[6:]:
        loop.observe(text, "conversation", "c1")
    for _ in range(3):
        loop.step()
    loop.close()  # without a checkpoint, as when it is killed
    again = loop_of(settings)
    assert again.restored.name == loop.checkpoints.names()[-1]
    assert again.progress.read_upto == read_upto
    assert again.surprise(messages[0]) == pytest.approx(expected, abs=1e-3)
    assert again.replay.unread(again.progress.read_upto) == 5  # one of the six is held out
    run_dry(again)
    assert again.replay.unread(again.progress.read_upto) == 0
    again.checkpoint()
    assert not again.checkpoint()  # nothing was learnt since
    again.close()


def test_to_forget_is_to_begin_anew_from_what_is_left(settings: LearnerSettings, tmp_path: Path) -> None:
    secret = "The treasure lies under the third willow behind the old windmill of Zandvoort. "
    loop = loop_of(settings)
    for text in talk(0, 6):
        loop.observe(text, "conversation", "kept")
    loop.observe(secret * 3, "conversation", "gone")
    loop.observe(secret * 2, "conversation", "gone")
    run_dry(loop)
    loop.checkpoint()
    known = sum(loop.surprise(secret))
    assert loop.forget("gone") == 2
    assert loop.checkpoints.as_dict()["count"] == 0
    assert loop.metrics()["bytes_learned"] == 0
    assert sum(loop.surprise(secret)) == pytest.approx(8 * len(secret), rel=0.01)
    run_dry(loop)
    relearnt = sum(loop.surprise(secret))
    assert relearnt > 3 * known
    fresh = LearnerSettings(str(tmp_path / "t2"), str(tmp_path / "c2"), base_bytes=0)
    never = loop_of(fresh)
    for text in talk(0, 6):
        never.observe(text, "conversation", "kept")
    run_dry(never)
    assert relearnt == pytest.approx(sum(never.surprise(secret)), rel=0.05)
    on_disk = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"willow" not in on_disk
    loop.close()
    never.close()


def test_a_dream_that_harms_is_undone(settings: LearnerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = loop_of(settings)
    for text in talk(0, 10):
        loop.observe(text, "conversation", "c1")
    # Real dreams were never seen to harm that much, so any change counts as harm here.
    monkeypatch.setattr("nexus.training.dream.HARM_BITS", -9.0)
    monkeypatch.setattr("nexus.training.dream.WORTH_BITS", 9.0)
    while not loop.dream.asleep:
        assert loop.step()
    before, known = loop.progress.bytes_learned, loop.surprise(talk(0, 1)[0])
    run_dry(loop)
    assert loop.dream.undone == 1
    assert loop.dream.rested
    assert loop.progress.bytes_learned == before
    assert loop.surprise(talk(0, 1)[0]) == pytest.approx(known, abs=1e-3)
    assert any("undone" in warning for warning in loop.warnings)
    loop.close()


def test_what_was_forgotten_is_learnt_again_in_a_dream(
    settings: LearnerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = FlowSettings(base_bits=6, user_bits=12, energy_bits=6, match_bits=10)
    loop = LearningLoop(settings, lambda: Flow(small), Flow.load)
    first, *others = base_text(30_000)[0]
    loop.observe(first.decode()[:300], "conversation", "c1")
    run_dry(loop)
    assert loop.dream.learnt_again == 0
    for text in others:  # far more than this small one can hold
        loop.observe(text.decode(), "conversation", "c1")
    # Whether one night gains more than it costs is not the question here.
    monkeypatch.setattr("nexus.training.dream.HARM_BITS", 9.0)
    run_dry(loop)
    assert loop.dream.learnt_again > 0
    assert loop.dream.rested
    loop.close()


def test_without_replay_nothing_is_kept(settings: LearnerSettings) -> None:
    loop = loop_of(replace(settings, replay=False))
    loop.observe("something private was said here", "conversation", "c1")
    assert not loop.step()
    assert loop.replay.items == 0
    loop.close()


def test_to_be_asked_for_surprise_in_the_middle_changes_nothing_that_was_learnt(
    settings: LearnerSettings,
) -> None:
    loop = loop_of(settings)
    assert loop.surprise("") == []
    assert loop.surprise("x\ud800") == pytest.approx([8.0, 8.0], abs=0.5)
    loop.observe(talk(0, 1)[0], "conversation", "c1")
    loop.step()
    before = loop.progress.bytes_learned
    first, second = loop.surprise("the blue lantern"), loop.surprise("the blue lantern")
    assert first == second
    assert loop.progress.bytes_learned == before
    run_dry(loop)
    loop.close()


def test_damage_to_the_newest_checkpoint_costs_only_what_came_after_the_one_before(
    settings: LearnerSettings,
) -> None:
    loop = loop_of(settings)
    for number in range(2):
        loop.observe(talk(10 * number, 1)[0], "conversation", "c1")
        run_dry(loop)
        loop.checkpoint()
    loop.close()
    names = loop.checkpoints.names()
    newest = Path(settings.checkpoint_folder) / names[-1] / "flow"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    again = loop_of(settings)
    assert again.restored.name == names[-2]
    assert any(names[-1] in warning for warning in again.warnings)
    run_dry(again)
    again.close()


def test_a_replay_that_breaks_is_an_error_and_learning_goes_on_later(settings: LearnerSettings) -> None:
    loop = loop_of(settings)
    loop.observe(talk(0, 1)[0], "conversation", "c1")
    loop.replay.close()
    with pytest.raises(StorageError):
        loop.step()
    folder = Path(settings.training_folder)
    loop.replay = Replay(folder / "replay.db")
    assert loop.step()
    loop.close()

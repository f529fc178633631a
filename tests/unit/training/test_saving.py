"""A checkpoint is written in slices: a yield ends it within one, nothing is learnt before it is whole."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.training.learner import LearningLoop, student_pair
from nexus.training.learner_process import Inbox, LearnerProcess
from nexus.training.learner_settings import LearnerSettings
from nexus.training.messages import Messages

TEXT = "Grace painted the blue lantern number {} near the harbour before the evening bell rang. "


@pytest.fixture
def settings(tmp_path: Path) -> LearnerSettings:
    return LearnerSettings(
        str(tmp_path / "training"), str(tmp_path / "checkpoints"), base_bytes=0, checkpoint_seconds=1e6
    )


def taught(loop: LearningLoop) -> LearningLoop:
    for number in range(10):
        loop.observe(TEXT.format(number) * 3, "conversation", "c1")
    while not loop.progress.bytes_learned:
        loop.step()
    return loop


class Life:
    """A learner's process within this one: what it hears is said here, one slice is one call."""

    def __init__(self, settings: LearnerSettings) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.said: list[dict[str, Any]] = []
        self.inbox = Inbox(iter(()))
        self.process = LearnerProcess(Messages(self.theirs), settings, self.inbox)
        self.loop = taught(self.process._loop)

    def hear(self, **message: Any) -> None:
        """As the thread that listens hears it."""
        self.inbox._lines = iter([message])
        self.inbox.fill()
        self.inbox.ended.clear()
        self.inbox.wake.clear()

    def slice(self) -> bool:
        return self.process._learn()


@pytest.fixture
def life(settings: LearnerSettings) -> Iterator[Life]:
    life = Life(settings)
    yield life
    life.loop.close()
    life.ours.close()
    life.theirs.close()


def test_a_yield_in_the_middle_of_a_save_takes_effect_within_one_slice(life: Life) -> None:
    life.hear(do="checkpoint")
    life.process._answer_all()
    assert life.loop.saving
    for _ in range(5):
        assert life.slice()
    steps = life.loop.steps
    life.hear(do="yield")
    # The word counts the moment it is heard: not one slice more.
    assert not life.slice()
    assert not life.slice()
    assert life.loop.steps == steps
    assert life.loop.saving
    assert life.loop.checkpoints.names() == []
    life.hear(do="go")
    while life.loop.saving:
        assert life.slice()
    assert life.loop.checkpoints.names() == ["checkpoint-00000001"]
    assert life.loop.steps > steps + 50


def test_who_is_told_to_pause_saves_what_he_has_learnt_all_the_same(life: Life) -> None:
    life.hear(do="pause")
    life.hear(do="checkpoint")
    life.process._answer_all()
    learned = life.loop.progress.bytes_learned
    while life.slice():
        pass
    assert life.loop.checkpoints.names() == ["checkpoint-00000001"]
    assert life.loop.progress.bytes_learned == learned


def test_nothing_is_learnt_before_the_checkpoint_is_whole_and_questions_are_answered(
    settings: LearnerSettings,
) -> None:
    loop = taught(LearningLoop(settings, *student_pair()))
    learned = loop.progress.bytes_learned
    assert loop.begin_checkpoint()
    slices = 0
    while loop.saving:
        assert loop.step()
        slices += 1
        assert loop.progress.bytes_learned == learned
        if slices % 40 == 0:
            assert loop.surprise("how surprising is this?")
            loop.observe(f"something new, number {slices}, said meanwhile", "conversation", "c2")
    assert slices > 50
    loop.close()
    again = LearningLoop(settings, *student_pair())
    assert again.restored.name == "checkpoint-00000001"
    assert not again.restored.skipped
    assert again.progress.bytes_learned == learned
    again.close()


def test_to_forget_ends_a_save_that_would_have_kept_it(settings: LearnerSettings) -> None:
    loop = taught(LearningLoop(settings, *student_pair()))
    loop.begin_checkpoint()
    for _ in range(10):
        loop.step()
    assert loop.forget(None)
    assert not loop.saving
    assert list(Path(settings.checkpoint_folder).iterdir()) == []
    loop.close()


def test_the_end_of_a_life_ends_the_save_that_was_begun(settings: LearnerSettings) -> None:
    loop = taught(LearningLoop(settings, *student_pair()))
    loop.begin_checkpoint()
    loop.step()
    assert loop.checkpoint()
    assert loop.checkpoints.names() == ["checkpoint-00000001"]
    assert not loop.checkpoint()  # nothing was learnt since
    loop.close()


def test_a_save_that_fails_is_given_up_and_told_and_the_next_one_works(life: Life) -> None:
    folder = Path(life.process._settings.checkpoint_folder)
    life.hear(do="checkpoint")
    life.process._answer_all()
    for _ in range(10):
        assert life.slice()
    (writing,) = folder.glob(".writing-*")
    for part in writing.iterdir():
        part.unlink()
    writing.rmdir()
    while life.loop.saving:
        assert life.slice()
    assert b"no checkpoint" in life.ours.recv(1 << 16)
    assert list(folder.iterdir()) == []
    assert life.loop.checkpoint()

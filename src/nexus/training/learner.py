"""The learner: what is read next, a slice of twenty milliseconds at a time. No process, no clock of its own.

Order: our own base text once; then the user's new passages; then a lesson that came; then dreams, until
they teach nothing more. Held-out passages are measured in between and never learnt. Invariants: `step`
does one slice; a checkpoint is written in slices too, and nothing is learnt before it is whole; what is
learnt and what says how far (`Progress`) are saved together, so after a kill nothing is learnt twice or left
out that the replay still has; to forget is to begin anew from what is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from nexus.core.errors import ModelCorruptError
from nexus.training.base_text import base_text
from nexus.training.checkpoints import Checkpoints, DamagedCheckpointError, Restored
from nexus.training.dream import Dream
from nexus.training.known_text import KnownText
from nexus.training.learner_settings import LearnerSettings
from nexus.training.lessons import Lessons
from nexus.training.progress import Progress
from nexus.training.reading import Slices, Task, words_with_bits
from nexus.training.replay import Piece, Replay
from nexus.training.student import BASE_MIXER, USER_MIXER, Birth, Loader, Student
from nexus.training.teacher import OWN_WORDS

MEASURE_EVERY: Final = 64 << 10  # bytes learnt between two looks at the held-out passages
HELD_BYTES: Final = 16 << 10
# A text that costs less is one that the student would have written itself.
OWN_BITS: Final = 0.5
# A passage that costs more than this part of what it cost when it was learnt has been forgotten. To learn
# again what is known by heart teaches nothing but to trust in repeats (docs/decisions/0020-learning.md).
FORGOTTEN: Final = 0.6
UNKNOWN_BITS: Final = 1.0  # and more than this
THOUGHTS_WAITING: Final = 50


class LearningLoop:
    """Owns student, replay, checkpoints and teacher; used by one thread. Raises `StorageError`."""

    def __init__(self, settings: LearnerSettings, birth: Birth, load: Loader) -> None:
        self.settings = settings
        self.progress = Progress()
        self.dream = Dream()
        self.warnings: deque[str] = deque(maxlen=50)
        self.thoughts: deque[dict[str, Any]] = deque(maxlen=THOUGHTS_WAITING)
        self.steps = 0
        self._birth, self._load = birth, load
        self._base, self._base_held = base_text(settings.base_bytes)
        folder = Path(settings.training_folder)
        self.replay = Replay(folder / "replay.db", settings.replay_bytes, settings.replay_items)
        if self.replay.warning:
            self.warnings.append(self.replay.warning)
        self.checkpoints = Checkpoints(Path(settings.checkpoint_folder))
        self._taught, self._own = KnownText(), KnownText()
        self._task: Task | None = None
        self._measuring: deque[Task] = deque()
        self._measured: list[Task] = []
        self._unmeasured = 0  # bytes learnt since the last measure
        self._unsaved = False
        self._saving: Generator[None, None, object] | None = None
        self.restored = self._restore()
        self._slices = Slices(self._student)
        self.lessons = Lessons(settings, self._taught, self._own)

    # What others ask of it

    def observe(self, text: str, kind: str, source: str) -> None:
        """Keep what the user said, to be learnt when there is time."""
        if self.settings.replay:
            self.replay.add(text, kind, source)

    def surprise(self, text: str) -> list[float]:
        """Bits of every byte of `text`; nothing is learnt."""
        self._student.begin()
        found = self._student.read(text.encode("utf-8", "replace"), learn=False, mixer=USER_MIXER)
        self._slices.interrupted()
        return [round(float(bits), 3) for bits in found.bits]

    def base_surprise(self, text: str) -> float:
        """Bits per byte of `text` to the base, which has read nothing of the user; 0 of no text."""
        self._student.begin()
        found = self._student.read(text.encode("utf-8", "replace"), learn=False, mixer=BASE_MIXER)
        self._slices.interrupted()
        return float(np.mean(found.bits, dtype=np.float64)) if len(found.bits) else 0.0

    def forget(self, source: str | None) -> int:
        """Delete what was said in `source` (None: everything) and begin anew from what is left.

        A model cannot unlearn one text, and a checkpoint holds what it was learnt from; so all of them go.
        Lessons are forgotten too. Returns how many passages were deleted.
        """
        gone = self.replay.forget(source)
        if source is not None and not gone:
            return 0
        self._give_up_saving()
        self.checkpoints.clear()
        self.progress = Progress()
        self.dream = Dream()
        self._taught.clear()
        self._own.clear()
        self._adopt(self._birth())
        self._unsaved = False
        return gone

    def checkpoint(self) -> bool:
        """Save at once, where something was learnt since the last one. Returns whether it was written."""
        if not self.begin_checkpoint():
            return False
        while self.saving:
            self.save_on()
        return True

    def begin_checkpoint(self) -> bool:
        """The next steps save, where something was learnt since the last one. Returns whether they do."""
        if self._unsaved and self._saving is None:
            self._saving = self.checkpoints.saving(self._write, self.progress.as_dict())
        return self.saving

    @property
    def saving(self) -> bool:
        """Whether a checkpoint is begun and not whole."""
        return self._saving is not None

    def save_on(self) -> None:
        """One slice of the checkpoint. Raises `StorageError`; it is then given up, and the old ones stay."""
        if self._saving is None:
            return
        self.steps += 1
        try:
            next(self._saving)
        except StopIteration:
            self._saving, self._unsaved = None, False
        except BaseException:
            self._saving = None
            # Without it there is no way back from a night that does harm.
            self.dream.disturbed()
            raise

    def metrics(self) -> dict[str, Any]:
        """What the service shows."""
        replay = self.replay
        return {
            "experience_factor": round(self.progress.experience_factor, 4),
            "flow_depth": round(self.progress.flow_depth, 3),
            "bytes_learned": self.progress.bytes_learned,
            "bits_per_byte": round(self.progress.bits_per_byte, 4),
            "held_out": {"now": self.progress.now_bits, "frozen": self.progress.frozen_bits},
            "base_bits_per_byte": self.progress.base_bits,
            "base": {"read": self.progress.base_read, "of": len(self._base)},
            "replay": {
                "items": replay.items,
                "bytes": replay.bytes,
                "limit": replay.most_bytes,
                "trimmed": replay.trimmed,
                "doubles": replay.doubles,
            },
            "dreams": {
                "nights": self.dream.nights,
                "learnt_again": self.dream.learnt_again,
                "undone": self.dream.undone,
                "rested": self.dream.rested,
            },
            "training": {**self.lessons.as_dict(), "pairs": self.progress.pairs},
            "checkpoints": self.checkpoints.as_dict(),
        }

    def close(self) -> None:
        """End lessons and files. Nothing is saved."""
        self._give_up_saving()
        self.lessons.close()
        self.replay.close()

    # One step

    def step(self) -> bool:
        """Read or save one slice of what is due. False where there is nothing to do."""
        if self._task is None and not self.saving:
            self._task = self._next()
        if self.saving:
            self.save_on()
            return True
        task = self._task
        if task is None:
            return False
        before = task.steps
        size = self._slices.read_on(task)
        self.steps += 1
        if task.learn:
            bits = float(task.bits[-1].sum(dtype=np.float64))
            self.progress.learnt(size, bits, task.steps - before)
            self._unmeasured += size
            self._unsaved = True
        if task.done:
            self._task = None
            self._finish(task)
        return True

    def _next(self) -> Task | None:
        if self.progress.base_read < len(self._base):
            return Task("base", self._base[self.progress.base_read], True, BASE_MIXER)
        if self._measuring:
            return self._measuring.popleft()
        if self._measured:
            self._note_measure()
        if self._unmeasured >= MEASURE_EVERY:
            return self._measure()
        if self.settings.replay and (piece := self.replay.next_unread(self.progress.read_upto)):
            self.dream.disturbed()
            return Task("reading", piece.text, True, USER_MIXER, piece)
        if pair := self.lessons.take():
            self.dream.disturbed()
            return Task("judging", pair.answer.encode("utf-8", "replace"), False, USER_MIXER, pair=pair)
        return self._dream_on() if self.settings.replay else None

    def _dream_on(self) -> Task | None:
        if self._unmeasured and not self.dream.asleep:
            return self._measure()
        if not self.dream.asleep:
            held = self.progress.now_bits or None
            if self.dream.rested or not self.dream.fall_asleep(self.replay, self.progress.read_upto, held):
                return None
            # A night that does harm is undone by going back to here.
            if self.begin_checkpoint():
                return None
        while (number := self.dream.next()) is not None:
            if piece := self.replay.get(number):
                return Task("recall", piece.text, False, USER_MIXER, piece)
        if self._unmeasured:
            return self._measure()
        if self.dream.wake(self.progress.now_bits or None):
            self.warnings.append("a dream made held-out text more surprising; it was undone")
            self._undo()
        return None

    def _finish(self, task: Task) -> None:
        piece, pair = task.piece, task.pair
        if task.purpose == "base":
            self.progress.base_read += 1
        elif task.purpose in ("now", "frozen", "base check"):
            self._measured.append(task)
        elif task.purpose == "judging" and pair is not None:
            if task.bits_per_byte < OWN_BITS:
                self.lessons.refuse(OWN_WORDS)
            else:
                self._task = Task(
                    "teacher", pair.text.encode("utf-8", "replace"), True, USER_MIXER, pair=pair
                )
        elif task.purpose == "teacher":
            self.progress.pairs += 1
            self._think(task)
        elif task.purpose == "recall" and piece is not None:
            self.dream.dreamt(len(piece.text))
            if task.bits_per_byte > max(UNKNOWN_BITS, FORGOTTEN * (piece.bits or 8.0)):
                self._task = Task("dream", piece.text, True, USER_MIXER, piece)
            else:
                self._think(task, "dream")
                self.replay.was_recalled(piece.id, task.bits_per_byte)
        elif piece is not None:
            if task.purpose == "reading":
                self.progress.read_upto = piece.id
                self.dream.read_new(len(piece.text))
                self._own.add(piece.text.decode("utf-8", "replace"))
            else:
                self.dream.learnt_again += 1
            self._think(task)
            self.replay.was_read(piece.id, task.bits_per_byte)

    def _think(self, task: Task, kind: str = "") -> None:
        pieces = words_with_bits(task.data, np.concatenate(task.bits))
        self.thoughts.append({"event": "thought", "kind": kind or task.purpose, "pieces": pieces})

    # Measuring

    def _measure(self) -> Task | None:
        """Queue the user's newest held-out passages, and the first of them."""
        self._unmeasured = 0
        chosen: list[Piece] = []
        size = 0
        for piece in self.replay.held_out(64):
            if chosen and size + len(piece.text) > HELD_BYTES:
                break
            chosen.append(piece)
            size += len(piece.text)
        for piece in chosen:
            if piece.frozen is None:
                self._measuring.append(Task("frozen", piece.text, False, BASE_MIXER, piece))
            self._measuring.append(Task("now", piece.text, False, USER_MIXER, piece))
        if self._base_held:
            self._measuring.append(Task("base check", self._base_held[0], False, BASE_MIXER))
        return self._measuring.popleft() if self._measuring else self._next()

    def _note_measure(self) -> None:
        """The figures of a measure that is complete."""
        done, self._measured = self._measured, []
        fresh = {t.piece.id: t.bits_per_byte for t in done if t.purpose == "frozen" and t.piece}
        self.replay.set_frozen(fresh.items())
        now = [t for t in done if t.purpose == "now" and t.piece]
        size = sum(t.at for t in now)
        if size:
            self.progress.now_bits = sum(t.total_bits for t in now) / size
            frozen = sum(self._frozen(t.piece, fresh) * t.at for t in now if t.piece)
            self.progress.frozen_bits = frozen / size
        for task in done:
            if task.purpose == "base check":
                self.progress.base_bits = task.bits_per_byte

    def _frozen(self, piece: Piece, fresh: Mapping[int, float]) -> float:
        return fresh[piece.id] if piece.frozen is None else piece.frozen

    # Keeping

    def _write(self, folder: Path) -> Iterator[None]:
        yield from self._student.saving(folder / "flow")
        (folder / "taught").write_bytes(self._taught.dump())
        yield
        (folder / "own").write_bytes(self._own.dump())

    def _give_up_saving(self) -> None:
        if self._saving is not None:
            self._saving.close()
            self._saving = None

    def _restore(self) -> Restored:
        found, report = self.checkpoints.restore(self._read)
        self.warnings.extend(report.skipped)
        if found is None:
            self._student: Student = self._birth()
            return report
        self._student, self.progress, taught, own = found
        self._taught.take(taught)
        self._own.take(own)
        self._unsaved = False
        return report

    def _read(self, folder: Path, facts: Mapping[str, Any]) -> tuple[Student, Progress, KnownText, KnownText]:
        try:
            taught, own = (KnownText.load((folder / name).read_bytes()) for name in ("taught", "own"))
            return self._load(folder / "flow"), Progress.from_dict(facts), taught, own
        except (OSError, ValueError) as error:
            raise DamagedCheckpointError(f"it cannot be read: {error}") from error

    def _undo(self) -> None:
        report = self._restore()
        if not report.name:
            raise ModelCorruptError("the checkpoint from before a dream is gone", hint="restart the learner")
        self._adopt(self._student)

    def _adopt(self, student: Student) -> None:
        self._student = student
        self._slices = Slices(student)
        self._task = None
        self._measuring.clear()
        self._measured.clear()
        self._unmeasured = 0


def student_pair() -> tuple[Callable[[], Student], Loader]:
    """How the student of this house is made and loaded."""
    from nexus.flowing.flow import Flow

    return Flow, Flow.load

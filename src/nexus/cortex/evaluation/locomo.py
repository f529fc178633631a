"""LoCoMo (Maharana et al. 2024): long conversations of two people, and questions with their evidence.

Reads the published form: a list of conversations with `conversation` (`session_1`,
`session_1_date_time`, ...) and `qa` (`question`, `evidence`, `category`). The data is not part of this
project. Invariant: every id in `Question.evidence` is the id of a turn of the same conversation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nexus.core import clock
from nexus.core.errors import InvalidInputError
from nexus.cortex.transcripts.transcript import Draft, Transcript

CATEGORIES = {1: "several turns", 2: "time", 3: "open", 4: "one turn", 5: "unanswerable"}
_SESSION = re.compile(r"session_(\d+)")
_EVIDENCE = re.compile(r"D\s*:?\s*(\d+)\s*:\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Said:
    """One turn. `id` is LoCoMo's own, `D3:7`: the seventh of the third session."""

    id: str
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Session:
    """One meeting; `started` is ISO or ""."""

    number: int
    started: str
    turns: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """`evidence` holds ids of turns, each once; may be empty."""

    text: str
    category: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """All sessions of two people. `unknown` counts evidence that names no turn."""

    id: str
    sessions: tuple[Session, ...]
    questions: tuple[Question, ...]
    unknown: int

    @property
    def project(self) -> str:
        """The project it is stored as, so that a question looks at its own conversation only."""
        return f"/locomo/{self.id}"

    def place(self, session: Session) -> str:
        """The name under which a session is stored."""
        return f"{self.project}/session_{session.number}"

    def transcript(self, session: Session) -> Transcript:
        """A session as Cortex takes it in; the line of a turn is its place, from 1."""
        draft = Draft("locomo", session=f"{self.id}/{session.number}", project=self.project)
        for line, turn in enumerate(session.turns, 1):
            draft.say("user", turn.speaker, turn.text, session.started, line)
        return draft.finish()


def find(data: Path) -> list[Path]:
    """The files to read: `data` itself, or every locomo*.json below it."""
    return [data] if data.is_file() else sorted(data.rglob("locomo*.json"))


def load(paths: Sequence[Path]) -> list[Conversation]:
    """The conversations of all files, each id once. Raises `InvalidInputError` naming file and place."""
    found: dict[str, Conversation] = {}
    for path in paths:
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"{path} cannot be read: {error}", hint="is it LoCoMo's JSON?") from error
        if not isinstance(raw, list):
            raise InvalidInputError(f"{path} is no list of conversations", hint="is it LoCoMo's JSON?")
        for number, item in enumerate(raw, 1):
            try:
                conversation = _conversation(item, f"conv-{number}")
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise InvalidInputError(
                    f"{path}: conversation {number} is not in LoCoMo's form: {type(error).__name__} {error}",
                    hint="it needs `conversation` with session_N, and `qa` with question and evidence",
                ) from error
            found.setdefault(conversation.id, conversation)
    return list(found.values())


def moment(text: str) -> str:
    """`1:56 pm on 8 May, 2023` in ISO form; "" for anything else."""
    try:
        return clock.iso(datetime.strptime(text.strip(), "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC))
    except ValueError:
        return ""


def _conversation(item: dict[str, Any], name: str) -> Conversation:
    raw = item["conversation"]
    numbers = sorted(int(found[1]) for key in raw if (found := _SESSION.fullmatch(key)))
    sessions = tuple(
        Session(
            n, moment(raw.get(f"session_{n}_date_time", "")), tuple(_said(t) for t in raw[f"session_{n}"])
        )
        for n in numbers
    )
    ids = {turn.id for session in sessions for turn in session.turns}
    questions, unknown = [], 0
    for asked in item["qa"]:
        named = dict.fromkeys(
            f"D{int(found[1])}:{int(found[2])}"
            for text in asked.get("evidence") or ()
            for found in _EVIDENCE.finditer(text)
        )
        evidence = tuple(name for name in named if name in ids)
        unknown += len(named) - len(evidence)
        questions.append(Question(str(asked["question"]), int(asked["category"]), evidence))
    return Conversation(str(item.get("sample_id") or name), sessions, tuple(questions), unknown)


def _said(turn: dict[str, Any]) -> Said:
    session, number = _EVIDENCE.fullmatch(turn["dia_id"]).groups()  # type: ignore[union-attr]
    caption = turn.get("blip_caption")
    text = turn["text"] + (f" [shares a photo: {caption}]" if caption else "")
    return Said(f"D{int(session)}:{int(number)}", str(turn["speaker"]), text)

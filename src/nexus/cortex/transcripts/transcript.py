"""What was said in one session of an agent or a chat, in one form for every client.

`Turn` and `Transcript` are what the readers beside this file give; `Draft` is how a reader makes one.
Knows no file format, no tokens and no index. Invariants: turns stand in the order of the file; a turn is
never blank; a longer file whose beginning is unchanged gives the same first turns; what was left out of a
turn is named inside it, what was left out altogether is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from nexus.core import clock
from nexus.cortex import secrets

Role = Literal["user", "assistant", "tool"]

LONGEST = 24_000
"""Characters of a turn that are kept. A pasted log of a megabyte is no conversation."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TITLE = 80


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing said or done. `line` counts from 1 in the transcript file.

    `said` is UTC in ISO form (`2026-11-20T04:17:00Z`), "" where the file does not tell. `speaker` is
    a name to show: `User`, `Agent`, a tool (`Bash`), or what a tool gave back (`Bash output`).
    """

    role: Role
    speaker: str
    text: str
    said: str
    line: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """A session. `project` is the folder it was held in, "" unknown; `session` is its own id.

    `damaged` counts lines that could not be read, `unknown` names kinds of lines this version does not
    know, `left_out` counts what is no part of the talk by its sort. `unfinished` says that the last
    line was cut off: the client is still writing it. `known` are credentials that stood anywhere in the
    file: an agent reads them in a file, which is left out, and types them in a command.
    """

    client: str
    session: str
    project: str
    started: str
    title: str
    turns: tuple[Turn, ...]
    damaged: int = 0
    unfinished: bool = False
    unknown: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    known: secrets.Known = field(default_factory=dict, repr=False, compare=False)

    @property
    def problems(self) -> str:
        """What a person should know about the file, in one line; "" when all of it was understood."""
        parts = []
        if self.damaged:
            parts.append(f"{self.damaged} damaged line{'s' if self.damaged > 1 else ''}")
        if self.unknown:
            named = ", ".join(f"{name} ({count})" for name, count in sorted(self.unknown.items())[:5])
            more = f" and {len(self.unknown) - 5} more" if len(self.unknown) > 5 else ""
            parts.append(f"lines of unknown kinds: {named}{more}")
        return "; ".join(parts)

    def with_texts(self, change: Callable[[str], str]) -> Transcript:
        """The same session with `change` applied to title and turns; turns that get blank are dropped."""
        turns = (replace(turn, text=change(turn.text)) for turn in self.turns)
        return replace(
            self, title=change(self.title), turns=tuple(turn for turn in turns if turn.text.strip())
        )


class Draft:
    """A transcript in the making."""

    def __init__(self, client: str, *, session: str = "", project: str = "") -> None:
        self.client, self.session, self.project = client, session, project
        self.title = ""
        self.damaged = 0
        self.unfinished = False
        self.unknown: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._turns: list[Turn] = []

    def say(self, role: Role, speaker: str, text: str, said: str, line: int) -> None:
        """Add a turn; blank text adds none. `said` as `moment` gives it."""
        text = shortened(clean(text), LONGEST * 3 // 4, LONGEST // 4)
        if text:
            self._turns.append(Turn(role, clean(speaker)[:60] or role, text, said, line))

    def finish(self) -> Transcript:
        """The transcript of what was said so far."""
        started = next((turn.said for turn in self._turns if turn.said), "")
        title = " ".join(secrets.blacked_out(clean(self.title)).split())
        if not title:
            first = next((turn.text for turn in self._turns if turn.role == "user"), "")
            title = " ".join(secrets.blacked_out(first)[: 4 * _TITLE].split())
        if len(title) > _TITLE:
            title = title[: _TITLE - 1].rstrip() + "…"
        return Transcript(
            self.client,
            clean(self.session)[:200],
            clean(self.project)[:4096],
            started,
            title,
            tuple(self._turns),
            self.damaged,
            self.unfinished,
            dict(self.unknown),
            dict(self.left_out),
        )


def moment(value: object) -> str:
    """A time of a transcript as `Turn.said`: ISO text, or seconds or milliseconds since 1970."""
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value.strip())
            return clock.iso(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if value > 100_000_000_000 else value
            return clock.iso(datetime.fromtimestamp(seconds, UTC)) if seconds > 0 else ""
    except (ValueError, OverflowError, OSError):
        return ""
    return ""


def clean(text: str) -> str:
    """`text` without terminal colours and control characters, its line ends LF, no blanks around.

    Half of a surrogate pair, which JSON allows and UTF-8 does not, becomes U+FFFD.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", text)).strip()


def shortened(text: str, head: int, tail: int) -> str:
    """At most about `head` + `tail` characters of `text`, whole words, with a note of what is missing.

    What is cut has lost its credentials before.
    """
    if len(text) <= head + tail + 60:
        return text
    text = secrets.blacked_out(text)
    if len(text) <= head + tail + 60:
        return text
    end = _blank_before(text, head)
    start = len(text) - tail
    blank = re.compile(r"\s").search(text, start, min(start + 80, len(text)))
    start = blank.end() if blank else start
    missing = start - end
    return f"{text[:end].rstrip()}\n[… {missing:,} characters left out …]\n{text[start:].lstrip()}".strip()


def _blank_before(text: str, position: int) -> int:
    for back in range(position, max(0, position - 80), -1):
        if text[back].isspace():
            return back
    return position

"""Does the learner's surprise tell what is worth remembering? Labelled lines, each beside two controls.

    NEXUS_DATA=FOLDER python bench/surprise.py [--json FILE] [--lines FILE]

The labelled sentences of `nexus bench cortex --only extractor` come from real sessions, which lie in NEXUS_DATA
(agents/specstory-claude-code). Those sessions are read in their order as the learner reads what is said: our
own base text first, every passage from its beginning, every eighth held out, nothing dreamt. A labelled line is
judged right before the turn that holds it is learnt, or, where it stands in what is not read (a thought, the
output of a tool), before its session. AUC is the share of pairs in which the good line scores higher; .5 is
chance. Intervals draw whole sessions anew, 2,000 times. Controls: the length, and the bits per byte of the
words by how often they were said before.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
from collections import Counter, deque
from pathlib import Path
from typing import Any, Final

import numpy as np

from nexus.cortex import secrets
from nexus.cortex.evaluation.labelled_lines import lines
from nexus.cortex.transcripts import specstory
from nexus.flowing.flow import Flow
from nexus.training.base_text import base_text
from nexus.training.replay import HELD_EVERY, HELD_MOST, pieces

SESSIONS: Final = "agents/specstory-claude-code"
HALVES: Final = ("development", "held_out")
DRAWS: Final = 2000
REFERENCE_BYTES = 128
_WORD = re.compile(r"\w+|[^\w\s]")


class Reader:
    """Reads as the learner does, and judges lines."""

    def __init__(self) -> None:
        self.flow = Flow()
        for piece in base_text(256 << 10)[0]:
            self.flow.begin()
            self.flow.read(piece, learn=True, mixer=0)
        self.words: Counter[str] = Counter()
        self.held: deque[bytes] = deque(maxlen=HELD_MOST)
        self.passages = 0

    def hear(self, text: str) -> None:
        """One turn of a session."""
        text = secrets.blacked_out(text)
        self.words.update(_WORD.findall(text.casefold()))
        for piece in pieces(text):
            self.passages += 1
            if self.passages % HELD_EVERY == 0:
                self.held.append(piece)
                continue
            self.flow.begin()
            self.flow.read(piece, learn=True, mixer=1)

    def judge(self, line: str) -> dict[str, float]:
        """The scores of a line; nothing is learnt."""
        data = line.encode()
        held = [self._bits(piece[:REFERENCE_BYTES], 1) for piece in self.held]
        middle = float(np.median(held)) if held else math.nan
        spread = 1.4826 * float(np.median(np.abs(np.asarray(held) - middle))) if held else math.nan
        spread = max(spread, 0.25)
        middle = middle if len(held) > 7 else math.nan
        known, base = self._bits(data, 1), self._bits(data, 0)
        total = sum(self.words.values()) + len(self.words) + 1
        unigram = -sum(math.log2((self.words[w] + 1) / total) for w in _WORD.findall(line.casefold()))
        return {
            "bits": known,
            "base": base,
            "ratio": known / base,
            "relative": (known - middle) / spread,
            "over": known / middle,
            "middle": middle,
            "spread": spread,
            "length": float(len(data)),
            "unigram": unigram / len(data),
            "total": known * len(data),
        }

    def _bits(self, data: bytes, mixer: int) -> float:
        self.flow.begin()
        return self.flow.read(data, learn=False, mixer=mixer).bits_per_byte


def judged(data: Path) -> list[dict[str, Any]]:
    wanted: dict[str, list[dict[str, Any]]] = {}
    for half in HALVES:
        for row in lines(half):
            wanted.setdefault(row["file"], []).append({**row, "half": half})
    files = {p.name: p for p in (data / SESSIONS).rglob("*.md") if ".specstory/history" in p.as_posix()}
    reader, done = Reader(), []
    for name in sorted(files):
        turns = [t for t in specstory.read(files[name].read_bytes(), files[name]).turns if t.role != "tool"]
        plain = [letters(turn.text) for turn in turns]
        due: dict[int, list[dict[str, Any]]] = {}
        for row in wanted.get(name, []):
            said = letters(row["line"])
            place = next((at for at, text in enumerate(plain) if said in text), -1)
            due.setdefault(max(place, 0), []).append({**row, "heard": place >= 0})
        for at, turn in enumerate(turns):
            done += [
                {**row, **reader.judge(row["line"]), "read": reader.flow.bytes_learned}
                for row in due.get(at, [])
            ]
            reader.hear(turn.text)
        done += [
            {**row, **reader.judge(row["line"]), "read": reader.flow.bytes_learned}
            for row in due.get(0, [])
            if not turns
        ]
    return done


def letters(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--lines", type=Path)
    a = p.parse_args()
    rows = judged(Path(os.environ["NEXUS_DATA"]))
    a.lines.write_text("\n".join(json.dumps(r) for r in rows))

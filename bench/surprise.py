"""Does the learner's surprise tell what is worth remembering? Labelled lines, each beside its controls.

    NEXUS_DATA=FOLDER python bench/surprise.py [--json FILE]

The labelled sentences of `nexus bench cortex --only extractor` come from real sessions, which lie in
NEXUS_DATA (agents/specstory-claude-code). The sessions are read one after the other as the learner reads what
is said: our own base text first, then every passage from its beginning, every eighth held out; nothing is
dreamt. A labelled line is judged right before the turn that holds it is learnt, or, where it stands in what
is not read (a thought, the output of a tool), before its session.

AUC is the share of pairs of a good line and another in which the good one scores higher: 1 always, .5 chance,
below .5 the other way round. Intervals draw whole sessions anew, for lines of one session are alike. Scores:

surprise   bits per byte under the user's model over those under the base: what a proposal carries
bits       bits per byte under the user's model alone
length     control: bytes of the line
unigram    control: bits per byte of its words, by how often each was said in the sessions before
"""

from __future__ import annotations

import argparse
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import record

from nexus.cortex import secrets
from nexus.cortex.evaluation.labelled_lines import Half, lines
from nexus.cortex.evaluation.measures import auc
from nexus.cortex.extractor import propose
from nexus.cortex.transcripts import specstory
from nexus.flowing.flow import Flow
from nexus.training.base_text import base_text
from nexus.training.novelty import novelty
from nexus.training.replay import HELD_EVERY, pieces

SESSIONS: Final = "agents/specstory-claude-code"
HALVES: Final[tuple[Half, ...]] = ("development", "held_out")
SCORES: Final = ("surprise", "bits", "length", "unigram")
DRAWS: Final = 2000
BASE_BYTES: Final = 256 << 10
_WORD = re.compile(r"\w+|[^\w\s]")

Line = dict[str, Any]


class Reader:
    """Reads as the learner does, and judges lines."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.words: Counter[str] = Counter()
        self.passages = 0
        for piece in base_text(BASE_BYTES)[0]:
            self.flow.begin()
            self.flow.read(piece, learn=True, mixer=0)

    def hear(self, text: str) -> None:
        """One turn of a session."""
        text = secrets.blacked_out(text)
        self.words.update(_WORD.findall(text.casefold()))
        for piece in pieces(text):
            self.passages += 1
            if self.passages % HELD_EVERY:
                self.flow.begin()
                self.flow.read(piece, learn=True, mixer=1)

    def judge(self, line: str) -> dict[str, float]:
        """The scores of a line; nothing is learnt."""
        data = line.encode()
        bits = self._bits(data, 1)
        said = self.words.total() + len(self.words) + 1
        counts = [self.words[word] + 1 for word in _WORD.findall(line.casefold())]
        unigram = sum(math.log2(said / count) for count in counts)
        return {
            "surprise": novelty(bits, self._bits(data, 0)) or 0.0,
            "bits": bits,
            "length": float(len(data)),
            "unigram": unigram / len(data),
        }

    def _bits(self, data: bytes, mixer: int) -> float:
        self.flow.begin()
        return self.flow.read(data, learn=False, mixer=mixer).bits_per_byte


def letters(text: str) -> str:
    """What is compared: marks and spaces differ between a transcript and the label."""
    return re.sub(r"\W+", "", text).casefold()


def judged(data: Path) -> tuple[list[Line], dict[str, int]]:
    """Every labelled line with its scores, and how much was read."""
    wanted: dict[str, list[Line]] = {}
    for half in HALVES:
        for row in lines(half):
            wanted.setdefault(row["file"], []).append({**row, "half": half})
    files = {p.name: p for p in (data / SESSIONS).rglob("*.md") if ".specstory/history" in p.as_posix()}
    if missing := sorted(wanted.keys() - files.keys()):
        raise SystemExit(f"{data / SESSIONS} lacks {len(missing)} labelled sessions: {missing[0]}, ...")
    reader, done = Reader(), list[Line]()
    for name in sorted(files):
        found = specstory.read(files[name].read_bytes(), files[name])
        turns = [turn.text for turn in found.turns if turn.role != "tool"] or [""]
        plain = [letters(turn) for turn in turns]
        due: dict[int, list[Line]] = {}
        for row in wanted.get(name, []):
            said = letters(row["line"])
            place = next((at for at, text in enumerate(plain) if said in text), -1)
            due.setdefault(max(place, 0), []).append({**row, "in_talk": place >= 0})
        for at, turn in enumerate(turns):
            done += [{**row, **reader.judge(row["line"])} for row in due.get(at, [])]
            reader.hear(turn)
    read = {
        "sessions": len(files),
        "passages": reader.passages,
        "bytes_learned": reader.flow.bytes_learned,
    }
    return done, read


def table(rows: Sequence[Line]) -> dict[str, Any]:
    """AUC of each score, and of the surprise less that of the words."""
    good = np.array([row["good"] for row in rows], bool)
    scores = {name: np.array([row[name] for row in rows], np.float64) for name in SCORES}
    files = sorted({row["file"] for row in rows})
    places = [np.flatnonzero([row["file"] == file for row in rows]) for file in files]
    draw, drawn = np.random.default_rng(0), list[dict[str, float]]()
    while len(drawn) < DRAWS:
        chosen = np.concatenate([places[n] for n in draw.integers(0, len(places), len(places))])
        if 0 < good[chosen].sum() < len(chosen):
            drawn.append({name: auc(scores[name][chosen], good[chosen]) for name in SCORES})

    def interval(values: Sequence[float]) -> list[float]:
        return [round(float(v), 3) for v in np.percentile(values, [2.5, 97.5])]

    found: dict[str, Any] = {"lines": len(rows), "good": int(good.sum()), "sessions": len(files)}
    for name in SCORES:
        value = round(auc(scores[name], good), 3)
        found[name] = {"auc": value, "interval": interval([d[name] for d in drawn])}
    found["surprise_less_unigram"] = {
        "auc": round(found["surprise"]["auc"] - found["unigram"]["auc"], 3),
        "interval": interval([d["surprise"] - d["unigram"] for d in drawn]),
    }
    return found


def proposed(rows: Sequence[Line]) -> dict[str, Any]:
    """What the extractor proposes of them: too few to say more than their surprise."""
    heard = [row for row in rows if propose(row["line"], row["role"], pasted=row["pasted"])]
    return {
        "good": sorted(round(row["surprise"], 2) for row in heard if row["good"]),
        "others": sorted(round(row["surprise"], 2) for row in heard if not row["good"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    rows, read = judged(Path(os.environ["NEXUS_DATA"]))
    result: dict[str, Any] = {"read": read}
    quarters = np.percentile([row["surprise"] for row in rows], [5, 25, 50, 75, 95])
    result["surprise_of_lines"] = dict(
        zip(("5 %", "25 %", "median", "75 %", "95 %"), (round(float(q), 2) for q in quarters), strict=True)
    )
    for half in HALVES:
        mine = [row for row in rows if row["half"] == half]
        result[half] = {
            "all": table(mine),
            "in_talk": table([row for row in mine if row["in_talk"]]),
            "proposed": proposed(mine),
        }
        for name in ("all", "in_talk"):
            part = result[half][name]
            print(f"{half}, {name}: {part['good']} good of {part['lines']}, {part['sessions']} sessions")
            for score in (*SCORES, "surprise_less_unigram"):
                low, high = part[score]["interval"]
                print(f"  {score:<22} {part[score]['auc']:6.3f}  [{low:.3f}, {high:.3f}]")
        print(f"{half}, proposed: surprise of good ones and others: {result[half]['proposed']}")
    print(f"surprise of lines: {result['surprise_of_lines']}; read: {read}")
    record.write(result, chosen.json)


if __name__ == "__main__":
    main()

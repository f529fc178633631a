"""What dreaming does: reading everything again, and learning again only what was forgotten.

    NEXUS_DATA=FOLDER python bench/dreaming.py [--users N] [--json FILE]

Each user is 40 kB of one kind of text on top of the base text that every learner reads: the pages of this
documentation (as they are at the commit that is written down), sessions of coding agents. Every eighth
passage is held out. Bits per byte of the held-out passages:

rehearsal   passages of 300 and of 2,000 bytes: frozen base, after one reading, after one night and four in
            which everything is read again, and beside it in which only what was forgotten is (what we do)
forgetting  then a novel is learnt: how many passages were forgotten, what the held-out ones cost, fresh,
            then, and after a night, in which a passage is looked at when its turn comes (what we do); beside
            it a night that learns again all that were forgotten when it began; and what both cost the novel

NEXUS_DATA holds books/eval and agents (docs/guides/benchmarks.md). Takes about a minute for each user.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import record
from flowing import NOVEL, user_texts

from nexus.flowing.flow import Flow
from nexus.training.base_text import base_text
from nexus.training.learner import FORGOTTEN, UNKNOWN_BITS
from nexus.training.learner_settings import LearnerSettings
from nexus.training.replay import HELD_EVERY
from nexus.training.student import BASE_MIXER, USER_MIXER

PAGES = Path(__file__).parents[1] / "docs"
LEARNT = 40_000
NEWER = 1_400_000
SIZES = (300, 2000)
NIGHTS = 4


@dataclass
class User:
    """Passages that are learnt, and those that never are."""

    learnt: list[bytes]
    held: list[bytes]

    @classmethod
    def of(cls, text: bytes, size: int, most: int = LEARNT) -> User:
        """The first `most` bytes of `text`, in passages of `size`, and every eighth of them held out."""
        user = cls([], [])
        for number, passage in enumerate(passages(text, size), 1):
            (user.held if number % HELD_EVERY == 0 else user.learnt).append(passage)
            if sum(map(len, user.learnt)) >= most:
                break
        return user


def passages(text: bytes, size: int) -> Iterator[bytes]:
    """`text` in pieces of at most `size` bytes, cut at the end of a line or a word."""
    at = 0
    while at < len(text):
        end = min(len(text), at + size)
        if end < len(text):
            end = (
                max(text.rfind(b"\n", at + size // 2, end), text.rfind(b" ", at + size // 2, end)) + 1 or end
            )
        yield text[at:end]
        at = end


def read(flow: Flow, passage: bytes, *, learn: bool, mixer: int = USER_MIXER) -> float:
    """Bits per byte of one passage."""
    flow.begin()
    return flow.read(passage, learn=learn, mixer=mixer).bits_per_byte


def mean(flow: Flow, held: Sequence[bytes], mixer: int = USER_MIXER) -> float:
    """Bits per byte of passages together, nothing learnt."""
    bits = sum(read(flow, each, learn=False, mixer=mixer) * len(each) for each in held)
    return round(bits / sum(map(len, held)), 3)


def forgotten(flow: Flow, passage: bytes, bits: float) -> bool:
    """Whether the learner would learn it again that cost `bits` when it was learnt."""
    return read(flow, passage, learn=False) > max(UNKNOWN_BITS, FORGOTTEN * bits)


def night(flow: Flow, learnt: Sequence[tuple[bytes, float]]) -> int:
    """What the learner does: learn again what was forgotten. Returns how many passages that were."""
    again = 0
    for passage, bits in learnt:
        if forgotten(flow, passage, bits):
            read(flow, passage, learn=True)
            again += 1
    return again


def rehearsal(base: Path, user: User) -> dict[str, float]:
    """Nights of reading everything again, and ours."""
    flow, ours = Flow.load(base), Flow.load(base)
    found = {"frozen": mean(flow, user.held, BASE_MIXER)}
    for each in user.learnt:
        read(flow, each, learn=True)
    known = [(each, read(ours, each, learn=True)) for each in user.learnt]
    found["one reading"] = mean(flow, user.held)
    again = 0
    for number in range(1, NIGHTS + 1):
        for each in user.learnt:
            read(flow, each, learn=True)
        again += night(ours, known)
        if number in (1, NIGHTS):
            found[f"everything again, {number}"] = mean(flow, user.held)
            found[f"what was forgotten, {number}"] = mean(ours, user.held)
    return found | {"learnt again of": len(known), "learnt again": again}


def forgetting(base: Path, user: User, newer: User) -> dict[str, float]:
    """What much newer text takes, and what a night gives back."""
    flow = Flow.load(base)
    known = [(each, read(flow, each, learn=True)) for each in user.learnt]
    found = {"passages": float(len(known)), "fresh": mean(flow, user.held)}
    for each in newer.learnt:
        read(flow, each, learn=True)
    lost = [each for each, bits in known if forgotten(flow, each, bits)]
    found |= {"forgotten": float(len(lost)), "after newer text": mean(flow, user.held)}
    found["newer text then"] = mean(flow, newer.held)
    with tempfile.TemporaryDirectory() as folder:
        then = Path(folder) / "then.flow"
        flow.save(then)
        found["learnt again"] = float(night(flow, known))
        found["after the night"] = mean(flow, user.held)
        found["newer text after the night"] = mean(flow, newer.held)
        flow = Flow.load(then)
    for each in lost:
        read(flow, each, learn=True)
    found["after all of them again"] = mean(flow, user.held)
    found["newer text after all of them again"] = mean(flow, newer.held)
    return found


def born(path: Path) -> None:
    """A learner that has read the base text, as every new one does."""
    flow = Flow()
    for each in base_text(LearnerSettings("", "").base_bytes)[0]:
        read(flow, each, learn=True, mixer=BASE_MIXER)
    flow.save(path)


def main() -> None:
    """Run all of it and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--users", type=int, default=4, help="the pages, and so many less one of the sessions"
    )
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    data = Path(os.environ["NEXUS_DATA"])
    pages = b"\n".join(page.read_bytes() for page in sorted(PAGES.rglob("*.md")) if page.name != "log.md")
    texts = {"these pages": pages, **user_texts(data)}
    texts = dict(list(texts.items())[: options.users])
    # Every eighth passage is held out, so somewhat more is taken; a tenth of the held-out ones is enough.
    newer = User.of((data / NOVEL).read_bytes(), SIZES[1], NEWER)
    newer.held = newer.held[::10]
    results: dict[str, Any] = {f"rehearsal, {size} bytes": {} for size in SIZES} | {"forgetting": {}}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base.flow"
        born(base)
        for name, text in texts.items():
            for size in SIZES:
                found = rehearsal(base, User.of(text, size))
                results[f"rehearsal, {size} bytes"][name] = found
                print(f"{name:<40} {size:>5}  {found}", flush=True)
            results["forgetting"][name] = forgetting(base, User.of(text, SIZES[1]), newer)
            print(f"{name:<40} {results['forgetting'][name]}", flush=True)
    for part in list(results):
        rows = list(results[part].values())
        results[part]["median"] = {
            key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]
        }
    print(json.dumps(results, indent=2))
    record.write(results, options.json)


if __name__ == "__main__":
    main()

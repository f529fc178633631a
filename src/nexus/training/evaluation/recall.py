"""Recall on books for `nexus eval recall`: what stays, what is read, and what that is good for.

R_keep: of rare words that come back after more than a window, the share that still has an entry where every
rare word is written (`keeping`); the trained model is not asked. R_read: the share at which the trained
model's read, with its own gate, stands at an earlier mention of that word. R_pred: of those at which the
window alone is wrong about the next token, the share at which the model with its memory is right; and the
share that it spoils of those at which the window is right. Saved: nats a token, without - with.

Knows candidates and streams; knows no command line. Invariant: all candidates get the same streams
and events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import InvalidInputError
from nexus.training.evaluation import keeping
from nexus.training.evaluation.figures import Figure
from nexus.training.evaluation.passes import Ids, Step, through
from nexus.transformer.tokenizer import Tokenizer

LEAST: Final = 4  # windows of a stream, or there is nothing to come back

Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """R_keep of a form of the memory: a run for each stream and hash."""

    form: str
    entries: int
    share: Figure
    events: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"share": self.share.as_dict()}


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate: a run for each stream. read is empty of a control, whose reads are not known."""

    candidate: str
    read: Figure
    pred: Figure
    spoilt: Figure
    saved: Figure
    saved_at_events: Figure
    tokens_per_second: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        figures = ("read", "pred", "spoilt", "saved", "saved_at_events")
        return {"candidate": self.candidate, "tokens_per_second": self.tokens_per_second} | {
            name: getattr(self, name).as_dict() for name in figures
        }


def streams(
    documents: Iterable[tuple[str, Ids]], length: int, most: int, end: int
) -> list[NDArray[np.int64]]:
    """Up to `most` streams of `length` tokens, the documents one behind the other with `end` between; where
    all of them are shorter than that, one stream of all.
    """
    parts: list[NDArray[np.int64]] = []
    size = 0
    for _, ids in documents:
        parts += [np.asarray(ids, np.int64), np.array([end], np.int64)]
        size += len(ids) + 1
        if size >= length * most:
            break
    whole = np.concatenate(parts) if parts else np.empty(0, np.int64)
    if len(whole) < length:
        return [whole]
    return [whole[n * length : (n + 1) * length] for n in range(min(most, len(whole) // length))]


def keep(
    books: list[NDArray[np.int64]],
    tokenizer: Tokenizer,
    window: int,
    *,
    chunk: int = 1024,
    hashes: int = 3,
    told: Told = lambda doing, done, of: None,
) -> list[Kept]:
    """Both forms of the memory on the same streams and hashes. Raises `InvalidInputError`."""
    rows = []
    rare = [_rare(ids, tokenizer) for ids in books]
    events = [_events(ids, tokenizer, window) for ids in books]
    runs = len(books) * hashes
    for form, shape in keeping.FORMS.items():
        shares = []
        for number, (ids, open_, back) in enumerate(zip(books, rare, events, strict=True)):
            for salt in range(hashes):
                before = number * hashes + salt

                def tell(done: int, of: int, before: int = before, doing: str = f"R_keep, {form}") -> None:
                    told(doing, before * of + done, runs * of)

                shares.append(keeping.kept(ids, open_, back, shape, salt=salt, chunk=chunk, told=tell))
        count = int(sum(int(each.sum()) for each in events))
        rows.append(Kept(form, shape[0] * shape[1], Figure.of(shares), count))
    return rows


def run(
    candidates: Mapping[str, Any],
    books: list[NDArray[np.int64]],
    tokenizer: Tokenizer,
    window: int,
    *,
    told: Told = lambda doing, done, of: None,
) -> list[Row]:
    """A row for each candidate; the first one's window is the one that R_pred is taken against.

    Raises `InvalidInputError`.
    """
    events = [_events(ids, tokenizer, window)[:-1] for ids in books]
    whole = sum(len(ids) - 1 for ids in books)
    alone: list[NDArray[np.int64]] = []
    rows = []
    for candidate, model in candidates.items():
        began, done = time.perf_counter(), 0
        runs: dict[str, list[float]] = {
            name: [] for name in ("read", "pred", "spoilt", "saved", "saved_at_events")
        }
        for number, (ids, back) in enumerate(zip(books, events, strict=True)):
            steps = []
            for step in through(model, ids):
                steps.append(_looked_at(step, ids))
                told(candidate, done + step.at + len(step.on), whole)
            best, window_best, saved, right_read = (
                np.concatenate([each[part] for each in steps]) for part in range(4)
            )
            if number == len(alone):
                alone.append(window_best)
            for name, figure in _counted(
                back, ids[1:], best, alone[number], saved, right_read, known=steps[0][4]
            ).items():
                runs[name].append(figure)
            done += len(ids) - 1
        seconds = time.perf_counter() - began
        rows.append(
            Row(candidate, **{n: Figure.of(r) for n, r in runs.items()}, tokens_per_second=whole / seconds)
        )
    return rows


def _looked_at(step: Step, ids: NDArray[np.int64]) -> tuple[Any, Any, Any, Any, bool]:
    """The likeliest tokens with and without, nats saved, whether the read is an earlier mention, known."""
    right = np.zeros(len(step.on), bool)
    if step.read is not None:
        run, place = step.read.run, step.read.place[0].cpu().numpy()
        there = (run.token[0] >= 0).cpu().numpy()
        said = place + run.offset[0].cpu().numpy()  # where the word that it says stands
        now = ids[step.at : step.at + len(step.on)]
        position = step.at + np.arange(len(now))
        earlier = there & (said >= 1) & (said <= position)
        right[earlier] = ids[said[earlier] - 1] == now[earlier]
    return (
        step.best.cpu().numpy(),
        step.alone.cpu().numpy(),
        (step.off - step.on).double().cpu().numpy(),
        right,
        step.read is not None,
    )


def _counted(
    back: NDArray[np.bool_],
    target: NDArray[np.int64],
    best: NDArray[np.int64],
    alone: NDArray[np.int64],
    saved: NDArray[np.float64],
    right_read: NDArray[np.bool_],
    *,
    known: bool,
) -> dict[str, float]:
    wrong = back & (alone != target)
    good = back & (alone == target)

    def share(of: NDArray[np.bool_], where: NDArray[np.bool_]) -> float:
        return float(of[where].mean()) if where.any() else float("nan")

    return {
        "read": share(right_read, back) if known else float("nan"),
        "pred": share(best == target, wrong),
        "spoilt": share(best != target, good),
        "saved": float(saved.mean()),
        "saved_at_events": float(saved[back].mean()) if back.any() else float("nan"),
    }


def _rare(ids: NDArray[np.int64], tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """Outside the smallest set of types that make 80 % of the training text."""
    rare: NDArray[np.bool_] = ~tokenizer.mass80[ids]
    return rare


def _events(ids: NDArray[np.int64], tokenizer: Tokenizer, window: int) -> NDArray[np.bool_]:
    if len(ids) < LEAST * window:
        raise InvalidInputError(
            f"a stream of {len(ids)} tokens, and a window of {window}",
            hint=f"name books of at least {LEAST * window} tokens",
        )
    return keeping.recurrences(ids, _rare(ids, tokenizer), window) > 0

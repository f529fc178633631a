"""Section `durability`: kill -9 at random moments, and an index that is built again."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

from nexus.core.paths import Home
from nexus.cortex.evaluation.filling import fill, invented, sentences
from nexus.cortex.evaluation.kill_trial import Promised, kill_once, losses
from nexus.cortex.evaluation.options import Options
from nexus.cortex.evaluation.product import default_embedders, opened
from nexus.cortex.evaluation.report import OnProgress, Row, Section
from nexus.cortex.retriever import Result, Scores

_SEED = 20261120
_QUESTIONS = 50
_DEPTH = 20
_PASSAGES = 2000
# The index adds the weights of words in the order in which it happens to hold them.
_ROUNDING = 1e-6


def measure(options: Options, on_progress: OnProgress) -> Section:
    """Run it."""
    section = Section("durability", "Durability: what kill -9 and a lost index take away")
    promised, draw, lost = Promised(), random.Random(_SEED), list[str]()
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as folder:
        home, files = Home(Path(folder) / "home"), Path(folder) / "files"
        home.create()
        files.mkdir()
        for kill in range(1, options.kills + 1):
            kill_once(home, files, options.models, promised, draw)
            lost += losses(home, options.models, promised)
            on_progress("killing the writer", kill, options.kills)
        section.rows += [
            Row("kills", options.kills, "", note=f"seed {_SEED}"),
            Row("changes acknowledged before a kill", promised.acknowledged),
            Row("acknowledged and lost", len(lost), goal=0, most=True, note="; ".join(lost[:3])),
        ]
        on_progress("building the index again", 0, 0)
        section.rows.append(_rebuilt("what the writer stored, all much alike", home, options))
        texts = sentences(options.data)
        if texts:
            other = Home(Path(folder) / "other")
            product = opened(other, invented(options.models))
            with product.cortex:
                fill(
                    product, texts, _PASSAGES, lambda done, total: on_progress("filling a store", done, total)
                )
            section.rows.append(_rebuilt("passages of the given texts", other, options))
    section.notes.append(
        "the goal counts 200 kills: --kills 200. Recency is left out of the comparison: it passes by itself"
    )
    return section


def _rebuilt(what: str, home: Home, options: Options) -> Row:
    """How many questions have other results once the index was deleted and built again."""
    with opened(home, default_embedders(options.models)).cortex as cortex:
        rows = list(cortex.ledger.chunks(list(cortex.ledger.points())).values())
        texts = [row.text for row in random.Random(_SEED).choices(rows, k=_QUESTIONS)] if rows else []
        before = [cortex.recall(text, _DEPTH) for text in texts]
    shutil.rmtree(home.shard)
    with opened(home, default_embedders(options.models)).cortex as cortex:
        after = [cortex.recall(text, _DEPTH) for text in texts]
    differing = sum(not _same(*pair) for pair in zip(before, after, strict=True))
    note = (
        f"of {len(texts)}, among {len(rows)} points; {_DEPTH} results each, order, and scores to six digits"
    )
    return Row(f"other results from a new index: {what}", differing, "", goal=0, most=True, note=note)


def _same(before: list[Result], after: list[Result]) -> bool:
    """Whether the same passages stand at the same places with the same scores."""
    if [result.chunk.point for result in before] != [result.chunk.point for result in after]:
        return False
    return all(
        abs(one - other) <= _ROUNDING
        for old, new in zip(before, after, strict=True)
        for one, other in zip(_parts(old.scores), _parts(new.scores), strict=True)
    )


def _parts(scores: Scores) -> list[float]:
    """All parts of a score but recency, which passes between two questions, and the sum that holds it."""
    return [getattr(scores, name) for name in scores.__slots__ if name not in ("recency", "total")]

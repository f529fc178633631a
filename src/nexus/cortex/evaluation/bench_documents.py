"""Section `documents`: whether the documents that answer a question stand at the top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nexus.core.errors import NexusError
from nexus.cortex.evaluation.collection import Collection, claude_docs, cranfield
from nexus.cortex.evaluation.measures import interval, ndcg
from nexus.cortex.evaluation.options import Options
from nexus.cortex.evaluation.product import Product, default_embedders, orders, temporary
from nexus.cortex.evaluation.report import OnProgress, Row, Section
from nexus.cortex.filters import Filter

_DEPTH = 200
_SETS = (
    (cranfield, ("cran.all.1400.xml", "cran.qry.xml", "cranqrel.trec.txt"), 0.44),
    (claude_docs, ("anthropic_docs.json", "docs_evaluation_dataset.json"), 0.80),
)


def measure(options: Options, on_progress: OnProgress) -> Section:
    """Run it. Raises `InvalidInputError` for a damaged set."""
    section = Section("documents", "Documents: nDCG@10 of judged sets")
    for read, names, goal in _SETS:
        folder = options.folder(*names)
        if folder is None:
            section.missing.append(f"a folder with {', '.join(names)}")
            continue
        section.data.append(options.named(folder))
        collection = read(folder)
        with temporary(default_embedders(options.models)) as (product, files):
            _add(product, files, collection, on_progress)
            scores = _asked(product, collection, on_progress)
        section.add(_rows(collection, scores, goal))
        section.notes.append(_note(collection))
    return section


def _note(collection: Collection) -> str:
    return (
        f"{collection.name}: {len(collection.documents)} documents, {len(collection.questions)} questions;"
        f" left out: {collection.blank} blank documents, {collection.unjudged} questions without judgments;"
        " a document ranks by its best passage"
    )


def _rows(collection: Collection, scores: dict[str, list[float]], goal: float) -> Iterable[Row]:
    for method, values in scores.items():
        product = method == "product"
        yield Row.of(
            f"{collection.name}, {method}",
            interval(values),
            goal=goal if product else None,
            control=not product,
        )


def _add(product: Product, files: Path, collection: Collection, on_progress: OnProgress) -> None:
    """Every document as a file, added as a user adds a folder."""
    for document in collection.documents:
        title = f"# {document.title}" if collection.form == "md" else document.title
        (files / f"{document.id}.{collection.form}").write_text(
            f"{title}\n\n{document.text}\n", encoding="utf-8"
        )
    report = product.cortex.add(
        [files], lambda now: on_progress(f"{collection.name}: {now.phase}", now.done, now.total)
    )
    left_out = [file for file in report.files if file.status != "added"]
    if left_out:
        file = left_out[0]
        raise NexusError(
            f"{len(left_out)} documents of {collection.name} were not added; {file.path}: {file.reason}",
            hint="the figures would be of another set",
        )


def _asked(product: Product, collection: Collection, on_progress: OnProgress) -> dict[str, list[float]]:
    """nDCG@10 of every question by method, `product` first."""
    stem = {
        point: Path(row.path).stem
        for point, row in product.ledger.chunks(list(product.ledger.points())).items()
    }
    scores: dict[str, list[float]] = {"product": []}
    for done, (text, gains) in enumerate(collection.questions, 1):
        found = product.cortex.recall(text, _DEPTH, ("document",))
        rankings = {"product": [result.chunk.point for result in found]}
        pool = product.pool(text, "document", Filter())
        if pool is not None:
            rankings |= orders(pool)
            by_seed = product.seed.search(text, _DEPTH, ("document",))
            rankings["formula of seed 004"] = [result.chunk.point for result in by_seed]
        for method, points in rankings.items():
            scores.setdefault(method, []).append(ndcg(_documents(points, stem), gains))
        on_progress(f"asking {collection.name}", done, len(collection.questions))
    return scores


def _documents(points: Sequence[str], stem: dict[str, str]) -> list[str]:
    return list(dict.fromkeys(stem[point] for point in points))

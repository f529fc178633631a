"""From a stored chunk to what the index holds and what the embedder reads.

One place decides which words and which text stand for a chunk, so that adding, repairing and
rebuilding give the same entries. Knows nothing of where chunks come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import PurePath

import numpy as np

from nexus.core import ids
from nexus.cortex import words
from nexus.cortex.chunker import Chunk
from nexus.cortex.indexer import Entry, Matrix, Sparse, WordField
from nexus.cortex.ledger import ChunkRow, NewChunk, ObjectKind

# The fields of words that are kept of each kind. What stands around a passage of a document is its own
# headings: its words alone find nothing that both together do not.
FIELDS: Mapping[ObjectKind, tuple[WordField, ...]] = {
    "document": ("context",),
    "memory": ("words", "context"),
    "transcript": ("words", "context"),
}
_NO_WORDS = Sparse(np.zeros(0, np.uint32), np.zeros(0, np.float32))


def point_of(kind: ObjectKind, path: str, ordinal: int, *content: str) -> str:
    """The point of a chunk: equal content at an equal place, found by equal filters, has an equal point.

    A point in the index therefore always has the right words and the right vector.
    """
    return ids.point_id(kind, path, str(ordinal), *content)


def document_context(path: str, heading: Sequence[str]) -> str:
    """What stands around a passage of a document: the words of its file name and its headings."""
    return " > ".join([PurePath(path).stem, *heading])


def passage_of(piece: Chunk, name: str) -> NewChunk:
    """A piece of a document called `name` (or at a path), as the ledger takes it."""
    return NewChunk(
        "",
        piece.heading,
        piece.text,
        piece.start_line,
        piece.end_line,
        piece.tokens,
        document_context(name, piece.heading),
    )


def text_to_embed(row: ChunkRow) -> str:
    """What the embedder reads for a chunk. A memory and a turn stand for themselves."""
    return f"{row.context}\n{row.text}" if row.kind == "document" else row.text


def searched_text(row: ChunkRow) -> str:
    """What is searched for words: the surroundings and the text."""
    return f"{row.context}\n{row.text}" if row.context else row.text


def entry(row: ChunkRow, vector: Matrix | None) -> Entry:
    """What the index holds for a chunk."""
    return Entry(
        point=row.point,
        kind=row.kind,
        project=row.project,
        domain=row.domain,
        folders=(row.path, *(str(folder) for folder in PurePath(row.path).parents)),
        changed=seconds(row.said or row.changed),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        words=words.passage(row.text) if "words" in FIELDS[row.kind] else _NO_WORDS,
        context=words.passage(searched_text(row)),
        vector=vector,
    )


@lru_cache(maxsize=10_000)
def seconds(moment: str) -> int:
    """Unix seconds of an ISO time; 0 for none or one that cannot be read."""
    try:
        return int(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp())
    except (ValueError, OverflowError, OSError):
        return 0

"""The text of haystacks: books that a person names, or those of NEXUS_DATA.

Knows where they may lie; knows no model. Invariant: no more is read than is asked for.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nexus.training.texts import documents
from nexus.transformer.tokenizer import Tokenizer


def there() -> Path | None:
    """NEXUS_DATA/books/eval, where it is a folder."""
    data = os.environ.get("NEXUS_DATA", "")
    path = Path(data) / "books" / "eval"
    return path if data and path.is_dir() else None


def text(path: Path, tokenizer: Tokenizer, length: int) -> NDArray[np.int64]:
    """About `length` tokens, fewer where there are no more. Raises what `documents` raises."""
    parts: list[NDArray[np.int64]] = []
    size = 0
    for _, ids in documents([path], tokenizer):
        parts.append(np.asarray(ids, np.int64))
        size += len(ids)
        if size >= length:
            break
    return np.concatenate(parts)[:length] if parts else np.empty(0, np.int64)

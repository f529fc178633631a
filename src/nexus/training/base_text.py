"""The first text that a learner reads: the source of this package, English and code, ours to use.

Small and on every machine that runs us, so nothing is downloaded and nobody's text is taken. It gives
"before" a meaning: how surprising the user is to one who has read something, but nothing of the user.
Invariant: the same package gives the same passages in the same order.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from nexus.training.replay import pieces

CHECK_EVERY: Final = 16  # every sixteenth passage is not read; on it one sees that the base stays as it is


def base_text(most_bytes: int) -> tuple[list[bytes], list[bytes]]:
    """(to be read, never read) passages, at most `most_bytes` in all."""
    root = Path(__file__).resolve().parents[1]
    files = [path for path in root.rglob("*.py") if "secret_rules" not in path.parts]  # those are tables
    # By the hash of the name: neighbours in the folder would be alike, and so would the last ones read.
    files.sort(key=lambda path: hashlib.sha256(path.relative_to(root).as_posix().encode()).digest())
    read: list[bytes] = []
    kept: list[bytes] = []
    size = 0
    for path in files:
        for piece in pieces(path.read_text(encoding="utf-8")):
            if size + len(piece) > most_bytes:
                return read, kept
            size += len(piece)
            (kept if (len(read) + len(kept)) % CHECK_EVERY == 1 else read).append(piece)
    return read, kept

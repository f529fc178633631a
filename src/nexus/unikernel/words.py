"""A guest's command line, as nx_abi.h has it: words parted by single spaces.

Invariant: what `joined` gives, a guest splits into the same words.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus.core.errors import InvalidInputError

MOST = 63
LARGEST = 65536  # bytes, the spaces and the end included


def joined(words: Sequence[str]) -> str:
    """The line. Raises `InvalidInputError` for words that a line cannot carry."""
    if len(words) > MOST:
        raise InvalidInputError(f"{len(words)} words for the guest: at most {MOST}")
    for word in words:
        if not word or " " in word or "\0" in word:
            raise InvalidInputError(
                f"word {word!r} for the guest: it must not be empty, nor have a space or NUL"
            )
    line = " ".join(words)
    if len(line.encode("utf-8", "surrogateescape")) >= LARGEST:
        raise InvalidInputError(f"the words for the guest take more than {LARGEST - 1} bytes")
    return line

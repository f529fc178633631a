"""The name that a file under files/ has among Cortex's documents: `memex:/notes/plan.md`.

Knows nothing of either side. Invariant: the way there and back gives the same bytes, and every name can be
printed, stored and sent as UTF-8, whatever bytes a file's name holds.
"""

from __future__ import annotations

import re

SCHEME = "memex:"
# Stands for a byte that is no UTF-8, with the byte in hexadecimal behind it; and, twice, for itself.
_MARK = "\ufffd"
_ODD = re.compile(f"[\udc80-\udcff{_MARK}]")
_MARKED = re.compile(f"{_MARK}({_MARK}|[0-9a-f]{{2}})")


def document(path: bytes) -> str:
    """The document's path of the file at `path`; of files/ itself for b""."""
    text = path.decode("utf-8", "surrogateescape")
    text = _ODD.sub(lambda odd: _MARK + (_MARK if odd[0] == _MARK else f"{ord(odd[0]) - 0xDC00:02x}"), text)
    return f"{SCHEME}/{text}" if text else SCHEME


def file(document: str) -> bytes | None:
    """The file's path of a document; None for one that is no file of ours."""
    if document == SCHEME:
        return b""
    if not document.startswith(f"{SCHEME}/"):
        return None
    text = document[len(SCHEME) + 1 :]
    plain = _MARKED.sub(lambda mark: _MARK if mark[1] == _MARK else chr(0xDC00 + int(mark[1], 16)), text)
    return plain.encode("utf-8", "surrogateescape")

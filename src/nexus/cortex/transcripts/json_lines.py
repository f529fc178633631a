"""The lines of a JSONL session file as objects, damaged ones counted.

Knows no client. Invariant: it raises nothing for what it finds; a last line without its line end that
does not parse is a line still being written, not a damaged one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nexus.cortex.transcripts.transcript import Draft


def objects(data: bytes, draft: Draft) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line number, object) of every line that holds one; the others are counted in `draft`."""
    position, number = 3 if data.startswith(b"\xef\xbb\xbf") else 0, 0
    while position < len(data):
        end = data.find(b"\n", position)
        last = end < 0
        end = len(data) if last else end
        line = data[position:end].strip()
        position, number = end + 1, number + 1
        if not line:
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):  # also bytes that are no UTF-8 and numbers without end
            if last:
                draft.unfinished = True
            else:
                draft.damaged += 1
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            draft.damaged += 1


def text_of(value: object) -> str:
    """A field that should be text; anything else is none."""
    return value if isinstance(value, str) else ""


def table_of(value: object) -> Mapping[str, Any]:
    """A field that should be an object; anything else is an empty one."""
    return value if isinstance(value, Mapping) else {}

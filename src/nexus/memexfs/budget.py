"""What a reader of documents is given and gives: a budget, and what the document says.

For the limited process only (`extract_process`), as are all readers. Knows no format.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import NamedTuple


class Budget(NamedTuple):
    """How much may come out, in characters, and until when (`time.monotonic`) it is worth going on."""

    most: int
    until: float

    def spent(self, so_far: int) -> str:
        """Why no more is to be read after so many characters; empty while more may be."""
        if so_far >= self.most:
            return f"the first {self.most:,} characters were read"
        return "reading took too long" if time.monotonic() > self.until else ""


@dataclass(slots=True)
class Read:
    """What a document says. `problem` with text: only a part was read; without: nothing could be."""

    text: str = ""
    title: str = ""
    author: str = ""
    language: str = ""
    pages: int = 0
    problem: str = ""

    def as_json(self) -> str:
        """One line for the process that asked."""
        return json.dumps(asdict(self), ensure_ascii=False)


class UnreadableError(Exception):
    """The message is for the user."""

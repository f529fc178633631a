"""What a model says to itself before its answer, as it streams: `<think>...</think>` at the beginning.

Does not know tokens beyond whether the vocabulary has the mark. Invariants: everything that came in goes
out once, as thought or as answer, but for the marks and white space around them, wherever the text was cut;
a mark that stands later in an answer is text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.engine.local.names import Tokens

if TYPE_CHECKING:
    from nexus._engine import Tokenizer

OPEN, CLOSE = "<think>", "</think>"
# Tokens at the end of a prompt in which an open mark is looked for.
_END_TOKENS = 16

# A text, and whether it is a thought.
Piece = tuple[str, bool]


def thinks(template_source: str, tokenizer: Tokenizer) -> bool:
    """Whether a model with this chat template and vocabulary may think before it answers."""
    return OPEN in template_source or len(tokenizer.encode(OPEN, parse_special=True)) == 1


def begun(tokenizer: Tokenizer, prompt: Tokens) -> bool:
    """Whether the prompt ends in an open mark, so that the answer begins with a thought."""
    end = b"".join(tokenizer.piece(int(token), special=True) for token in prompt[-_END_TOKENS:])
    return end.decode("utf-8", "replace").rstrip().endswith(OPEN)


class ThoughtText:
    """Reads one answer. With `inside` it begins with a thought, as its prompt has opened one."""

    def __init__(self, *, inside: bool = False) -> None:
        self._inside = inside
        self._decided = inside  # whether the answer begins with a thought is known
        self._bare = True  # white space at the beginning of a part is not shown
        self._held = ""

    def push(self, text: str) -> list[Piece]:
        """What may be shown now."""
        self._held += text
        return self._read(last=False)

    def flush(self) -> list[Piece]:
        """The end has come. A thought that was not closed stays one."""
        return self._read(last=True)

    def _read(self, last: bool) -> list[Piece]:
        if not self._decided:
            rest = self._held.lstrip()
            if not last and len(rest) < len(OPEN) and OPEN.startswith(rest):
                return []
            self._decided = True
            self._inside = rest.startswith(OPEN)
            if self._inside:
                self._held = rest[len(OPEN) :]
            else:
                self._bare = False
        out: list[Piece] = []
        if self._inside:
            out = self._thought(last)
        if not self._inside:
            if self._bare:
                self._held = self._held.lstrip()
            if self._held:
                out.append((self._held, False))
                self._held, self._bare = "", False
        return out

    def _thought(self, last: bool) -> list[Piece]:
        if self._bare:
            self._held = self._held.lstrip()
        end = self._held.find(CLOSE)
        size = end if end >= 0 else len(self._held) - (0 if last else self._closing())
        thought = self._held[:size].rstrip()
        if end >= 0:
            self._held = self._held[end + len(CLOSE) :]
            self._inside = False
        else:  # white space may be the last before the mark
            self._held = self._held[len(thought) :]
        self._bare = not self._inside or (self._bare and not thought)
        return [(thought, True)] if thought else []

    def _closing(self) -> int:
        """How many characters at the end may be the beginning of the closing mark."""
        for size in range(min(len(CLOSE) - 1, len(self._held)), 0, -1):
            if CLOSE.startswith(self._held[-size:]):
                return size
        return 0

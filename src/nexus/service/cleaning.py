"""Takes credentials out of pieces before anything is kept of them.

Remembers by a keyed digest which texts it has looked through, because a conversation comes back whole with
every request. Knows nothing of units. Invariants: a value that was found once is taken out wherever it stands
again behind that place; what a piece becomes depends on what stands before it and on nothing else; at most
`MOST` texts are remembered.
"""

from __future__ import annotations

import hashlib
import secrets as random
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from nexus.cortex import secrets
from nexus.service.cutting import Cut

MOST = 8192


class Cleaner:
    """For one thread."""

    def __init__(self) -> None:
        self._key = random.token_bytes(32)  # a digest of a secret must not tell it
        self._seen: OrderedDict[bytes, tuple[str | None, secrets.Known]] = OrderedDict()

    def clean(self, pieces: Iterable[Cut], known: dict[str, tuple[str, str]]) -> Iterator[Cut]:
        """The pieces of a conversation in order; `known` grows by the values that are found."""
        for piece in pieces:
            text, found = self._look(piece.text, known)
            known.update(found)
            yield piece if text is None else piece._replace(text=text)

    def name(self, text: str) -> str:
        """A name that a program gave itself."""
        return secrets.blacked_out(text)

    def _look(self, text: str, known: dict[str, tuple[str, str]]) -> tuple[str | None, secrets.Known]:
        """The text without credentials, None where it had none; and the values that were in it."""
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16)
        for value in sorted(known):
            digest.update(b"\0" + value.encode("utf-8", "surrogatepass"))
        name = digest.digest()
        if name in self._seen:
            self._seen.move_to_end(name)
            return self._seen[name]
        findings = secrets.find(text, known)
        seen = (secrets.redact(text, findings) if findings else None, secrets.values(text))
        self._seen[name] = seen
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)
        return seen

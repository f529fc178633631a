"""The gate before the store of memories: what holds a credential does not pass.

A memory is refused, not blacked out: it is one sentence, and who wrote it can say where the secret is
kept instead. Documents and sessions are blacked out (`reader`, `listener`). Knows nothing of where
memories are kept. Invariant: an error names the kind, never the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from nexus.core.errors import SecretError
from nexus.cortex import secrets
from nexus.cortex.memory_file import Memory

# No rule reads over it, so two texts are never one.
_APART = "\n\0\n"
_HINT = "say where the secret is kept, not what it is"


def refuse_secrets(*values: object) -> None:
    """Raises `SecretError` when one of the values holds a credential: a text, or a list or table of texts."""
    for value in values:
        kind = _kind(value)
        if kind:
            raise SecretError(f"the text holds a credential ({kind}); nothing was stored", hint=_HINT)


def refuse_file(memory: Memory, path: Path) -> Memory:
    """The memory, as it was read from a file that somebody may have written by hand.

    Raises `SecretError` naming the file when it holds a credential.
    """
    kind = _kind(memory.as_dict())
    if kind:
        raise SecretError(f"{path}: holds a credential ({kind}); it is not used", hint=_HINT)
    return memory


def _kind(value: object) -> str:
    """The kind of the first credential in a value, or nothing."""
    text = _APART.join(_texts(value))
    return next((finding.kind for finding in secrets.find(text)), "")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)

"""Errors in the envelope of Ollama's interface: `{"error": "text"}`, whole or as a line of a stream.

Knows which paths belong to that interface, which shares `/api` with our own, and no request. Invariant:
what its clients show is one text with the remedy in it.
"""

from __future__ import annotations

from nexus.core.errors import NexusError

# All that clients of Ollama ask for; every other path below /api is ours.
PATHS = frozenset(
    f"/api/{name}"
    for name in (
        *("chat", "generate", "embed", "embeddings"),
        *("tags", "show", "ps", "version"),
        *("pull", "push", "create", "copy", "delete"),
    )
)
BLOBS = "/api/blobs/"


def speaks(path: str) -> bool:
    """Whether a request to `path` came from a client of this interface."""
    return path in PATHS or path.startswith(BLOBS)


def envelope(message: str) -> dict[str, str]:
    """The body of an error, also the last line of a stream that broke off."""
    return {"error": message}


def body_of(error: NexusError) -> dict[str, str]:
    """The envelope of an error of this house. Half a character that it names is shown as an escape."""
    return envelope(str(error).encode("utf-8", "backslashreplace").decode())

"""Errors in the envelope of Anthropic's interface, with its types and its status numbers.

Knows the errors of this house, not where they come from. Invariant: a client that tries again by itself
is told to do so only where trying again can help.
"""

from __future__ import annotations

import secrets
from typing import Any

from nexus.core.errors import (
    BusyError,
    ContextOverflowError,
    MissingPartError,
    ModelCorruptError,
    ModelMissingError,
    ModelUnsupportedError,
    NexusError,
)
from nexus.service.fitting import TOO_LONG

PATH = "/v1/messages"
OVERLOADED = 529
# No retry mends them: somebody has to do something first.
_LASTING = (ModelMissingError, ModelCorruptError, ModelUnsupportedError, MissingPartError)
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    OVERLOADED: "overloaded_error",
}


def speaks(path: str) -> bool:
    """Whether a request to `path` came from a client of this interface."""
    return path == PATH or path.startswith(f"{PATH}/")


def envelope(status: int, message: str) -> dict[str, Any]:
    """The body of an error, also the data of an `error` event."""
    kind = _TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id()}


def status_of(error: NexusError) -> int:
    """The HTTP status that this interface has for an error."""
    return OVERLOADED if isinstance(error, BusyError) else error.http_status


def body_of(error: NexusError) -> dict[str, Any]:
    """The envelope of an error of this house."""
    message = str(error)
    if isinstance(error, ContextOverflowError) and TOO_LONG not in message:
        message = f"{TOO_LONG}: {message}"
    return envelope(status_of(error), message)


def headers_of(error: NexusError) -> dict[str, str]:
    """What the client is told about trying again."""
    if isinstance(error, BusyError):
        return {"retry-after": str(error.retry_after)}
    return {"x-should-retry": "false"} if isinstance(error, _LASTING) else {}


def request_id() -> str:
    """A name that is used once."""
    return f"req_{secrets.token_hex(12)}"

"""Fields of a request that nobody here knows: accepted, so that new clients work, and counted.

Does not know which fields there are; the models of bodies do. Invariant: what is counted is a name of at
most 64 plain characters, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict

from nexus.service.api.streaming import daemon_of

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
# So many of one request are looked at: it may hold a million.
_MOST = 256


class Body(BaseModel):
    """A part of a request. Unknown fields are accepted and can be told by `unknown`."""

    model_config = ConfigDict(extra="allow")


def unknown(value: Any, path: str = "") -> Iterator[str]:
    """The dotted names of the fields below `value` that their models do not know, `other` for odd ones."""
    if isinstance(value, BaseModel):
        for name in value.model_extra or ():
            whole = f"{path}{name}"
            yield whole if _NAME.fullmatch(whole) else "other"
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for part in value:
            yield from unknown(part, path)


def count_unknown(request: Request, body: BaseModel, *more: str) -> None:
    """Count the fields of `body` that are not acted on, and `more` that are known and not acted on.

    A name counts once for each request, however often it stands there.
    """
    names = [name for name in more if _NAME.fullmatch(name)]
    for name, _ in zip(unknown(body), range(_MOST), strict=False):
        names.append(name)
    if names:
        daemon_of(request).metrics.unknown_fields(dict.fromkeys(names))

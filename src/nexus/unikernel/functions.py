"""Functions of the host that a guest calls by name, with JSON both ways (NX_OP_CALL).

A request is {"name": str, "args": {..}}; an answer {"ok": value}, or {"error": text, "type": name}. Two names
are ours: "http" (`http_grant`) and "functions", which lists what is granted. Knows nothing of threads or time
but the deadline it hands on. Invariant: whatever the request and whatever the function does, there is an
answer, and it has at most `Limits.reply` bytes.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any

from nexus.core.errors import InvalidInputError
from nexus.unikernel.grants import Grants, HostFunction
from nexus.unikernel.limits import Limits

_OURS = ("functions", "http")
_TEXT_MOST = 4000  # characters of an error's text


class Functions:
    """What `grants` allows to call. Raises `InvalidInputError`: a name that is ours, a host that is none."""

    def __init__(self, grants: Grants, limits: Limits) -> None:
        for name in grants.functions:
            if name in _OURS:
                raise InvalidInputError(
                    f"a host function cannot be named {name!r}",
                    hint="grant it under another name; these are NexusOS's own: " + ", ".join(_OURS),
                )
        self._grants = grants
        self._most = limits.reply
        self._http = _http(grants, limits)

    def call(self, request: bytes, deadline: float) -> bytes:
        """The answer to a request. May take as long as the function does."""
        try:
            name, arguments = _parsed(request)
            value = self._function(name, deadline)(**arguments)
            if inspect.iscoroutine(value):
                value.close()
                raise TypeError(f"host function {name!r} is asynchronous; grant a plain function")
            answer = _encoded(name, value)
            if len(answer) > self._most:
                raise ValueError(
                    f"the answer of host function {name!r} has {len(answer)} bytes; the limit is {self._most}"
                )
        # Also SystemExit, or whatever else a function raises: it ends the call, not this thread.
        except BaseException as error:
            answer = failed(str(error) or type(error).__name__, type(error).__name__, self._most)
        return answer

    def _function(self, name: str, deadline: float) -> HostFunction:
        if name == "functions":
            return self._listed
        if name == "http":
            return self._http(deadline)
        try:
            return self._grants.functions[name]
        except KeyError:
            granted = ", ".join(sorted(self._grants.functions)) or "none"
            raise PermissionError(f"no host function {name!r} was granted; granted: {granted}") from None

    def _listed(self) -> dict[str, list[str]]:
        return {
            "functions": sorted(self._grants.functions),
            "http": list(self._grants.http),
            "files": [str(path) for path in self._grants.files],
        }


def _http(grants: Grants, limits: Limits) -> Callable[[float], HostFunction]:
    """Gives the function "http" for a run that ends at a deadline."""
    if not grants.http:

        def refused(**arguments: object) -> None:
            raise PermissionError(f"HTTP to {arguments.get('url', 'a host')} is not granted; granted: none")

        return lambda deadline: refused
    # Here, because most runs ask for no HTTP and httpx takes a tenth of a second to load.
    from nexus.unikernel.http_grant import Http

    http = Http(grants.http, most=limits.reply * 3 // 4)  # as base64 it grows by a third
    return lambda deadline: functools.partial(http.request, deadline)


def failed(text: str, kind: str, most: int) -> bytes:
    """An answer that is an error, of at most `most` bytes (22 at least). A long text is cut, and says so."""
    if len(text) > _TEXT_MOST:
        text = f"{text[:_TEXT_MOST]}.. ({len(text) - _TEXT_MOST} characters more)"
    answer = json.dumps({"error": text, "type": kind}).encode()
    if len(answer) > most:
        answer = b'{"error":"","type":""}'
    return answer


def _parsed(request: bytes) -> tuple[str, dict[str, Any]]:
    try:
        asked = json.loads(request)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the call is not JSON: {error}") from None
    name = asked.get("name") if isinstance(asked, dict) else None
    arguments = asked.get("args", {}) if isinstance(asked, dict) else None
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise ValueError('a call of the host is {"name": text, "args": {name: value}}')
    return name, arguments


def _encoded(name: str, value: object) -> bytes:
    try:
        return json.dumps({"ok": value}, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"host function {name!r} gave a value that JSON has not: {error}") from None

"""How large a request may be: what is larger is refused before it is kept.

Pure ASGI. Does not know what the bytes mean. Invariant: no more of a request than the limit is handed on,
whether its length was announced, announced wrongly or not at all.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nexus.service.guard import headers, refuse


class _TooLargeError(Exception):
    """Ends the reading of a request that was refused meanwhile."""


class BodyLimit:
    """Answers 413 to requests of more than `most_bytes`."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if any(_number(value) > self._most for value in headers(scope, b"content-length")):
            return await self._refuse(scope, send)
        got, refused, begun = 0, False, False

        async def counted() -> Message:
            nonlocal got, refused
            message = await receive()
            got += len(message.get("body", b""))
            if got > self._most and not refused:
                refused = True
                if not begun:
                    await self._refuse(scope, send)
            if refused:
                raise _TooLargeError
            return message

        async def unless_refused(message: Message) -> None:
            nonlocal begun
            if not refused:
                begun = True
                await send(message)

        try:
            await self._app(scope, counted, unless_refused)
        except Exception:
            # Whatever a reader made of the end of its input: the client has its answer.
            if not refused:
                raise

    async def _refuse(self, scope: Scope, send: Send) -> None:
        limit = self._most >> 20
        await refuse(
            send,
            scope,
            413,
            "too_large",
            f"the request is larger than {limit} MiB",
            "send less at once, or raise service.body_mib",
        )


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else 0

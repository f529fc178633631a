"""MCP at /mcp: the nine tools over stateless streamable HTTP, behind the guard and the token.

Speaks 2026-07-28 and the revisions with a handshake. There are no sessions: any request may be the
first. The list of tools is plain data, so `initialize` takes the same time for any number of memories
and while the stores are still opening; a tool then says "starting". What the tools do is
`nexus.service.agent_tools`. The library is imported by `load`, not with this module.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import anyio.to_thread
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import nexus
from nexus.core.errors import NexusError, NotFoundError
from nexus.service import agent_tools
from nexus.service.daemon import Daemon
from nexus.service.tool_schemas import INSTRUCTIONS, TOOLS

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server
    from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

# Where an agent works, percent-encoded, said by the relay, which runs there.
PROJECT_HEADER = "nexus-project"
_LARGEST_BODY = 2**20
_log = logging.getLogger(__name__)


def load() -> None:
    """Import the library. Before the service listens: half a second of that is a late first handshake."""
    import mcp.server.lowlevel
    import mcp.server.streamable_http_manager  # noqa: F401


@asynccontextmanager
async def serving(app: FastAPI, daemon: Daemon) -> AsyncIterator[None]:
    """Serve /mcp on `app` until the context ends."""
    manager = _manager(daemon)
    # Its news (a session manager has started) is none.
    logging.getLogger("mcp").setLevel(logging.WARNING)

    class Endpoint:
        """One address. A class, so that the route hands it every method, and streams to it."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["method"] != "POST":
                # Without sessions there is none to listen to (GET) or to end (DELETE).
                error = {"code": "method_not_allowed", "message": "MCP is spoken by POST", "hint": ""}
                refusal = JSONResponse({"error": error}, 405, {"allow": "POST"})
                return await refusal(scope, receive, send)
            await manager.handle_request(scope, receive, send)

    route = Route("/mcp", Endpoint())
    app.router.routes.append(route)
    try:
        async with manager.run():
            yield
    finally:
        with contextlib.suppress(ValueError):
            app.router.routes.remove(route)


def _manager(daemon: Daemon) -> Any:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    return StreamableHTTPSessionManager(
        _server(daemon), json_response=True, stateless=True, max_request_body_size=_LARGEST_BODY
    )


def _server(daemon: Daemon) -> Server[Any]:
    from mcp.server.lowlevel import Server
    from mcp.shared.exceptions import MCPError
    from mcp.types import INVALID_PARAMS, CallToolResult, ListToolsResult, TextContent, Tool

    tools = ListToolsResult(tools=[Tool.model_validate(tool) for tool in TOOLS])

    async def list_tools(
        context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return tools

    async def call_tool(
        context: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> CallToolResult:
        project = _project(context.request)
        try:
            reply = await anyio.to_thread.run_sync(
                agent_tools.call, daemon, params.name, params.arguments or {}, project
            )
        except NexusError as error:
            if isinstance(error, NotFoundError) and params.name not in agent_tools.NAMES:
                raise MCPError(INVALID_PARAMS, str(error)) from error
            # A result, not a protocol error: the model is to read it and act on the hint.
            problem = {"code": error.code, "message": error.message, "hint": error.hint}
            return CallToolResult(
                content=[TextContent(type="text", text=str(error))],
                structured_content={"error": problem},
                is_error=True,
            )
        except Exception as error:
            _log.exception("the tool %s failed", params.name)
            text = f"a bug of NexusOS: {error!r} (see the log)"
            return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
        return CallToolResult(
            content=[TextContent(type="text", text=reply.text)], structured_content=reply.data
        )

    return Server(
        "nexus",
        version=nexus.__version__,
        title="NexusOS memory",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _project(request: Any) -> str:
    """The folder the agent works in, when its connection says so."""
    headers = getattr(request, "headers", None) or {}
    folder = unquote(cast(str, headers.get(PROJECT_HEADER, "")))
    return folder if folder.startswith("/") and "\0" not in folder else ""

"""Where agents reach the service: the hook socket and MCP, from the service's start to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI

from nexus.service.api import mcp
from nexus.service.api.hooks import Hooks
from nexus.service.capture import Capture
from nexus.service.daemon import Daemon
from nexus.service.hook_socket import Call, HookSocket


@asynccontextmanager
async def open_to_agents(app: FastAPI, daemon: Daemon) -> AsyncIterator[None]:
    """Listen to agents. What they brought is worked off before the context has ended."""
    capture = Capture(daemon)
    hooks = Hooks(daemon, capture)

    def answer(call: Call) -> bytes:
        with daemon.resources.serving():
            return hooks.serve(call)

    listening = HookSocket(daemon.config.home.run / "hook.sock", answer)
    app.state.hooks = hooks
    capture.start()
    try:
        listening.start()
        async with mcp.serving(app, daemon):
            yield
    finally:
        await anyio.to_thread.run_sync(listening.stop)
        await anyio.to_thread.run_sync(capture.stop)

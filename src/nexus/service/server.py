"""The ASGI application: `nexus up`, or `python -m uvicorn nexus.service.server:app`.

Wires settings, rooms, routes and guards together, and ties the daemon's life to the server's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

import nexus
from nexus.core import config as configuration
from nexus.core.breaker import Breaker
from nexus.core.config import Config
from nexus.core.errors import ConfigError
from nexus.core.instance import Instance
from nexus.core.models.chat import chat_model
from nexus.core.models.store import ModelStore
from nexus.core.settings import ServiceSettings
from nexus.cortex.opening import configured
from nexus.engine.base import Engine
from nexus.engine.child_engine import ChildEngine
from nexus.engine.remote import RemoteEngine
from nexus.engine.worker_settings import PEER_CONTEXT, child_kinds
from nexus.service.activity import Activity
from nexus.service.agents import open_to_agents
from nexus.service.api import (
    anthropic,
    completions,
    control,
    embeddings,
    errors,
    hooks,
    knowledge,
    mcp,
    memex,
    memory,
    metrics,
    models,
    ollama,
    openai,
    rerank,
    responses,
    sandbox,
)
from nexus.service.body_limit import BodyLimit
from nexus.service.counting import Counting
from nexus.service.daemon import Daemon
from nexus.service.dashboard import pages
from nexus.service.guard import LocalGuard, TokenGate, is_loopback
from nexus.service.notify import Notifier, Supervised
from nexus.service.recovery import Recovery
from nexus.service.status import status
from nexus.service.together import Together
from nexus.service.token import load_or_create


def create_app(config: Config, *, guarded: bool = True) -> FastAPI:
    """The application for a configuration. `guarded=False` exists for tests of the guard only."""
    settings = config.settings.service
    config.home.create()
    mcp.load()
    if not is_loopback(settings.host) and len(settings.token) < 16:
        raise ConfigError(
            f"service.host = {settings.host!r} is reachable from other machines and no token is set",
            hint="set service.token to 16 characters or more, or stay on 127.0.0.1",
        )
    token = settings.token or load_or_create(config.home)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        instance = Instance(config.home, url)
        try:
            # Requests wait in the daemon's queue, not for a thread.
            anyio.to_thread.current_default_thread_limiter().total_tokens = 16
            breakers = {
                "inference": Breaker("the model", failures=8, reset_seconds=10),
                "embedder": Breaker("loading the embedder", reset_seconds=30),
            }
            daemon = Daemon(
                config,
                # Its index is repaired behind the first requests: a changed model embeds everything again.
                lambda: configured(config, breaker=breakers["embedder"]),
                make_engine(config),
                breakers,
                Recovery.of(instance),
            )
            app.state.daemon = daemon
            app.state.status = Together(lambda: JSONResponse(status(daemon)).body)
            daemon.start()
            supervised = Supervised(
                Notifier(), lambda: (daemon.state, daemon.failure), lambda: daemon.still_seconds
            )
            supervised.start(asyncio.get_running_loop())
            try:
                async with open_to_agents(app, daemon):
                    yield
            finally:
                supervised.stop()
                await anyio.to_thread.run_sync(daemon.drain, float(settings.drain_seconds))
                await anyio.to_thread.run_sync(daemon.stop)
        finally:
            instance.release()

    guards = [
        Middleware(LocalGuard, names=names_of(settings)),
        Middleware(TokenGate, token=token),
        Middleware(BodyLimit, most_bytes=settings.body_mib << 20),
    ]
    app = FastAPI(
        title="NexusOS",
        version=nexus.__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # What the guards refuse is nobody's activity.
        middleware=[*(guards if guarded else []), Middleware(Activity), Middleware(Counting)],
    )
    errors.install(app)
    house = (control, openai, metrics, knowledge, memory, memex, sandbox, hooks, models, pages)
    # Routes are tried in turn, and most requests are for the first.
    for module in (*house, completions, responses, embeddings, rerank, anthropic, ollama):
        app.include_router(module.router)
    return app


def names_of(settings: ServiceSettings) -> tuple[str, ...]:
    """Hosts that requests may name beside loopback's: those of the settings, and the address itself."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    everywhere = settings.host in ("0.0.0.0", "::", "")  # noqa: S104 - nothing is bound here
    return settings.names if everywhere else (*settings.names, host.lower())


def make_engine(config: Config) -> Engine:
    """The engine of a configuration, not yet started."""
    settings = config.settings.engine
    if settings.kind == "remote":
        if not settings.url:
            raise ConfigError("engine.kind is remote and engine.url is empty", hint="set engine.url")
        return RemoteEngine(
            settings.url,
            api_key=settings.api_key,
            model=settings.model if "engine.model" in _chosen(config) else "",
            context=settings.context or PEER_CONTEXT,
        )
    store = ModelStore(config.settings.models.folder or config.home.models)
    path, name, verify = chat_model(store, settings.model)
    return ChildEngine(
        path,
        name=name,
        kinds=child_kinds(settings, path, config.home.engine / "prefixes" / name),
        run_folder=config.home.run,
        threads=settings.threads,
        verify=verify,
    )


def _chosen(config: Config) -> set[str]:
    return {value.key for value in config.values() if value.origin != "default"}


class _LazyApp:
    """`server:app` for uvicorn: made from the environment when the server starts, not on import."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            self._app = create_app(configuration.load())
        await self._app(scope, receive, send)


app = _LazyApp()

"""Mounting a home with its settings: the worker's command line, the folder, and what is missing.

`nexus mount` and the service's start use it. Knows settings; `nexus.memexfs.launch` knows processes.
Invariants: when `mount` returns, `ls` works there; one process shows a home, so that nothing it caches is
wrong because of another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from nexus.core.errors import InvalidInputError
from nexus.core.paths import Home
from nexus.memexfs.launch import Serving, start
from nexus.memexfs.mount_table import mounted_at
from nexus.memexfs.worker import Keeping, Worker, command


class _Memex(Protocol):
    @property
    def seal_after_minutes(self) -> float: ...
    @property
    def versions_gib(self) -> float: ...


class _Settings(Protocol):
    @property
    def memex(self) -> _Memex: ...


class _Config(Protocol):
    @property
    def home(self) -> Home: ...
    @property
    def settings(self) -> _Settings: ...


def mount(config: _Config, point: Path) -> Serving:
    """Mount the home at `point`, which is made where it is missing. Raises as `launch.start`."""
    config.home.create()
    try:
        point.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        pass  # no folder: what mounts says so
    except OSError as error:
        # A mount that nobody serves any more answers to no question; what mounts takes it away.
        if mounted_at(point) is not None:
            return start(config.home.root, point, command(_keeping(config)))
        raise InvalidInputError(
            f"cannot make {point}: {error.strerror}", hint="name a folder of yours"
        ) from error
    return start(config.home.root, point, command(_keeping(config)))


def by_webdav(config: _Config, token: str, port: int, ready: Callable[[str], None]) -> None:
    """Show the home as a network folder of this machine until KeyboardInterrupt; `ready` is told its address.

    Raises `AlreadyRunningError` while it is mounted or the port is taken, `StorageError`.
    """
    from nexus.memexfs.webdav import WebDAV

    with _shown(config) as worker:
        server = WebDAV(worker.tree, token, port=port)
        ready(server.start())
        try:
            threading.Event().wait()
        finally:
            server.stop()


def by_libfuse(config: _Config, point: Path, ready: Callable[[], None]) -> None:
    """Mount the home by libfuse, until it is unmounted. Raises as `nexus.memexfs.mfuse.serve`, and
    `AlreadyRunningError` while it is shown by another process."""
    from nexus.memexfs import mfuse

    with _shown(config) as worker:
        mfuse.serve(point, worker.tree, ready=ready)


@contextmanager
def _shown(config: _Config) -> Iterator[Worker]:
    config.home.create()
    worker = Worker(config.home.root, keeping=_keeping(config))
    try:
        worker.start()
        yield worker
    finally:
        worker.stop()


def _keeping(config: _Config) -> Keeping:
    memex = config.settings.memex
    return Keeping(memex.seal_after_minutes, memex.versions_gib)

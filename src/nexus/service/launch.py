"""Starting the service as a process, in the foreground or behind the shell's back."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from nexus.core import log, platform
from nexus.core.config import Config
from nexus.core.errors import (
    AlreadyRunningError,
    InvalidInputError,
    MissingPartError,
    NexusError,
    StorageError,
    revived,
)
from nexus.core.instance import refuse_held
from nexus.service.token import load_or_create

# Above what draining may take: the server's own patience must not cut a drain short.
_GRACE_SECONDS = 5
_LOG_BYTES = 5 * 2**20
_HEAPS = 2


def url_of(config: Config) -> str:
    """Where the service of this configuration listens."""
    host = config.settings.service.host
    return f"http://{f'[{host}]' if ':' in host else host}:{config.settings.service.port}"


def token_of(config: Config) -> str:
    """The token that clients of this configuration must send."""
    if config.settings.service.token:
        return config.settings.service.token
    config.home.create()
    return load_or_create(config.home)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """While a thousand modules are loaded: nearly all of it stays, and to look for garbage among it again and
    again would be a tenth of the start. What is there at the end is not looked through any more."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def serve(config: Config) -> None:
    """Run the service until SIGTERM or SIGINT. Raises `AlreadyRunningError`, `ConfigError`."""
    with _nothing_collected():
        import uvicorn

        from nexus.service.clean_log import clean_log
        from nexus.service.server import create_app

        settings = config.settings.service
        os.umask(0o077)
        with suppress(MissingPartError):
            # Threads are many and seldom busy at once: with eight heaps for each core more stays held.
            platform.limit_heaps(_HEAPS)
        log.configure(settings.log_format, settings.log_level)
        clean_log()
        app = create_app(config)
    refuse_held(config.home)
    listener = _bind(config)

    class Server(uvicorn.Server):
        """Drains before it stops listening, so that waiting clients are told instead of cut off."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if self.should_exit or not hasattr(app.state, "daemon"):
                super().handle_exit(sig, frame)
                return

            def drain() -> None:
                app.state.daemon.drain(float(settings.drain_seconds))
                time.sleep(0.1)  # the last events are still on their way to the sockets
                self.should_exit = True

            if app.state.daemon.state == "draining":
                self.force_exit = sig == signal.SIGINT
                return
            threading.Thread(target=drain, name="nexus-drain", daemon=True).start()

    print(f"{url_of(config)}/dashboard  (nexus token --url prints it with the key)", file=sys.stderr)
    server = Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            h11_max_incomplete_event_size=64 * 1024,
        )
    )
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
    if not server.started:
        raise NexusError("the service did not start", hint="see the lines above")


def detach(config: Config, timeout: float, talk: Callable[[str], None]) -> str:
    """Start the service as a process of its own and wait until it is ready. Returns its URL."""
    config.home.create()
    refuse_held(config.home)
    _bind(config).close()
    try:
        if config.home.log_file.exists() and config.home.log_file.stat().st_size > _LOG_BYTES:
            config.home.log_file.replace(config.home.log_file.with_suffix(".log.1"))
        log_file = open(config.home.log_file, "ab")  # noqa: SIM115
    except OSError as error:
        raise StorageError.from_os(error, config.home.log_file) from error
    with log_file:
        start = log_file.tell()
        settings = config.settings.service
        process = subprocess.Popen(
            [
                sys.executable, "-m", "nexus", "up",
                "--host", settings.host, "--port", str(settings.port),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,
            cwd="/",
        )  # fmt: skip
    return _await_ready(config, process, timeout, start, talk)


def _await_ready(
    config: Config,
    process: subprocess.Popen[bytes],
    timeout: float,
    start: int,
    talk: Callable[[str], None],
) -> str:
    url, deadline = url_of(config), time.monotonic() + timeout
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    said = ""
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NexusError(
                f"the service stopped at once: {_last_line(config, start)}",
                hint=f"the log is {config.home.log_file}",
            )
        try:
            with opener.open(f"{url}/readyz", timeout=2) as reply:
                if reply.status == 200:
                    return url
        except urllib.error.HTTPError as error:
            body = json.loads(error.read() or b"{}")
            if body.get("status") == "failed":
                process.terminate()
                # Gone when we say so: the next command must not find half a service.
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=15)
                failure = body.get("error", {})
                raise revived(
                    failure.get("code", ""), failure.get("message", "it failed"), failure.get("hint", "")
                ) from None
            if body.get("status") != said:
                said = body.get("status", "")
                talk(f"{said}: opening the stores and loading the model")
        except OSError:
            pass
        time.sleep(0.1)
    raise NexusError(
        f"the service is not ready after {timeout:g} seconds",
        hint=f"it goes on starting; the log is {config.home.log_file}",
    )


def _last_line(config: Config, start: int) -> str:
    with open(config.home.log_file, "rb") as file:
        file.seek(start)
        lines = file.read()[-8192:].decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("nexus: ") if lines else "it wrote nothing to its log"


def _bind(config: Config) -> socket.socket:
    """A listening socket. Raises with the holder's name when that is us."""
    host, port = config.settings.service.host, config.settings.service.port
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise InvalidInputError(
            f"service.host = {host!r} is not an address of this machine: {error.strerror}",
            hint="127.0.0.1 is the usual one",
        ) from error
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise AlreadyRunningError(
            f"port {port} of {host} cannot be used: {_holder(host, port) or error.strerror}",
            hint=f"choose another: nexus up --port {port + 1 if port < 65535 else port - 1}",
        ) from error
    return listener


def _holder(host: str, port: int) -> str:
    """Who listens there, when it is another NexusOS."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{host}:{port}/healthz", timeout=2) as reply:
            if json.load(reply).get("service") == "nexusos":
                return "another NexusOS (of another NEXUS_HOME) listens there"
    except (OSError, ValueError):
        pass
    return ""

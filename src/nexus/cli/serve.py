"""Start, stop and look at the service: `up`, `down`, `status`, `token`."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from nexus.cli import output


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(token)


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run in the background.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it is ready.")] = 120,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Fetch missing models without asking.")] = False,
) -> None:
    """Start the service. Models that are missing are offered to be fetched first."""
    from nexus.cli import fetching
    from nexus.core import config
    from nexus.core.instance import running
    from nexus.service import launch

    settings = config.load({"service.host": host, "service.port": port})
    if running(settings.home) is None:
        fetching.offer(settings, yes=yes)
    if not detach:
        launch.serve(settings)
        return
    other = running(settings.home)
    if other:
        output.talk(f"NexusOS already runs at {other.url} (process {other.pid})")
        url = other.url
    else:
        url = launch.detach(settings, timeout, output.talk)
        output.talk(f"NexusOS is ready at {url}")
    output.data(f"{url}/dashboard#token={launch.token_of(settings)}")


def down(
    timeout: Annotated[float, typer.Option(help="Seconds to wait for open answers.")] = 20,
) -> None:
    """Stop the service; open answers may finish first."""
    import os
    import signal

    from nexus.core.errors import NexusError, NotRunningError
    from nexus.core.instance import running
    from nexus.core.paths import Home

    home = Home.from_env()
    service = running(home)
    if service is None or not service.pid:
        raise NotRunningError("NexusOS is not running", hint="nothing to stop")
    os.kill(service.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while running(home):
        if time.monotonic() > deadline:
            raise NexusError(
                f"process {service.pid} still runs after {timeout:g} seconds",
                hint=f"kill -9 {service.pid} loses nothing that was stored",
            )
        time.sleep(0.05)
    output.talk(f"stopped (process {service.pid})")


def status(
    as_json: output.JsonFlag = False,
    pid: Annotated[bool, typer.Option("--pid", help="Print the number of its process and no more.")] = False,
) -> None:
    """Show the state of the service."""
    from nexus.cli.client import Client
    from nexus.core.errors import NotRunningError
    from nexus.core.instance import running
    from nexus.core.paths import Home

    service = running(Home.from_env())
    if pid:
        if service is None or not service.pid:
            raise NotRunningError("NexusOS is not running", hint="nexus up --detach")
        output.data(str(service.pid))
        return
    client = Client()
    state: dict[str, Any] = client.call("GET", "/api/status")
    if as_json:
        output.as_json(state)
        return
    daemon, model, known = state["daemon"], state["model"], state["knowledge"]
    memory = state["memory"]["process"]
    rows = {
        "service": f"{daemon['state']} at {client.url}, {f'process {service.pid}, ' if service else ''}"
        f"up {daemon['uptime_seconds']} s",
        "model": f"{model['name']}: {model['state']}, window {model['context']} tokens,"
        f" {model['threads'] or 'no'} threads",
        "known": f"{known.get('documents', 0)} documents, {known.get('chunks', 0)} chunks,"
        f" {known.get('memories', 0)} memories, {known.get('proposals', 0)} proposals",
        "files": _files(state["memex"]),
        "requests": f"{state['metrics']['total_requests']} answered, {state['metrics']['queued']} waiting",
        "memory": f"{memory['current_mb']:g} MB, peak {memory['peak_mb']:g} MB",
    }
    if state["recovery"]["killed"]:
        rows["recovery"] = state["recovery"]["summary"]
    for name, text in rows.items():
        output.data(f"{name:<9} {text}")
    for issue in state["health"]["issues"]:
        output.data(f"issue     {issue}")
    for part in state["parts"]:
        if part["state"] == "missing":
            output.data(f"missing   {part['name']}: {part['detail']}; {part['mend']}")


def _files(memex: dict[str, Any]) -> str:
    """MemexFS in one line."""
    if "files" not in memex:
        return f"{memex['state']} {memex['problem']}".rstrip()
    place = f"mounted at {memex['mount']['point']}" if memex["mount"] else "not mounted (nexus mount)"
    return f"{sum(memex['files'].values())} in MemexFS, {memex['work']['waiting']} waiting, {place}"


def token(
    url: Annotated[bool, typer.Option("--url", help="Print the dashboard's address with it.")] = False,
) -> None:
    """Print the token that clients must send."""
    from nexus.core import config
    from nexus.core.instance import running
    from nexus.core.paths import Home
    from nexus.service import launch

    settings = config.load()
    text = launch.token_of(settings)
    service = running(Home.from_env())
    base = service.url if service else launch.url_of(settings)
    output.data(f"{base}/dashboard#token={text}" if url else text)

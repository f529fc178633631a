"""`nexus learn`: what the service learns in the background, and its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli import output

if TYPE_CHECKING:
    from nexus.cli.client import Client

app = typer.Typer(no_args_is_help=True)


def _client() -> Client:
    from nexus.cli.client import Client

    return Client()


def _control(action: str, **more: str) -> dict[str, Any]:
    found: dict[str, Any] = _client().call("POST", "/api/control", {"action": action, **more})
    return found


@app.command("status")
def show(as_json: output.JsonFlag = False) -> None:
    """What it is doing, how far it has come, what it may take."""
    found = _client().call("GET", "/api/status")
    learning = found["learning"]
    if as_json:
        output.as_json(learning)
        return
    output.data(f"state              {_state(learning)}")
    if "bytes_learned" in learning:
        output.data(f"learnt             {learning['bytes_learned'] / 1e3:,.0f} kB of text")
        output.data(f"experience factor  {learning['experience_factor']:.2f}")
        output.data(f"flow depth         {learning['flow_depth']:.2f}")
        output.data(f"kept for dreaming  {learning['replay']['items']} passages")
    resources = found["resources"]
    output.data(
        f"processor          {resources['background_cpu_percent']:.0f} % of {resources['limit_percent']:g} %,"
        f" {resources['mode']}"
    )
    training = learning.get("training", {})
    if training.get("active"):
        topic = training["topic"] or "any topic"
        output.data(f"training           {topic}: {training['pairs']} pairs, {training['refused']} refused")


@app.command()
def pause() -> None:
    """Learn nothing until `nexus learn resume`."""
    output.talk(_state(_control("pause")["learning"]))


@app.command()
def resume() -> None:
    """Learn again."""
    output.talk(_state(_control("resume")["learning"]))


@app.command()
def start(
    topic: Annotated[str, typer.Option(help="What to be taught about; default: anything.")] = "",
) -> None:
    """Be taught by the teacher of the settings (`training.teacher`)."""
    _control("train_start", topic=topic)
    output.talk(f"training on {topic or 'any topic'}; `nexus learn stop` ends it")


@app.command()
def stop() -> None:
    """End the training; what was learnt stays."""
    _control("train_stop")
    output.talk("no training")


@app.command()
def forget(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete everything that was read and learnt. Memories and documents stay."""
    if not yes:
        typer.confirm("Delete all that was learnt?", abort=True)
    _client().call("DELETE", "/api/learning")
    output.talk("forgotten")


def _state(learning: dict[str, Any]) -> str:
    detail = learning.get("detail")
    return f"{learning['state']}: {detail}" if detail else str(learning["state"])

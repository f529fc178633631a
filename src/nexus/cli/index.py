"""The index: `index status|verify|rebuild`."""

from __future__ import annotations

from typing import Any

import typer

from nexus.cli import output
from nexus.cli.working import follow

app = typer.Typer(no_args_is_help=True)


@app.command()
def status(as_json: output.JsonFlag = False) -> None:
    """Show what is known, what the index holds of it, and the folders it comes from."""
    from nexus.cli.client import Client

    state: dict[str, Any] = Client().call("GET", "/api/index")
    if as_json:
        output.as_json(state)
        return
    for name, count in state["counts"].items():
        output.data(f"{name:<12} {count:,}")
    output.data(f"{'index':<12} {state['index']}, {state['points']:,} points")
    output.data(f"{'embedders':<12} {state['embedder']} (documents), {state['talk_embedder']} (talk)")
    if state["repairing"]:
        done, total = state["repairing"]
        output.data(f"{'repairing':<12} {done:,} of {total:,} chunks")
    output.data(f"{'folders':<12} {'followed' if state['followed'] else 'not followed (cortex.watch)'}")
    for root in state["roots"]:
        output.data(output.harmless(f"  {root['documents']:>7,}  {root['path']}"))
    if state["problem"]:
        output.talk(output.harmless(state["problem"]))


@app.command()
def verify(as_json: output.JsonFlag = False) -> None:
    """Compare the index with what it must hold; changes nothing. Ends with 1 when it is not sound."""
    from nexus.cli.client import Client

    found: dict[str, Any] = Client().call("POST", "/api/index/verify")
    if as_json:
        output.as_json(found)
    else:
        _tell(found)
    if not found["sound"]:
        raise typer.Exit(1)


@app.command()
def rebuild(as_json: output.JsonFlag = False) -> None:
    """Empty the index and fill it anew. Nothing is lost: texts and memories are kept elsewhere."""
    from nexus.cli.client import Client

    done = follow(Client(), "/api/index/rebuild", {}, "filling the index")
    if as_json:
        output.as_json(done)
        return
    output.data(f"rebuilt: the index holds {done['points']:,} points")


def _tell(found: dict[str, Any]) -> None:
    if found["sound"]:
        output.data(f"sound: {found['points']:,} points, each with its vector")
        return
    for name, meaning in (
        ("missing", "not in the index"),
        ("unembedded", "without their vectors"),
        ("stale", "in the index of what is gone"),
    ):
        if found[name]:
            output.data(f"{found[name]:,} points {meaning}")
    for problem in found["problems"]:
        output.data(output.harmless(problem))
    output.talk("mend it with: nexus index rebuild")

"""Ask the service: `ask`, `chat`, `context`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli import output
from nexus.cli.scope import ProjectOption, project_folder

if TYPE_CHECKING:
    from nexus.cli.client import Client


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(ask)
    app.command()(chat)
    app.command()(context)


def ask(
    prompt: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    as_json: output.JsonFlag = False,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer, in tokens.")] = None,
) -> None:
    """Ask a question; the answer names the documents and memories it comes from."""
    from nexus.cli.client import Client

    body: dict[str, Any] = {"prompt": sys.stdin.read() if prompt == "-" else prompt}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    client = Client()
    if as_json:
        output.as_json(client.call("POST", "/api/interact", body))
        return
    answer_on_terminal(client, body)


def chat() -> None:
    """Talk with the service; an empty line or Ctrl-D ends it."""
    from nexus.cli.client import Client

    client = Client()
    history: list[dict[str, str]] = []
    output.talk("Ask something. An empty line ends the conversation.")
    while True:
        try:
            prompt = input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        if not prompt:
            return
        reply = answer_on_terminal(client, {"prompt": prompt, "history": history[-20:]})
        history += [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]


def context(
    prompt: Annotated[str, typer.Argument(help="The question to assemble the frame for.")],
    project: ProjectOption = "",
    tokens: Annotated[
        int | None, typer.Option("--tokens", "-n", help="Size of the frame beside the question, from 200.")
    ] = None,
    expect: Annotated[
        str, typer.Option("--expect", help="How the answer may read; finds it in other words than yours.")
    ] = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Print the context frame for a question: its sections, its sources, and what was left out."""
    from nexus.cli.client import Client

    body: dict[str, Any] = {"prompt": prompt, "project": project_folder(project)}
    if tokens is not None:
        body["tokens"] = tokens
    if expect:
        body["expected"] = expect
    frame: dict[str, Any] = Client().call("POST", "/api/context", body)
    if as_json:
        output.as_json(frame)
        return
    for section in frame["sections"]:
        output.data(f"--- {section['name']}: {section['tokens']} tokens")
        if section["text"]:
            output.data(output.harmless(section["text"]))
    output.data(f"--- in all: {frame['tokens']} of {frame['budget']} tokens")
    for source in frame["sources"]:
        output.data(f"[{source['number']}] {output.place(source)}  score {source['score']:.2f}")
    for label in frame["left_out"]:
        output.data(output.harmless(f"left out  {label}"))


def answer_on_terminal(client: Client, body: dict[str, Any]) -> str:
    """Stream an answer to stdout with its sources below. Returns the reply."""
    from rich.console import Console

    console = Console(stderr=True)
    sources: list[dict[str, Any]] = []
    done: dict[str, Any] = {}
    with console.status("reading") as waiting:
        for event in client.stream("/api/interact", {**body, "stream": True}):
            if event.name == "queued":
                waiting.update(f"waiting, {event.data['ahead']} before this")
            elif event.name == "frame":
                sources = event.data["sources"]
                waiting.update(f"thinking about {len(sources)} passages")
            elif event.name == "token":
                waiting.stop()
                sys.stdout.write(event.data["text"])
                sys.stdout.flush()
            elif event.name == "done":
                done = event.data
    sys.stdout.write("\n")
    print_sources(sources, str(done["reply"]), answerable=done["answerable"])
    for proposal in done.get("proposals", []):
        output.talk(f"\nRemember this? {proposal['learning']}")
        if proposal["contradicts"]:
            output.talk(output.harmless(f"  {proposal['reason']}"))
        output.talk(f"  nexus memories approve {proposal['id']}")
    usage, seconds = done["usage"], done["seconds"]
    output.talk(
        f"\n{usage['prompt_tokens']} + {usage['completion_tokens']} tokens,"
        f" first after {seconds['first_token']:.1f} s, {seconds['total']:.1f} s in all"
    )
    return str(done["reply"])


def print_sources(sources: list[dict[str, Any]], reply: str, *, answerable: bool) -> None:
    """What the answer names first, what else the model was shown below it."""
    named = {int(number) for number in re.findall(r"\[(\d+)\]", reply)}
    cited = ([s for s in sources if s["number"] in named] or sources) if answerable else []
    others = [s for s in sources if s not in cited]
    if not answerable:
        output.data("\nNo document and no memory answers this.")
    for title, group in (("Sources", cited), ("Also read", others)):
        if group:
            output.data(f"\n{title}")
        for source in group:
            output.data(f"  [{source['number']}] {output.place(source)}")
            if source["kind"] == "memory":
                output.data(f"      {source['text'].splitlines()[0]}")

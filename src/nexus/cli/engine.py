"""The model itself: `engine run|contexts|forget|prefixes|bench`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli import output
from nexus.core.errors import InvalidInputError

if TYPE_CHECKING:
    from nexus.core.config import Config
    from nexus.engine.base import ChatMessage, Finish
    from nexus.engine.child_engine import ChildEngine

app = typer.Typer(no_args_is_help=True)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_LONGEST = 4_194_304  # tokens
# Python, the libraries and what a step computes in: measured 45 to 55 MiB.
_OWN_BYTES = 64 << 20


@app.command()
def run(
    question: Annotated[
        list[str] | None, typer.Argument(help="What to ask; without it you are asked.")
    ] = None,
    context: Annotated[
        Path | None, typer.Option(help="A text to read first; it stays, and is not read again.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of that context; default: the file's.")] = "",
    model: Annotated[str, typer.Option(help="Catalog name or GGUF file; default: engine.model.")] = "",
    ram: Annotated[str, typer.Option(help="RAM for everything beside the weights: 512M, 2G.")] = "512M",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: what others leave free.")] = 0,
    tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 400,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0)] = 0.0,
) -> None:
    """Talk to a model in a process of its own, about a text of any length if you like.

    Without `--context` nothing is stored. The service need not run.
    """
    from nexus.core import config
    from nexus.core.models.chat import chat_model
    from nexus.core.models.store import ModelStore
    from nexus.engine import gguf, kept_context
    from nexus.engine.child_engine import ChildEngine
    from nexus.engine.worker_settings import WorkerSettings

    settings = config.load()
    page_bytes = _page_bytes(ram)
    chosen = model or settings.settings.engine.model
    # Before anything is made for it.
    models = ModelStore(settings.settings.models.folder or settings.home.models)
    path, known_as, verify = chat_model(models, chosen)
    gguf.check(path, known_as)
    with kept_context.passing(settings.home.engine) as passing:
        store: Path = passing
        first: list[ChatMessage] = []
        if context is not None:
            source = context.expanduser()
            text = kept_context.read_text(source)
            known = kept_context.prepare(_root(settings), source, text, chosen, name)
            store, first = known.folder, kept_context.messages(known.name, text, [])
        kind = WorkerSettings(
            "local",
            str(path),
            _LONGEST,
            store=str(store),
            store_ram_bytes=page_bytes,
            store_disk_bytes=1 << 50,  # the disk is the limit, and says so when it is full
            streams=1,
            exact_tokens=settings.settings.engine.exact_tokens,
        )
        engine = ChildEngine(
            path,
            name=known_as,
            kinds=[kind],
            # The socket is named after the model: in the service's folder it would take the service's place.
            run_folder=passing,
            threads=threads or settings.settings.engine.threads,
            verify=verify,
        )
        _talk(engine, first, question, tokens, temperature)


@app.command("contexts")
def list_contexts(as_json: output.JsonFlag = False) -> None:
    """List the texts that were read and are kept."""
    from nexus.core import config
    from nexus.engine import kept_context

    contexts = [context.facts() for context in kept_context.kept(_root(config.load()))]
    if as_json:
        output.as_json(contexts)
        return
    for each in contexts:
        size = f"{int(str(each['disk_bytes'])) / 1e6:,.0f} MB"
        output.data(output.harmless(f"{each['name']:<30} {size:>12}  {each['model']}  {each['source']}"))
    output.talk(f"{len(contexts)} kept. `nexus engine forget NAME` takes one off the disk.")


@app.command()
def forget(name: Annotated[str, typer.Argument(help="Of the context.")]) -> None:
    """Take a kept context off the disk; the text itself stays where it is."""
    from nexus.core import config
    from nexus.engine import kept_context

    kept_context.forget(_root(config.load()), name)
    output.talk(f"{name} is forgotten.")


@app.command()
def prefixes(
    clear: Annotated[bool, typer.Option("--clear", help="Forget them; they are computed again.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Show what the service has stored of prompts, so that it need not read them again."""
    from nexus.cli.client import Client

    client = Client()
    if clear:
        done = client.call("DELETE", "/api/engine/prefixes")
        output.talk(f"{done['blocks']} blocks forgotten, {done['bytes'] / 1e6:,.0f} MB of disk given back.")
        return
    stored = client.call("GET", "/api/engine/prefixes")
    if as_json:
        output.as_json(stored)
        return
    size = stored["store_disk_bytes"] / 1e6
    output.data(f"{stored['tokens']:,} tokens in {stored['blocks']:,} blocks, {size:,.0f} MB on the disk")
    output.data(f"{stored['roots']:,} different beginnings; {stored['idle']} conversations in RAM")
    asked = stored["store_hits"] + stored["store_misses"]
    if asked:
        output.data(f"{100 * stored['store_hits'] / asked:.1f} % of {asked:,} pages asked for were in RAM")


@app.command()
def bench(
    model: Annotated[
        list[str] | None, typer.Option(help="Catalog name or GGUF file; may be given again.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this section; may be given again.")] = None,
    book: Annotated[Path | None, typer.Option(help="A text to read to the models.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Show that it works; the figures mean nothing.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything here, too.")] = None,
) -> None:
    """Measure the engine on this machine, beside llama.cpp with the same files.

    Matrices against the memory's bandwidth, answers and prompts, long contexts, stored prompts.
    """
    import json

    from nexus.core import config
    from nexus.core.models.chat import chat_model
    from nexus.core.models.store import ModelStore
    from nexus.engine.evaluation import bench as sections

    settings = config.load()
    models = ModelStore(settings.settings.models.folder or settings.home.models)
    names = model or [settings.settings.engine.model]
    paths = [chat_model(models, name).path for name in names]
    text = book.expanduser() if book else None
    results = sections.run(paths, only or [], output.data, book=text, quick=quick)
    if json_file is not None:
        json_file.write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")


def _root(settings: Config) -> Path:
    return settings.home.engine / "contexts"


def _talk(
    engine: ChildEngine,
    first: list[ChatMessage],
    question: list[str] | None,
    tokens: int,
    temperature: float,
) -> None:
    from nexus.engine.base import ChatMessage

    output.talk(f"loading {engine.name}")
    engine.start()
    try:
        if question:
            _ask(engine, [*first, ChatMessage("user", " ".join(question))], tokens, temperature)
            return
        turns = list(first)
        for line in _lines():
            turns.append(ChatMessage("user", line))
            turns.append(ChatMessage("assistant", _ask(engine, turns, tokens, temperature)))
    finally:
        engine.stop()


def _lines() -> Any:
    """What the person says, line by line, until the end of input."""
    asking = sys.stdin.isatty()
    while True:
        if asking:
            output.talk("\nAsk, or end with Ctrl-D:")
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _ask(engine: ChildEngine, messages: list[ChatMessage], tokens: int, temperature: float) -> str:
    """Stream one answer to stdout; what it took goes to stderr."""
    from nexus.cli.reading import Reading
    from nexus.engine.base import ChatRequest, Delta, Finish

    said = ""
    request = ChatRequest(messages, max_tokens=tokens, temperature=temperature)
    with Reading(engine) as reading:
        for event in engine.chat(request):
            if isinstance(event, Delta):
                reading.stop()
                said += event.text
                sys.stdout.write(output.harmless(event.text))
                sys.stdout.flush()
            elif isinstance(event, Finish):
                reading.stop()
                sys.stdout.write("\n")
                output.talk(_sum(engine, event))
    return said


def _sum(engine: ChildEngine, finish: Finish) -> str:
    usage = finish.usage
    first = finish.seconds_to_first_token or finish.seconds
    fresh = usage.prompt_tokens - usage.cached_tokens
    rss = engine.health().rss_bytes or 0
    return (
        f"[{usage.prompt_tokens:,} tokens of prompt, {usage.cached_tokens:,} of them not read again,"
        f" {fresh:,} read; first word after {first:.1f} s; {usage.completion_tokens} tokens in"
        f" {finish.seconds - first:.1f} s; the model's process holds {rss / 1e6:,.0f} MB]"
    )


def _page_bytes(ram: str) -> int:
    """What is left of `--ram` for pages. Raises `InvalidInputError`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)i?B?", ram.strip(), re.IGNORECASE)
    if match is None:
        raise InvalidInputError(f"--ram {ram!r} is no size", hint="write it like 512M or 2G")
    left = int(float(match[1]) * _UNITS[match[2].upper()]) - _OWN_BYTES
    if left <= 0:
        raise InvalidInputError(
            f"--ram {ram!r} is too little: the engine's process takes {_OWN_BYTES >> 20} MiB of it",
            hint="name 256M or more",
        )
    return left

"""Making model files: `models convert|quantize`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from nexus.cli import output
from nexus.core.errors import InvalidInputError

Kind = Literal["auto", "f32", "f16", "bf16", "q8_0", "tq2_0", "i2_s"]


def register(app: typer.Typer) -> None:
    """Add the commands to `nexus models`."""
    app.command()(convert)
    app.command()(quantize)


def convert(
    folder: Annotated[Path, typer.Argument(help="With config.json, *.safetensors and tokenizer.json.")],
    target: Annotated[Path, typer.Argument(help="The GGUF file to write.")],
    kind: Annotated[
        Kind, typer.Option(help="Type of the matrices; auto keeps what the weights have.")
    ] = "auto",
    as_json: output.JsonFlag = False,
) -> None:
    """Make a GGUF file of a model in Hugging Face's form: Llama, SmolLM2, Qwen 2, Mistral, BitNet b1.58."""
    from nexus.engine.convert import from_safetensors

    with _bar("converting") as progress:
        done = from_safetensors.convert(folder.expanduser(), target.expanduser(), kind, progress=progress)
    if as_json:
        output.as_json({"path": done.path, "kind": done.kind, "tensors": done.tensors, "notes": done.notes})
        return
    output.data(f"{done.path}  {done.architecture}  {done.kind}  {done.size / 1e6:,.0f} MB")
    for note in done.notes:
        output.talk(note)


def quantize(
    source: Annotated[Path, typer.Argument(help="A GGUF file.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    ternary: Annotated[bool, typer.Option("--ternary", help="To -1, 0 and 1: two bits a weight.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Make the matrices of a model ternary. That loses most of its quality; it is for measuring speed."""
    from nexus.engine.convert.ternarise import ternarise

    if not ternary:
        raise InvalidInputError("to what is not said", hint="use --ternary; nothing else is made here")
    with _bar("quantizing") as progress:
        done = ternarise(source.expanduser(), target.expanduser(), progress=progress)
    if as_json:
        output.as_json(
            {"path": done.path, "rewritten": done.rewritten, "kept": done.kept, "error": done.error}
        )
    else:
        output.data(f"{done.path}  {done.rewritten} matrices  {done.size / 1e6:,.0f} MB")
        for line in done.kept:
            output.talk(f"kept as it was: {line}")
    output.talk(done.warning)


@contextmanager
def _bar(doing: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr; gives what moves it: done and total."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(doing, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)

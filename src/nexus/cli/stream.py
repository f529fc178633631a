"""`nexus stream`: a text of any length through the transformer's memory, and what it remembers of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nexus.cli import output, train_part
from nexus.cli.progress import Progress

if TYPE_CHECKING:
    from nexus.training.remembering import Answer, Streamed

Device = Literal["cpu", "cuda"]
_WIDTH = 60  # characters of an answer in a table


def register(app: typer.Typer) -> None:
    """Add the command to `nexus`."""
    app.command()(stream)


def stream(
    file: Annotated[
        Path | None, typer.Argument(help="A text of any length; may be left out with --load.")
    ] = None,
    ask: Annotated[
        list[str] | None, typer.Option("--ask", help="Words to be continued; may be given again.")
    ] = None,
    questions: Annotated[int, typer.Option(min=1, help="Questions where none is asked.")] = 20,
    model: Annotated[
        Path | None, typer.Option(help="Packed weights or a checkpoint; default: the model that ships.")
    ] = None,
    load: Annotated[Path | None, typer.Option(help="Go on with the memory in this file.")] = None,
    save: Annotated[Path | None, typer.Option(help="Keep the memory in this file.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Of the processor; 0: as torch will.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = "cpu",
    as_json: output.JsonFlag = False,
) -> None:
    """Read a text of any length with a memory that does not grow, then say what was said, word for word.

    Without --ask it is asked what was said about names of the first 4 % of the text, those that
    come back most often: the answer must be the words that followed the first mention.
    """
    from nexus.core.errors import InvalidInputError

    if file is None and (load is None or not ask):
        raise InvalidInputError(
            "no FILE to read", hint="name one; only with --load and --ask it may be left out"
        )
    train_part.need()
    train_part.threads(threads)
    from nexus.training import remembering, trained
    from nexus.transformer.memory import Memory
    from nexus.transformer.questions import questions as chosen
    from nexus.transformer.tokenizer import Tokenizer

    path = file.expanduser() if file else None
    wanted = chosen(path, questions) if path and not ask else []
    if path and not ask and not wanted:
        output.talk("no name of the first 4 % comes back later; ask with --ask")
    opened = trained.opened(model.expanduser() if model else None, device)
    memory = Memory(opened, Tokenizer.shipped(), device)
    if load:
        memory.load(load.expanduser())
    streamed = None
    with Progress() as progress:
        if path:
            if ask:
                _readable(path)
            streamed = remembering.stream(memory, path, _teller(progress))
        if save:
            memory.save(save.expanduser())
        answers = []
        for number, each in enumerate([*(ask or []), *wanted], 1):
            progress.tell("asking", number, len(ask or wanted))
            known = each if isinstance(each, str) else None
            answers.append(
                remembering.asked(memory, known) if known is not None else remembering.answered(memory, each)  # type: ignore[arg-type]
            )
    if as_json:
        output.as_json(_as_dict(streamed, answers, memory.position))
        return
    _show(answers)
    if streamed:
        output.data(_summary(streamed, answers))


def _readable(path: Path) -> None:
    """Raises before the model has read half of what is no text."""
    from nexus.transformer.questions import blocks

    for _ in blocks(path):
        pass


def _teller(progress: Progress) -> Any:
    def told(done: int, of: int, so_far: Streamed) -> None:
        progress.tell(
            "reading",
            done,
            of,
            f"{so_far.tokens:,} tokens, {so_far.rate:,.0f} tok/s, RSS {so_far.rss / 1e6:,.0f} MB, "
            f"state {so_far.state / 1e6:.1f} MB",
        )

    return told


def _show(answers: list[Answer]) -> None:
    if not answers:
        return
    names = ["asked", "answer", "exact", "position", "confidence"]
    rows = [_cells(each) for each in answers]
    if not sys.stdout.isatty():
        for line in (names, *rows):
            output.data("\t".join(line))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def _cells(answer: Answer) -> list[str]:
    recall = answer.recall
    said = output.harmless(" ".join(recall.payload.split()))
    said = said if len(said) <= _WIDTH else said[: _WIDTH - 1] + "…"
    exact = {True: "yes", False: "no", None: ""}[answer.exact]
    place = f"{recall.position:,} ({answer.share:.1%})" if recall.position >= 0 else "not found"
    return [output.harmless(answer.question), said, exact, place, f"{recall.confidence:.2f}"]


def _summary(streamed: Streamed, answers: list[Answer]) -> str:
    judged = [each for each in answers if each.exact is not None]
    parts = [f"{sum(bool(each.exact) for each in judged)} of {len(judged)} exact"] if judged else []
    parts += [
        f"{streamed.tokens:,} tokens at {streamed.rate:,.0f} tok/s",
        f"RSS {streamed.rss / 1e6:,.0f} MB, {streamed.grown / 1e6:+.1f} MB since the first 4 %",
        f"state {streamed.state / 1e6:.1f} MB",
    ]
    return ", ".join(parts)


def _as_dict(streamed: Streamed | None, answers: list[Answer], position: int) -> dict[str, Any]:
    judged = [each for each in answers if each.exact is not None]
    found: dict[str, Any] = {
        "position": position,
        "exact": sum(bool(each.exact) for each in judged) if judged else None,
        "asked": len(answers),
        "answers": [each.as_dict() for each in answers],
    }
    if streamed:
        found |= {
            "tokens": streamed.tokens,
            "seconds": round(streamed.seconds, 2),
            "tokens_per_second": round(streamed.rate, 1),
            "rss_bytes": streamed.rss,
            "rss_grown_bytes": streamed.grown,
            "state_bytes": streamed.state,
        }
    return found

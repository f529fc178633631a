"""`nexus eval`: what a Nexus Transformer remembers, beside its controls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nexus.cli import output, train_part
from nexus.cli.progress import Progress

if TYPE_CHECKING:
    from nexus.training.evaluation import bpb as bpb_rows
    from nexus.training.evaluation import needle as needle_rows
    from nexus.training.evaluation import recall as recall_rows

app = typer.Typer(no_args_is_help=True)

Haystack = Literal["text", "common", "letters", "rare", "all"]
Kind = Literal["uuid", "number", "place", "inquiry", "moved"]
Device = Literal["cpu", "cuda"]
Model = Annotated[
    Path | None,
    typer.Option("--model", help="Packed weights or a checkpoint; default: the model that ships."),
]
Controls = Annotated[
    list[str] | None,
    typer.Option(
        "--control",
        help="In the same run; may be given again: the model's own weights with less of a memory (one-way, "
        "lru, no-memory), or NAME=CHECKPOINT of a trained control.",
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Of the processor; 0: as torch will.")]
On = Annotated[Device, typer.Option("--device", help="Where to compute.")]


@app.command()
def needle(
    length: Annotated[int, typer.Option(min=1, help="Tokens of each stream.")] = 512_000,
    count: Annotated[int, typer.Option(min=1, help="Facts in each stream.")] = 100,
    kind: Annotated[Kind, typer.Option(help="What the facts are.")] = "uuid",
    haystack: Annotated[Haystack, typer.Option(help="What they lie in.")] = "all",
    seeds: Annotated[int, typer.Option(min=1, help="Streams of each haystack.")] = 5,
    model: Model = None,
    books: Annotated[
        Path | None, typer.Option(help="Text for the haystack of text; default: NEXUS_DATA/books/eval.")
    ] = None,
    control: Controls = None,
    picture: Annotated[
        Path | None, typer.Option("--plot", help="Make this PNG: recall over distance.")
    ] = None,
    threads: Threads = 0,
    device: On = "cpu",
    as_json: output.JsonFlag = False,
) -> None:
    """Say facts once in long streams, ask for each at the end, count what comes back word for word."""
    train_part.need()
    train_part.threads(threads)
    from nexus.training.evaluation import books as shelf
    from nexus.training.evaluation import needle as needles
    from nexus.transformer.tokenizer import Tokenizer

    candidates, tokenizer = _candidates(model, control, device), Tokenizer.shipped()
    names = list(needles.HAYSTACKS) if haystack == "all" else [haystack]
    path = books.expanduser() if books else shelf.there()
    if path is None and haystack == "all":
        names.remove("text")
        output.talk("no haystack of text: name some with --books, or with NEXUS_DATA")
    text = shelf.text(path, tokenizer, 4 * length) if path is not None and "text" in names else None
    with Progress() as progress:
        rows = needles.run(
            candidates,
            tokenizer,
            names,
            length=length,
            count=count,
            kind=kind,
            seeds=seeds,
            text=text,
            told=progress.tell,
            came=lambda row: progress.note(
                f"{row.candidate}, {row.haystack}: {row.exact.shown('{:.1f}')} of {row.asked}"
            ),
        )
    if picture is not None:
        from nexus.training import plot

        facts = {f"{row.candidate}, {row.haystack}": row.by_distance() for row in rows}
        plot.distances(facts, picture.expanduser(), next(iter(candidates.values())).config.window)
    if as_json:
        output.as_json([row.as_dict() for row in rows])
        return
    output.data(f"{count} facts ({kind}) in {length:,} tokens, {seeds} streams; mean ± standard deviation")
    _table(
        ["model", "haystack", "exact", "held", "entries", "tok/s"],
        [_needle_cells(row) for row in rows],
    )


@app.command()
def recall(
    books: Annotated[list[Path], typer.Argument(help="Texts or .tokens files, or folders of them.")],
    length: Annotated[int, typer.Option(min=1, help="Tokens of each stream.")] = 512_000,
    streams: Annotated[int, typer.Option(min=1, help="Streams at most.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="Hashes of R_keep.")] = 3,
    model: Model = None,
    control: Controls = None,
    threads: Threads = 0,
    device: On = "cpu",
    as_json: output.JsonFlag = False,
) -> None:
    """Follow rare words that come back in books: is the entry there, is it read, does it help?

    R_keep: the share whose entry is still there where every rare word is written, in 8 ways
    and direct-mapped. R_read: the share at which the model's own memory finds an earlier
    mention. R_pred: of the next tokens that the window alone has wrong, the share that is right
    with the memory.
    """
    train_part.need()
    train_part.threads(threads)
    from nexus.training import texts
    from nexus.training.evaluation import recall as recalls
    from nexus.transformer.tokenizer import Tokenizer

    candidates, tokenizer = _candidates(model, control, device), Tokenizer.shipped()
    config = next(iter(candidates.values())).config
    window = config.window
    paths = [path.expanduser() for path in books]
    chosen = recalls.streams(texts.documents(paths, tokenizer), length, streams, tokenizer.end)
    with Progress() as progress:
        kept = recalls.keep(chosen, tokenizer, window, chunk=config.chunk, hashes=seeds, told=progress.tell)
        rows = recalls.run(candidates, chosen, tokenizer, window, told=progress.tell)
    if as_json:
        output.as_json({"keep": [row.as_dict() for row in kept], "models": [row.as_dict() for row in rows]})
        return
    output.data(
        f"{len(chosen)} streams of {len(chosen[0]):,} tokens, {kept[0].events:,} rare words that come back "
        f"after more than {window:,}; mean ± standard deviation"
    )
    _table(
        ["memory", "entries", "R_keep"],
        [[row.form, f"{row.entries:,}", row.share.shown("{:.2f} %", 100)] for row in kept],
    )
    _table(
        ["model", "R_read", "R_pred", "spoilt", "nats saved", "at those words", "tok/s"],
        [_recall_cells(row) for row in rows],
    )


@app.command()
def bpb(
    texts_: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Texts or .tokens files, or folders of them.")
    ],
    tokens: Annotated[int, typer.Option(min=2, help="Tokens at most.")] = 1_000_000,
    model: Model = None,
    control: Controls = None,
    threads: Threads = 0,
    device: On = "cpu",
    as_json: output.JsonFlag = False,
) -> None:
    """Measure how well texts are predicted: bits per byte, with the memory and without."""
    train_part.need()
    train_part.threads(threads)
    from nexus.training import texts
    from nexus.training.evaluation import bpb as bits
    from nexus.transformer.tokenizer import Tokenizer

    candidates, tokenizer = _candidates(model, control, device), Tokenizer.shipped()
    paths = [path.expanduser() for path in texts_]
    with Progress() as progress:
        rows = bits.run(
            candidates,
            tokenizer,
            texts.documents(paths, tokenizer),
            most_tokens=tokens,
            told=progress.tell,
        )
    if as_json:
        output.as_json([row.as_dict() for row in rows])
        return
    output.data(
        f"{rows[0].tokens:,} tokens, {rows[0].bytes:,} bytes, "
        f"{len(rows[0].on_of_documents.runs)} texts; bits per byte"
    )
    _table(
        ["model", "with memory", "without", "each text", "tok/s"],
        [_bpb_cells(row) for row in rows],
    )


def _candidates(model: Path | None, control: list[str] | None, device: str) -> dict[str, Any]:
    """The model, and the controls as they are named."""
    from nexus.training import trained

    return trained.candidates(model.expanduser() if model else None, control or [], device)


def _table(names: list[str], rows: list[list[str]]) -> None:
    """Columns in line, whether stdout is a terminal or not; the first to the left, figures to the right."""
    lines = [names, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    output.data("")
    for line in lines:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        output.data("  ".join(cells).rstrip())


def _needle_cells(row: needle_rows.Row) -> list[str]:
    exact, held = row.exact.shown("{:.1f}"), row.held.shown("{:.1f}")
    entries, rate = row.entries.shown("{:,.0f}"), f"{row.score.tokens_per_second:,.0f}"
    return [row.candidate, row.haystack, f"{exact} of {row.asked}", held, entries, rate]


def _recall_cells(row: recall_rows.Row) -> list[str]:
    shares = [figure.shown("{:.2f} %", 100) for figure in (row.read, row.pred, row.spoilt)]
    nats = [figure.shown("{:.4f}") for figure in (row.saved, row.saved_at_events)]
    return [row.candidate, *shares, *nats, f"{row.tokens_per_second:,.0f}"]


def _bpb_cells(row: bpb_rows.Row) -> list[str]:
    each = row.on_of_documents.shown("{:.3f}")
    return [row.candidate, f"{row.on:.4f}", f"{row.off:.4f}", each, f"{row.tokens_per_second:,.0f}"]

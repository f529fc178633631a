"""`nexus train`: train a Nexus Transformer on texts."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nexus.cli import output, train_part
from nexus.cli.progress import Progress

if TYPE_CHECKING:
    from nexus.training.leg import Leg, Outcome
    from nexus.training.objective import Figures
    from nexus.training.trainer import Training

Size = Literal["xs", "s", "m"]
Device = Literal["cpu", "cuda"]


def register(app: typer.Typer) -> None:
    """Add the command to `nexus`."""
    app.command()(train)


def train(
    sources: Annotated[
        list[Path], typer.Argument(help="Texts: files, folders of them, or .tokens files made before.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for checkpoints, log, curve and the weights.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of the whole training.")] = 1000,
    size: Annotated[Size, typer.Option(help="2.4, 25 or 65 million weights.")] = "xs",
    ternary: Annotated[bool, typer.Option("--ternary", help="Train weights of three values.")] = False,
    begin_from: Annotated[
        Path | None, typer.Option("--from", help="Begin with the weights of another training's checkpoint.")
    ] = None,
    alone: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the steps, the first, of the window alone.")
    ] = 0.0,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of a step.")] = 32_768,
    gate: Annotated[
        int, typer.Option(min=0, help="Tokens from which the gate alone is taught at the end.")
    ] = 0,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 50,
    seed: Annotated[int, typer.Option(help="Another seed, other weights to begin with.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Of the processor; 0: as torch will.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = "cpu",
    minutes: Annotated[float, typer.Option(min=0.0, help="Stop and save after so long; 0: never.")] = 0.0,
    config: Annotated[
        Path | None, typer.Option(help="A file of sizes in JSON, instead of --size and --ternary.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Train a Nexus Transformer. The same command goes on where the last one ended.

    Ctrl-C saves and ends. Under torchrun, `-m nexus train ...` trains on several GPUs. At the end
    the weights are packed into OUT/model.safetensors, which `nexus eval` and `nexus stream` take.
    """
    train_part.need()
    train_part.threads(threads)
    from nexus.training import leg as legs
    from nexus.training.trainer import Plan

    asked = legs.Leg(
        _config(config) if config else legs.config(size, ternary=ternary),
        Plan(steps, tokens, alone=alone, save_every=save_every, seed=seed),
        [path.expanduser() for path in sources],
        out.expanduser(),
        device,
        begin_from.expanduser() if begin_from else None,
        minutes,
        gate,
    )
    with Progress() as progress, _stopping(progress) as stopping:
        quiet = legs.rank() > 0
        outcome = legs.run(
            asked,
            (lambda *_: None) if quiet else _teller(asked, progress),
            lambda: bool(stopping),
            (lambda *_: None) if quiet else _beginner(asked, progress),
            lambda done, of: progress.tell("the gate alone", done, of, "tokens"),
        )
    if not quiet:
        _report(outcome, asked, as_json)
    if stopping:
        raise typer.Exit(130)


def _config(path: Path) -> Any:
    from nexus.core.errors import NotFoundError
    from nexus.transformer.config import Config

    try:
        return Config.from_json(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def _stopping(progress: Progress) -> Iterator[list[int]]:
    """A list that is filled by the first Ctrl-C or SIGTERM; the second one ends at once."""
    heard: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        if heard:
            raise KeyboardInterrupt
        heard.append(number)
        progress.note("stopping after this step; once more to end without saving")

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _beginner(asked: Leg, progress: Progress) -> Any:
    def began(training: Training, tokens: int) -> None:
        weights = sum(p.numel() for p in training.model.parameters())
        progress.note(
            f"{weights / 1e6:.1f} million weights, {tokens:,} tokens of text; "
            + (f"goes on after step {training.step}" if training.step else f"{asked.plan.steps} steps")
        )

    return began


def _teller(asked: Leg, progress: Progress) -> Any:
    def told(step: int, figures: Figures, seconds: float) -> None:
        rate = asked.tokens_of(step) / seconds if seconds else 0.0
        loss = f"loss {figures.on:.3f} with memory, {figures.off:.3f} without"
        progress.tell("training", step, asked.plan.steps, f"{loss}, {rate:,.0f} tok/s")

    return told


def _report(outcome: Outcome, asked: Leg, as_json: bool) -> None:
    from nexus.training import leg as legs

    for note in outcome.notes:
        output.talk(note)
    if as_json:
        output.as_json(legs.as_dict(outcome, asked))
    elif outcome.done:
        output.data(f"{outcome.weights}  {outcome.bytes:,} bytes  step {outcome.step}")
    if not outcome.done:
        output.talk(
            f"saved at step {outcome.step} of {asked.plan.steps} in {asked.folder}; "
            "the same command goes on from there"
        )

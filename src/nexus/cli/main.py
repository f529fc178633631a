"""The command line: all commands, and errors as one line on stderr with their exit status."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import nexus
from nexus.cli import (
    agents,
    agents_move,
    agents_share,
    ask,
    bench,
    completion,
    config,
    connect,
    doctor,
    engine,
    eval,  # noqa: A004 - the command's own name
    index,
    knowledge,
    learn,
    mcp,
    memex,
    memory,
    models,
    mount,
    output,
    sandbox,
    serve,
    service,
    sessions,
    stream,
    train,
    tune,
    unikernel,
)
from nexus.core.errors import NexusError

app = typer.Typer(
    name="nexus",
    no_args_is_help=True,
    add_completion=False,  # typer's starts Python at each press of Tab
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (serve, ask, knowledge, memory, mount, connect, mcp, config, doctor, tune, train, stream):
    module.register(app)
completion.register(app)
app.add_typer(models.app, name="models", help="The weights on this machine.")
app.add_typer(engine.app, name="engine", help="The model itself: long texts, stored prompts, its speed.")
app.add_typer(memory.app, name="memories", help="What is remembered, and what waits for your word.")
app.add_typer(sessions.app, name="sessions", help="What was said in sessions of agents.")
app.add_typer(index.app, name="index", help="The index of all that is found: its state, and mending it.")
app.add_typer(memex.app, name="memex", help="Files by what they are about: search, tags, versions, branches.")
app.add_typer(
    sandbox.app, name="sandbox", help="Run Python that somebody else wrote, where it can do no harm."
)
app.add_typer(
    unikernel.app,
    name="unikernel",
    help="Images that hold only what an application uses.",
)
app.add_typer(learn.app, name="learn", help="What is learnt in the background, and its controls.")
app.add_typer(eval.app, name="eval", help="What a Nexus Transformer remembers, beside its controls.")
app.add_typer(bench.app, name="bench", help="Measure this machine's NexusOS against its goals.")
app.add_typer(
    service.app, name="service", help="The service under systemd: at every start, restarted when it dies."
)
agents_move.register(agents.app)
agents.app.add_typer(agents_share.app, name="share", help="Share what agents have with other machines.")
app.add_typer(
    agents.app, name="agents", help="Agents started with `nexus run`, their memory and their pause."
)
app.add_typer(config.app, name="config", help="The settings and where each comes from.")


def _version(asked: bool) -> None:
    if asked:
        output.data(f"nexus {nexus.__version__}")
        raise typer.Exit


@app.callback()
def nexus_itself(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The memory system for AI agents on your own machine."""


def main() -> None:
    """Run the command of `sys.argv`; never ends in a traceback for an expected error."""
    try:
        # Without click's own error handling, `typer.Exit(n)` comes back as the value n.
        status = app(standalone_mode=False)
        sys.stdout.flush()
        sys.exit(status if isinstance(status, int) else 0)
    except NexusError as error:
        hint = f" ({error.hint})" if error.hint else ""
        print(f"nexus: {error.message}{hint}", file=sys.stderr)
        sys.exit(error.exit_status)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has what it wanted (`nexus recall x | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the end
        sys.exit(0)
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is None:
            raise
        print(f"nexus: {usage()} (see `nexus --help`)", file=sys.stderr)
        sys.exit(2)

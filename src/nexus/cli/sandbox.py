"""`nexus sandbox`: run Python that somebody else wrote, with nothing granted but what is named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli import output

if TYPE_CHECKING:
    from nexus.unikernel.grants import Grants
    from nexus.unikernel.limits import Limits
    from nexus.unikernel.result import Result

app = typer.Typer(no_args_is_help=True)
_MIB = 1 << 20
_MOST_CODE = 1 << 20
_PATIENCE = 2.0  # seconds
Backend = Annotated[
    str, typer.Option(help="What runs it: auto, kvm, spt, qemu or unicorn.", metavar="BACKEND")
]
Timeout = Annotated[float, typer.Option(help="Seconds, of time and of CPU time each.", min=0.001)]
Memory = Annotated[int, typer.Option(help="Memory in MiB.", min=8, max=2046)]
Read = Annotated[
    list[Path] | None,
    typer.Option("--read", metavar="PATH", help="A file or folder it may read; again for more."),
]
AllowHttp = Annotated[
    list[str] | None,
    typer.Option("--allow-http", metavar="HOST", help="A host it may ask over HTTP(S); again for more."),
]


@app.callback()
def sandbox() -> None:
    """Without a callback, a group of one command would lose the command's name."""


@app.command()
def run(
    code: Annotated[str, typer.Argument(metavar="CODE.py", help="The file; - for standard input.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORDS", help="Its arguments; behind -- such as begin with a dash."),
    ] = None,
    backend: Backend = "auto",
    timeout: Timeout = 10.0,
    memory: Memory = 64,
    output_limit: Annotated[int, typer.Option(help="Output in KiB; more ends it.", min=0)] = 1024,
    allow_http: AllowHttp = None,
    read: Read = None,
    cpython: Annotated[bool, typer.Option("--cpython", help="Run it by CPython in bubblewrap.")] = False,
    no_fallback: Annotated[
        bool, typer.Option("--no-fallback", help="Never by CPython, whatever it imports.")
    ] = False,
    python: Annotated[
        Path | None, typer.Option(help="The CPython to fall back to; default: the one that runs nexus.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Run Python in a sandbox: no files, no network, no processes but what is granted here.

    The exit status is the code's; 124 where its time was over, 137 where it was ended for another reason.
    """
    from nexus.core.errors import InvalidInputError
    from nexus.unikernel import fallback, imports
    from nexus.unikernel.grants import Grants
    from nexus.unikernel.limits import Limits

    if cpython and no_fallback:
        raise InvalidInputError("--cpython and --no-fallback together")
    text = code_of(code)
    stdin = b"" if code == "-" else piped()
    limits = Limits(wall=timeout, cpu=timeout, memory=memory * _MIB, output=output_limit * 1024)
    grants = Grants(http=tuple(allow_http or ()), files=tuple(absolute(path) for path in read or ()))
    because: list[str] = []
    if not cpython and not no_fallback and backend == "auto":
        because = imports.needs_cpython(text, python)
    on_output = None if as_json else show
    if cpython or because:
        if because:
            output.talk(f"{', '.join(because)}: not in sandboxes, so CPython in bubblewrap runs this")
        result = fallback.run_cpython(
            text,
            limits,
            grants,
            stdin=stdin,
            words=words or (),
            on_output=on_output,
            because=because,
            python=python,
        )
    else:
        result = in_guest(text, backend, limits, grants, stdin, words or [], as_json)
    finish(result, as_json)


def in_guest(
    text: bytes,
    backend: str,
    limits: Limits,
    grants: Grants,
    stdin: bytes,
    words: list[str],
    as_json: bool,
) -> Result:
    """Run it by a backend. Raises what `Sandbox` raises."""
    from nexus.unikernel.sandbox import Sandbox

    guest = Sandbox(known(backend), limits, grants)
    return guest.run(text, stdin=stdin, words=words, on_output=None if as_json else show)


def known(backend: str) -> Any:
    """The backend by its name. Raises `InvalidInputError` where there is none."""
    from nexus.core.errors import InvalidInputError
    from nexus.unikernel.backends import ORDER

    if backend not in ("auto", *ORDER):
        raise InvalidInputError(f"backend {backend!r} is not one of auto, {', '.join(ORDER)}")
    return backend


def code_of(name: str) -> bytes:
    """The bytes of a file, or of standard input. Raises `NotFoundError`, `InvalidInputError`."""
    from nexus.core.errors import InvalidInputError, NotFoundError

    try:
        if name == "-":
            text = sys.stdin.buffer.read(_MOST_CODE + 1)
        else:
            with open(name, "rb") as file:
                text = file.read(_MOST_CODE + 1)
    except OSError as error:
        raise NotFoundError(f"{name}: {error.strerror}") from error
    if len(text) > _MOST_CODE:
        raise InvalidInputError(f"{name} is over {_MOST_CODE >> 20} MiB, too much for code")
    return text


def piped() -> bytes:
    """What is piped to this command, to its end; nothing where it is a person who types.

    A run is given its input whole, so this waits; where it has to wait long it says for what.
    """
    import threading

    if sys.stdin.isatty():
        return b""
    says = threading.Timer(
        _PATIENCE, output.talk, ("waiting for the end of standard input (</dev/null: none)",)
    )
    says.daemon = True
    says.start()
    try:
        return sys.stdin.buffer.read()
    finally:
        says.cancel()


def absolute(path: Path) -> Path:
    """The path as the code will name it. Raises `NotFoundError` where there is nothing."""
    from nexus.core.errors import NotFoundError

    whole = path.expanduser().absolute()
    if not whole.exists():
        raise NotFoundError(f"{path} is to be read and does not exist")
    return whole


def show(stream: int, piece: bytes) -> None:
    """Output as it comes, as bytes: what the code prints is its own."""
    file = sys.stdout.buffer if stream == 1 else sys.stderr.buffer
    file.write(piece)
    file.flush()


def finish(result: Result, as_json: bool) -> None:
    """Say why it was ended, or what it lacked, and end with its status."""
    from nexus.unikernel.backends import ORDER

    if as_json:
        output.as_json(result.as_dict())
    elif result.ending != "exited":
        output.talk(f"nexus: ended ({result.ending}): {result.detail or 'no more is known'}")
    elif result.detail and result.backend in ORDER:  # the fallback was announced
        output.talk(f"nexus: {result.detail}")
    raise typer.Exit(status_of(result))


def status_of(result: Result) -> int:
    """The exit status of this command: the code's, or what `timeout` and shells have for what was ended."""
    if result.ending == "exited":
        return result.status
    if result.ending in ("wall", "cpu"):
        return 124
    return result.status if result.ending == "crashed" and result.status > 128 else 137

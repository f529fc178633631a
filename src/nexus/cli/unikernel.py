"""`nexus unikernel`: images that hold only what an application uses; build, run, look inside, measure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli import output
from nexus.cli.sandbox import AllowHttp, Backend, Memory, Read, Timeout

if TYPE_CHECKING:
    from nexus.unikernel.explain import Explanation
    from nexus.unikernel.images import Image
    from nexus.unikernel.tender import Preflight

app = typer.Typer(no_args_is_help=True)
_MIB = 1 << 20
_WIDE = 110  # columns, where nobody says how many there are
_FIRST = "Building the Python that sandboxes run"
_WHAT = "An image's folder, or the application: a .c or .py file."


@app.command()
def build(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[APP]", help="A .c or .py file; without it, the Python image itself."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Where; default: the cache.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Build an image. Prints its folder. What was built of equal sources before is taken from the cache."""
    with _working("building"):
        image = _built(source, to)
    size = image.elf.stat().st_size
    if as_json:
        output.as_json({"folder": str(image.folder), "kind": image.kind, "key": image.key, "size": size})
        return
    output.talk(f"{size:,} bytes; what is in it: nexus unikernel explain {image.folder}")
    output.data(str(image.folder))


@app.command()
def run(
    what: Annotated[Path, typer.Argument(metavar="IMAGE|APP", help=_WHAT)],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORDS", help="Its arguments; behind -- such as begin with a dash."),
    ] = None,
    backend: Backend = "auto",
    timeout: Timeout = 10.0,
    memory: Memory = 64,
    read: Read = None,
    allow_http: AllowHttp = None,
    block: Annotated[
        list[str] | None,
        typer.Option(
            "--block", metavar="FILE[:rw]", help="A file as a disk, read-only unless :rw; again for more."
        ),
    ] = None,
    link: Annotated[
        list[str] | None,
        typer.Option("--link", metavar="LINK", help="tun:NAME or pair:PATH, a network link; again for more."),
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Run an image, or build an application and run it. The exit status is the guest's.

    124 where its time was over, 137 where it was ended for another reason.
    """
    from nexus.cli.sandbox import absolute, finish, known, piped, show
    from nexus.unikernel.grants import Grants
    from nexus.unikernel.images import MAIN
    from nexus.unikernel.limits import Limits
    from nexus.unikernel.sandbox import run_image

    limits = Limits(wall=timeout, cpu=timeout, memory=memory * _MIB)
    grants = Grants(
        http=tuple(allow_http or ()),
        files=tuple(absolute(path) for path in read or ()),
        blocks=tuple(_disk(name) for name in block or ()),
        links=tuple(link or ()),
    )
    image = _image(what)
    main = image.folder / MAIN
    result = run_image(
        image,
        words or (),
        [(MAIN, main)] if main.exists() else (),
        backend=known(backend),
        limits=limits,
        grants=grants,
        stdin=piped(),
        on_output=None if as_json else show,
    )
    finish(result, as_json)


@app.command()
def explain(
    what: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE|APP]", help=f"{_WHAT} Without it, the Python image.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Show what is in an image and what is not, by the linker's map, and audit its instructions."""
    from nexus.unikernel.explain import explain as explained

    found = explained(_image(what))
    if as_json:
        output.as_json(found.as_dict())
        return
    _show(found)


@app.command()
def doctor(as_json: output.JsonFlag = False) -> None:
    """Say which backends work here, and what mends the others. Exit status 1 where no code can be run."""
    from nexus.unikernel.doctor import report

    found = report()
    if as_json:
        output.as_json(found.as_dict())
    else:
        for title, looks in (
            ("backends, in the order in which auto tries them", found.backends),
            ("fallback for code that needs CPython's packages", (found.fallback,)),
            ("image of the Python interpreter", (found.image,)),
            ("building images", found.building),
        ):
            output.data(title)
            for look in looks:
                _line(look)
        output.data(f"auto takes {found.auto}" if found.auto else "no backend works here")
    if not found.works:
        raise typer.Exit(1)


def _line(look: Preflight) -> None:
    output.data(f"  {'ok     ' if look.works else 'missing'} {look.backend:<11} {look.detail}")
    if not look.works and look.mend:
        output.data(f"          mend: {look.mend}")


@app.command()
def bench(
    runs: Annotated[int, typer.Option("--runs", "-n", min=1, max=10_000, help="Runs of each.")] = 20,
    as_json: output.JsonFlag = False,
) -> None:
    """Measure `print("hi")` from start to exit, by each backend that works here."""
    from nexus.unikernel.startup import measured

    rows = []
    for row in measured(runs):
        rows.append(row)
        if not as_json:
            if row.problem:
                output.data(f"{row.backend:<11} {row.problem}")
            else:
                output.data(
                    f"{row.backend:<11} p50 {row.p50 * 1e3:8.2f} ms   least {row.least * 1e3:8.2f} ms"
                    f"   most {row.most * 1e3:8.2f} ms   ({row.runs} runs)"
                )
    if as_json:
        output.as_json([row.as_dict() for row in rows])


def _image(what: Path | None) -> Image:
    """The image in a folder, or of an application, built where it is not in the cache."""
    from nexus.core.errors import NotFoundError
    from nexus.unikernel import builder
    from nexus.unikernel.images import opened

    if what is None:
        return builder.python_image()
    if not what.is_dir():
        with _working("building"):
            return _built(what, None)
    image = opened(what)
    if image is None:
        raise NotFoundError(f"{what} is no whole image", hint="nexus unikernel build APP -o FOLDER")
    return image


def _built(source: Path | None, to: Path | None) -> Image:
    from nexus.core.errors import InvalidInputError, NotFoundError
    from nexus.unikernel import builder

    if source is None or source.suffix == ".py":
        try:
            builder.python_image()
        except NotFoundError:
            output.talk(f"{_FIRST} (a minute, once)")
        return builder.build_python(source, to)
    if source.suffix != ".c":
        raise InvalidInputError(f"{source} is neither a .c nor a .py file, nor a folder with an image")
    return builder.build_c(source, to)


def _disk(name: str) -> tuple[Path, bool]:
    from nexus.cli.sandbox import absolute

    writable = name.endswith(":rw")
    return absolute(Path(name.removesuffix(":rw") if writable else name.removesuffix(":ro"))), writable


def _working(doing: str) -> Any:
    """A sign of life on stderr; nothing where that is no terminal."""
    from rich.console import Console

    return Console(stderr=True).status(doing)


def _show(found: Explanation) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "", "bytes", "zeros", "what it is", box=None, header_style="bold", pad_edge=False)
    for column in (2, 3):
        table.columns[column].justify = "right"
    for part in found.parts:
        state = "present" if part.present else "absent"
        style = "" if part.present else "dim"
        table.add_row(part.name, state, f"{part.size:,}", f"{part.zeros:,}", part.what, style=style)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)
    console.print()
    for line in found.verdicts:
        console.print(line, markup=False, soft_wrap=True)
    if found.audit:
        way_in = [f"{number} {kind}" for kind, number in found.audit.boot.items() if number]
        if way_in:
            console.print(f"the way in from a 32-bit loader (.boot): {', '.join(way_in)}", markup=False)

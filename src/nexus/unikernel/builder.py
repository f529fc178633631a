"""From an application to an image, through the cache.

What a compiler does is in `toolchain`, MicroPython in `port`, lwIP in `lwip`. Invariant: an image's key names
all that went into it; equal inputs give the folder that is there already.
"""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from nexus.core.errors import NotFoundError, StorageError
from nexus.unikernel import cache, lwip
from nexus.unikernel.images import ABOUT, ELF, LIBRARY, MAIN, MAP, Image, opened
from nexus.unikernel.toolchain import BuildError, Toolchain, libos

BUILD_PYTHON = "nexus unikernel build"
# A call of what does not exist is the compiler's error, with its line, not the linker's.
_APP = ("-Wall", "-Werror=implicit-function-declaration", "-Werror=int-conversion")
_FILES = (ELF, MAP, LIBRARY, MAIN, ABOUT)


def build_c(source: Path, folder: Path | None = None) -> Image:
    """Compile one C file against nx.h into an image; into `folder` (made or overwritten) where one is given.

    Raises `NotFoundError` for the file, `BuildError` with the compiler's first error, `MissingPartError`
    where there is no compiler, `StorageError`.
    """
    source = source.resolve()
    if not source.is_file():
        raise NotFoundError(f"there is no file {source}")
    toolchain = Toolchain.find()
    inputs: list[bytes | str] = [
        *toolchain.inputs,
        *_libos("core", "include", "net"),
        *_modules("lwip", "sources"),
    ]
    key = cache.key(["c", *inputs, toolchain.preprocessed(source)])

    def make(to: Path) -> None:
        parts = to / "objects"
        parts.mkdir()
        app = toolchain.compile(source, parts / "app.o", *_APP)
        archives = [_core(toolchain)]
        if lwip.needed(toolchain.undefined(app)):
            archives.insert(0, _network(toolchain))
        toolchain.link([app], archives, to)
        _describe(to, "c", key)

    return _given(cache.kept(key, make), folder)


def build_python(app: Path | None = None, folder: Path | None = None) -> Image:
    """The Python image; with `app`, one that runs this file where it is given nothing else to run.

    Raises as `python_image`, and `BuildError` for a file that is not Python.
    """
    image = python_image(build=True)
    if app is None:
        return _given(image.folder, folder)
    try:
        code = app.read_bytes()
        compile(code, app.name, "exec", dont_inherit=True)
    except OSError as error:
        raise NotFoundError(f"{app}: {error.strerror}") from error
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise BuildError(f"{app.name}{line}: {error.msg}") from error
    except ValueError as error:  # NUL, or not UTF-8
        raise BuildError(f"{app.name}: {error}") from error
    key = cache.key(["app", image.key, code])

    def make(to: Path) -> None:
        _copy(image.folder, to)
        (to / MAIN).write_bytes(code)
        _describe(to, "python", key)

    return _given(cache.kept(key, make), folder)


def python_image(build: bool = False, base: Path | None = None) -> Image:
    """The image of the Python interpreter with its library, from the cache (`base`: another folder for it).

    With `build`, it is built where it is missing: a minute, and the sources of MicroPython. Without, only
    what these sources gave before is looked for, so no compiler is needed. Raises `NotFoundError` with the
    command that builds it, otherwise as `build_c`.
    """
    base = cache.root() if base is None else base
    sources = _python_sources()
    if not build:
        found = _with_sources(base, sources)
        if found is None:
            raise NotFoundError("the Python image is not built yet", hint=f"build it: {BUILD_PYTHON}")
        return found
    toolchain = Toolchain.find()
    key = cache.key([sources, *toolchain.inputs])

    def make(to: Path) -> None:
        from nexus.unikernel import port

        port.build(to, toolchain)
        _describe(to, "python", key, sources)

    return _given(cache.kept(key, make, base), None)


@functools.cache  # a sandbox asks each time; while a process runs its sources stay what they are
def _python_sources() -> str:
    parts = [*_libos("core", "include", "micropython"), *_modules("port", "micropython", "sources")]
    return cache.key([b"python", *parts])


def _core(toolchain: Toolchain) -> Path:
    """The core's archive, compiled once."""
    key = cache.key(["core", *toolchain.inputs, *_libos("core", "include")])
    return _archive(f"core-{key}", toolchain.core_archive)


def _network(toolchain: Toolchain) -> Path:
    """The network's archive, compiled once."""
    key = cache.key(
        ["net", *toolchain.inputs, *_libos("core", "include", "net"), *_modules("lwip", "sources")]
    )
    return _archive(f"net-{key}", lambda folder: lwip.archive(toolchain, folder))


def _archive(name: str, make: Callable[[Path], Path]) -> Path:
    def made(folder: Path) -> None:
        _only(folder, make(folder).name)

    return next(cache.kept(name, made).glob("*.a"))


def _only(folder: Path, *names: str) -> None:
    """What else a build left in its folder is not kept."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in names:
            path.unlink()


def _libos(*parts: str) -> Iterator[bytes]:
    """Names and contents of the LibOS's sources, in these folders."""
    for part in parts:
        yield part.encode()
        yield from cache.tree(libos() / part)


def _modules(*names: str) -> Iterator[bytes]:
    """Our own build rules, which say which foreign sources are used and how."""
    for name in names:
        path = Path(__file__).with_name(f"{name}.py")
        yield path.read_bytes() if path.exists() else b""


def _describe(folder: Path, kind: str, key: str, sources: str = "") -> None:
    about = {"kind": kind, "key": key} | ({"sources": sources} if sources else {})
    _only(folder, *_FILES)
    (folder / ABOUT).write_text(json.dumps(about) + "\n")


def _with_sources(base: Path, sources: str) -> Image | None:
    """An image that was built from these sources, by whatever compiler; the newest."""
    found = []
    for about in base.glob(f"*/{ABOUT}"):
        try:
            if json.loads(about.read_text()).get("sources") == sources:
                found.append((about.stat().st_mtime, about.parent))
        except (OSError, ValueError, AttributeError):
            continue
    return opened(max(found)[1]) if found else None


def _given(built: Path, folder: Path | None) -> Image:
    """The image, or a copy of it in the folder asked for."""
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _copy(built, folder)
        except OSError as error:
            raise StorageError.from_os(error, folder) from error
        built = folder
    image = opened(built)
    if image is None:
        raise StorageError(f"{built} is not a whole image", hint="delete this folder and build again")
    return image


def _copy(built: Path, folder: Path) -> None:
    (folder / ABOUT).unlink(missing_ok=True)  # not whole from here on
    for name in _FILES:
        if (built / name).exists():
            shutil.copy(built / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)

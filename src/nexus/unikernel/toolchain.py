"""The C compiler as guests need it: flags, the core as an archive, and the link to an image.

Knows nothing of caches, Python or networks. Invariant: one archive member per source file of the core, so
that the linker decides what an image holds; equal sources give equal images, wherever they are built.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nexus.core.errors import MissingPartError, NexusError, NotFoundError
from nexus.unikernel.images import ELF, MAP

INSTALL = "install a C compiler: apt install gcc binutils (dnf install gcc binutils)"
_CODE = (
    "-std=gnu11 -O2 -flto -ffreestanding -fbuiltin -static -fno-pic -fno-pie -mcmodel=small -mno-red-zone"
    " -march=x86-64 -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables"
    " -fno-unwind-tables -ffunction-sections -fdata-sections -fno-common -frandom-seed=nexus"
)
_WARNINGS = ("-Wall", "-Wextra", "-Werror")
# What the compiler calls of its own accord: outside of LTO, never as a call of itself (memory.c says why).
_NOT_LTO = {"memory.c", "string.c"}
_PLAIN = ("-fno-lto", "-fno-builtin", "-fno-tree-loop-distribute-patterns")
_LINK = (
    "-nostdlib -static -no-pie -fuse-linker-plugin -flto=1 -flto-partition=one -Wl,-s -Wl,--gc-sections"
    " -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--orphan-handling=error"
)
_HAVE = "guests have nx.h, <string.h> and the compiler's own headers, no other library"
_ASIDE = re.compile(r" (warning|note): |: In function |: in function ")
_PLACE = re.compile(r"^(\S*/ld: )?(\S*:\(\.[^)]*\): )?")
_TEMPORARY = re.compile(r"\S*/cc\w+(?=\.ltrans\d*\.)")


class BuildError(NexusError):
    """An application or a part of an image does not compile or link; the message is the first error."""

    code = "build_failed"
    exit_status = 2
    http_status = 422


def libos() -> Path:
    """The folder of the LibOS's C sources. Raises `NotFoundError` where this installation has none."""
    package = Path(__file__).resolve().parent
    for folder in (package / "libos", package.parents[2] / "native" / "libos"):
        if (folder / "include" / "nx.h").is_file():
            return folder
    raise NotFoundError(
        f"the LibOS's sources are not beside {package}", hint="build images from a checkout of NexusOS"
    )


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler that makes guests. `Toolchain.find()` gives this machine's."""

    cc: str
    ar: str
    nm: str
    version: str
    headers: str  # the compiler's own: stddef.h, stdint.h, stdarg.h

    @classmethod
    def find(cls) -> Toolchain:
        """gcc for x86-64 in PATH. Raises `MissingPartError` with the command that installs it."""
        for prefix in ("", "x86_64-linux-gnu-"):
            cc, ar, nm = (shutil.which(prefix + name) for name in ("gcc", "gcc-ar", "gcc-nm"))
            if cc and ar and nm and _asked(cc, "-dumpmachine").startswith("x86_64"):
                version = _asked(cc, "--version").partition("\n")[0]
                return cls(cc, ar, nm, version, _asked(cc, "-print-file-name=include"))
        raise MissingPartError("there is no gcc for x86-64 in PATH", hint=INSTALL)

    @property
    def flags(self) -> tuple[str, ...]:
        """How every C file of an image is compiled: with nx.h and <string.h>, without the system's."""
        root = libos()
        include = ("-nostdinc", f"-I{root / 'include'}", "-isystem", str(root / "core" / "libc"))
        return (*_CODE.split(), *include, "-isystem", self.headers)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What decides on the code besides the sources: parts of a cache's key."""
        return (self.version, _CODE, _LINK, *_PLAIN, *sorted(_NOT_LTO))

    def preprocessed(self, source: Path) -> bytes:
        """A C file with everything that it includes, as the compiler sees it. Raises `BuildError`."""
        return self._run([self.cc, *self.flags, _named(source), "-E", "-P", str(source)])

    def undefined(self, compiled: Path) -> set[str]:
        """The names that a compiled file asks others for."""
        names = self._run([self.nm, "-u", str(compiled)]).decode().split()
        return {name for name in names if name != "U"}

    def compile(self, source: Path, to: Path, *more: str) -> Path:
        """Compile one .c or .S file. Raises `BuildError`."""
        self._run([self.cc, *self.flags, _named(source), *more, "-c", "-o", str(to), str(source)])
        return to

    def archive(self, objects: Sequence[Path], to: Path) -> Path:
        """An archive of compiled files, dates and owners left out. Raises `BuildError`."""
        to.unlink(missing_ok=True)
        self._run([self.ar, "rcsD", str(to), *map(str, objects)])
        return to

    def core_archive(self, folder: Path) -> Path:
        """The core, compiled into `folder`/libnx.a: a member for each source file."""
        core = libos() / "core"
        folder.mkdir(parents=True, exist_ok=True)
        objects = []
        for source in sorted([*core.glob("*.c"), *core.glob("*.S")]):
            more = _PLAIN if source.name in _NOT_LTO else ()
            objects.append(self.compile(source, folder / f"{source.name}.o", *_WARNINGS, *more))
        return self.archive(objects, folder / "libnx.a")

    def link(self, objects: Sequence[Path], archives: Sequence[Path], folder: Path) -> None:
        """Link `folder`/image.elf, stripped, and its map. Archives may need each other."""
        core = libos() / "core"
        self._run(
            [
                *(self.cc, *self.flags, *_LINK.split()),
                *(f"-Wl,-T,{core / 'image.ld'}", f"-Wl,-Map={folder / MAP}", "-o", str(folder / ELF)),
                *map(str, objects),
                *("-Wl,--start-group", *map(str, archives), "-lgcc", "-Wl,--end-group"),
            ],
            folder,
        )
        text = (folder / MAP).read_text()
        text = _TEMPORARY.sub("lto", text)
        for path in (*objects, *archives, folder / ELF, core / "image.ld"):
            text = text.replace(str(path), path.name)
        (folder / MAP).write_text(text)

    def _run(self, argv: list[str], folder: Path | None = None) -> bytes:
        # In the language that _first_error reads; nothing else of the environment steers a build.
        environment = {name: os.environ[name] for name in ("PATH", "TMPDIR", "HOME") if name in os.environ}
        try:
            done = subprocess.run(
                argv,
                cwd=folder,
                env=environment | {"LC_ALL": "C.UTF-8"},
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise MissingPartError(f"{argv[0]} does not start: {error.strerror}", hint=INSTALL) from error
        if done.returncode != 0:
            why = _first_error(done.stderr.decode(errors="replace"), argv)
            unknown = "undefined reference" in why or "No such file" in why
            raise BuildError(why, hint=_HAVE if unknown else "")
        return done.stdout


def _named(source: Path) -> str:
    # __FILE__ is the same on every machine: the name alone.
    return f"-ffile-prefix-map={source.parent}/="


def _first_error(text: str, argv: Sequence[str]) -> str:
    """The line that says why, without the linker's own name and places in files that nobody knows."""
    lines = [line.strip() for line in text.splitlines() if not line.startswith("collect2:")]
    for mark in (" error: ", "undefined reference", "multiple definition", ""):
        for line in lines:
            if mark in line and not _ASIDE.search(line):
                return _PLACE.sub("", line)
    return f"{Path(argv[0]).name} failed and said nothing"


@cache
def _asked(cc: str, option: str) -> str:
    done = subprocess.run([cc, option], capture_output=True, text=True, check=False)
    return done.stdout.strip()

"""The Python image: MicroPython with our port of it, and the library that goes with it.

`build(folder, toolchain)` compiles native/libos/micropython against the pinned source (sources.py) and the
core; beside it a host program, mpy-cross, which compiles the library's modules. Invariant: equal sources give
equal files, wherever they are built.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nexus.core import atomic
from nexus.core.paths import Home
from nexus.unikernel import abi, sources
from nexus.unikernel.images import LIBRARY
from nexus.unikernel.micropython import Tree, headers, in_parallel
from nexus.unikernel.toolchain import BuildError, Toolchain, libos

_EXTMOD = "modasyncio modbinascii moddeflate modhashlib modheapq modjson modrandom modre"
_LIBM = (
    "__cos __expo2 __rem_pio2 __rem_pio2_large __sin __tan acos acosh asin asinh atan atan2 atanh ceil"
    " copysign cos cosh erf exp expm1 floor fmod frexp ldexp lgamma log log10 log1p modf nearbyint pow rint"
    " round scalbn sin sinh tan tanh tgamma trunc"
)
_PLAIN = ("exp", "log", "log10", "pow")
# What runs most is compiled for speed, the rest for size.
_FAST = {
    *"argcheck bc gc map ordered_map mpz obj objboundmeth objclosure objdict objfloat objfun".split(),
    *"objgenerator objint objint_mpz objlist objstr objstrunicode objtuple objtype qstr runtime".split(),
    *"sequence smallint unicode vm vstr".split(),
    *("accurate_math float_digits float_text".split()),
}
_SHARED = ("float_digits", "float_mp", "float_text")  # parts of our port that mpy-cross needs too
_FOREIGN = ("-w", "-std=gnu11")  # not our code, so not our warnings
_WARNINGS = ("-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True, slots=True)
class Parts:
    """What an image of Python is linked from, and the library beside it."""

    objects: tuple[Path, ...]
    archives: tuple[Path, ...]
    library: Path


def port() -> Path:
    """The folder of our port's C sources."""
    return libos() / "micropython"


def build(folder: Path, toolchain: Toolchain, home: Home | None = None) -> None:
    """Make image.elf, image.map and library.nxa in `folder`.

    Raises `BuildError`, and what `sources.unpacked` raises where the source cannot be had.
    """
    parts = compiled(folder / "objects", toolchain, home)
    toolchain.link(parts.objects, parts.archives, folder)
    shutil.copyfile(parts.library, folder / LIBRARY)


def compiled(folder: Path, toolchain: Toolchain, home: Home | None = None) -> Parts:
    """Everything before the link, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tree = Tree.made(sources.unpacked("micropython", home), port() / "edits.toml", folder / "source")
    core = toolchain.core_archive(folder / "core")
    return Parts(
        tuple(_interpreter(tree, toolchain, folder / "guest")),
        (_libm(tree, toolchain, folder / "libm"), core),
        _library(_mpy_cross(tree, toolchain, folder / "host"), folder),
    )


def powers_of_ten(first: int = -342, last: int = 324) -> str:
    """The C header float_powers.h: 10**n cut to 128 bits whose highest is set, for float_digits.c."""
    rows = []
    for n in range(first, last + 1):
        above, below = (10**n, 1) if n >= 0 else (1, 10**-n)
        shift = 128 - (above.bit_length() - below.bit_length())
        value = (above << shift) // below if shift >= 0 else above // (below << -shift)
        value >>= value.bit_length() - 128
        rows.append(f"    {{{value >> 64:#x}u, {value & (2**64 - 1):#x}u}},\n")
    head = f"#define NX_POWERS_FIRST ({first})\n#define NX_POWERS_LAST {last}\n"
    return f"{head}static const uint64_t nx_powers[][2] = {{\n{''.join(rows)}}};\n"


def _interpreter(tree: Tree, toolchain: Toolchain, folder: Path) -> list[Path]:
    ours = sorted(port().glob("*.c"))
    theirs = [*tree.core, *tree.files("extmod", _EXTMOD)]
    include = [f"-I{port()}", "-isystem", str(port() / "libc"), "-isystem", str(tree.root), f"-I{folder}"]
    include += ["-DMICROPY_ROM_TEXT_COMPRESSION=0", "-DNDEBUG"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "float_powers.h").write_text(powers_of_ten())
    headers(
        tree,
        [toolchain.cc, *toolchain.flags, *include, "-w"],
        [*theirs, *ours],
        port() / "qstrdefsport.h",
        folder,
    )

    def one(source: Path) -> Path:
        warnings = _WARNINGS if source.parent == port() else _FOREIGN
        speed = "-O2" if source.stem in _FAST else "-Os"
        to = folder / f"{source.parent.name}-{source.stem}.o"
        return toolchain.compile(source, to, *include, *warnings, speed, "-fno-math-errno")

    return in_parallel([*theirs, *ours], one)


def _libm(tree: Tree, toolchain: Toolchain, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)

    flags = ("-isystem", str(port() / "libc"), *_FOREIGN, "-O2", "-ffp-contract=off", "-fno-builtin")

    def one(source: Path) -> Path:
        # Those that accurate_math.c does better keep to the special cases.
        plain = [f"-D{source.stem}=nx_plain_{source.stem}"] if source.stem in _PLAIN else []
        return toolchain.compile(source, folder / f"{source.stem}.o", *flags, *plain)

    return toolchain.archive(in_parallel(tree.files("lib/libm_dbl", _LIBM), one), folder / "libm.a")


def _mpy_cross(tree: Tree, toolchain: Toolchain, folder: Path) -> Path:
    """The library's compiler, a program of this machine."""
    ours = [port() / f"{name}.c" for name in _SHARED]
    own = [*tree.files("mpy-cross", "main gccollect"), *tree.files("shared/runtime", "gchelper_generic")]
    paths = [*tree.core, *own, *ours]
    include = [f"-I{path}" for path in (tree.root, tree.root / "mpy-cross", folder, port())]
    flags = [*include, '-DMP_CONFIGFILE="mpcrossport.h"', "-DNDEBUG", "-std=gnu11", "-O1", "-w"]
    flags += ["-ffunction-sections", "-fdata-sections"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "float_powers.h").write_text(powers_of_ten())
    headers(tree, [toolchain.cc, *flags], tree.core, port() / "qstrdefsport.h", folder)

    def one(source: Path) -> Path:
        to = folder / f"{source.parent.name}-{source.stem}.o"
        _ran([toolchain.cc, *flags, "-c", "-o", str(to), str(source)], folder)
        return to

    program = folder / "mpy-cross"
    objects = in_parallel(paths, one)
    _ran([toolchain.cc, "-Wl,--gc-sections", "-o", str(program), *map(str, objects), "-lm"], folder)
    return program


def _library(mpy_cross: Path, folder: Path) -> Path:
    """Every module below lib/, compiled, in one archive: "lib/statistics.mpy", "lib/urllib/request.mpy"."""
    root = port() / "lib"
    made = folder / "lib"
    made.mkdir(exist_ok=True)

    def one(source: Path) -> Path:
        name = source.relative_to(root.parent)
        to = made / f"{'-'.join(name.parts)}.mpy"
        _ran([str(mpy_cross), "-s", name.as_posix(), "-o", str(to), str(source)], folder)
        return to

    paths = sorted(root.rglob("*.py"))
    names = [path.relative_to(root.parent).with_suffix(".mpy").as_posix() for path in paths]
    compiled_files = in_parallel(paths, one)
    modules = [abi.Module(name, path.read_bytes()) for name, path in zip(names, compiled_files, strict=True)]
    atomic.write_bytes(folder / LIBRARY, abi.archive(modules))
    return folder / LIBRARY


def _ran(argv: Sequence[str], folder: Path) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "undefined ref" in line or " error: " in line]
        raise BuildError((lines or done.stderr.splitlines() or [f"{argv[0]}: status {done.returncode}"])[0])

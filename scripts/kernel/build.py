"""Builds for guests: kernel modules against unpacked headers, and static programs.

Knows make and gcc; not what is built. Invariant: sources are copied first; nothing is made beside them.
What is younger than its sources is not made again.
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.kernel.packages import Kernel, need

GENERATED = shutil.ignore_patterns(
    "*.o", "*.ko", "*.mod", "*.mod.c", "*.cmd", "Module.symvers", "modules.order"
)


class BuildError(Exception):
    """What the compiler said."""


def module(kernel: Kernel, sources: Sequence[Path], folder: Path, *, make_in: str = ".") -> list[Path]:
    """Build a module for a kernel: `sources` are copied into `folder`, the Kbuild file is in `make_in` there.

    Gives the modules that were made. Warnings are errors.
    """
    need("make", "make")
    where = (folder / make_in).resolve()
    made = sorted(where.glob("*.ko"))
    inputs = [path for source in sources for path in source.rglob("*") if path.is_file()]
    if made and all(_made(path, [*inputs, Path(__file__)]) for path in made):
        return made
    compiler = need("gcc-12", "gcc-12") if shutil.which("gcc") is None else "gcc"
    shutil.rmtree(folder, ignore_errors=True)
    for source in sources:
        shutil.copytree(source, folder / source.name if make_in != "." else folder, ignore=GENERATED)
    command = ["make", "-s", f"-j{os.cpu_count() or 1}", "-C", str(kernel.headers.resolve())]
    command += [f"M={where}", f"CC={compiler}", "W=1"]
    # Type information for BPF needs pahole and the kernel's vmlinux; modules load without it.
    _run([*command, "KCFLAGS=-Werror", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"])
    made = sorted(where.glob("*.ko"))
    if not made:
        raise BuildError(f"{where}: make gave no module")
    return made


def program(
    sources: Sequence[Path],
    target: Path,
    *,
    include: Sequence[Path] = (),
    define: Sequence[str] = (),
    libraries: Sequence[str] = (),
) -> Path:
    """A static program of C for the guest. `libraries` are the compiler's last words, such as -lzstd."""
    compiler = need("gcc", "gcc")
    headers = [
        path for folder in (*include, *{path.parent for path in sources}) for path in folder.glob("*.h")
    ]
    if _made(target, [*sources, *headers, Path(__file__)]):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-std=gnu11", "-O2", "-g0", "-Wall", "-Wextra", "-Werror", "-static", "-pthread"]
    flags += [*(f"-I{path}" for path in include), *(f"-D{name}" for name in define)]
    _run([compiler, *flags, "-o", str(target), *map(str, sources), *libraries])
    return target


def with_needed(kernel: Kernel, names: Sequence[str]) -> list[tuple[str, bytes]]:
    """Modules of the kernel and what they need, in the order of loading; those built in are left out."""
    if kernel.modules is None:
        return []
    paths = {_plain(path.name): path for path in kernel.modules.rglob("*.ko*")}
    order: dict[str, bytes] = {}

    def visit(name: str) -> None:
        name = name.replace("-", "_")
        if name in order or name not in paths:
            return
        path = paths[name]
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
        for other in needs(data):
            visit(other)
        order[name] = data

    for name in names:
        visit(name)
    return list(order.items())


def needs(data: bytes) -> list[str]:
    """The modules that a module names as needed."""
    found = re.search(rb"\0depends=([^\0]*)\0", data)
    return [name for name in found[1].decode().split(",") if name] if found else []


def _made(target: Path, inputs: Sequence[Path]) -> bool:
    """Whether the target is there and younger than all that it is made from."""
    return target.exists() and all(path.stat().st_mtime < target.stat().st_mtime for path in inputs)


def _plain(name: str) -> str:
    return name.split(".ko")[0].replace("-", "_")


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = (done.stdout + done.stderr).strip()
        raise BuildError(f"{command[0]}: {words[-3000:]}")

"""Debian's kernels, with what modules are built against, unpacked below a folder; nothing is installed.

A series ("6.1", "6.12") stands for the newest kernel of it that apt offers. What is fetched lies in
FOLDER/RELEASE and is fetched once for a release. Knows apt and dpkg; knows neither QEMU nor what a kernel is
used for. Invariant: a folder that bears the mark `done` is whole.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DONE = "done"
_FETCHING = threading.Lock()
META = {"6.1": "linux-image{}-amd64", "6.12": "linux-image-6.12{}-amd64"}


class MissingError(Exception):
    """Something that this machine lacks; the text says what, and how it is to be had."""


@dataclass(frozen=True)
class Kernel:
    """A kernel that can be booted, and modules that can be built for it and loaded into it."""

    release: str
    image: Path
    headers: Path  # what `make -C` is given
    modules: Path | None  # its own modules; None: it has none


def need(program: str, package: str) -> str:
    """The path of a program, or MissingError with the package that has it."""
    found = shutil.which(program)
    if found is None:
        raise MissingError(f"{program} is missing: apt-get install {package}")
    return found


def debian_kernel(series: str, folder: Path, flavour: str = "cloud") -> Kernel:
    """The newest kernel of a series, with its modules and headers. `flavour`: "cloud", or "": all drivers."""
    suffix = f"-{flavour}" if flavour else ""
    image = _newest(META[series].format(suffix))
    release = image.removeprefix("linux-image-")
    home = folder / release
    if not (home / DONE).exists():
        headers = f"linux-headers-{release}"
        depends = _depends(headers)
        kbuild = [name for name in depends if name.startswith("linux-kbuild-")]
        shared = [name for name in depends if name.endswith("-common")]
        if not kbuild or not shared:
            raise MissingError(f"{headers} names no kbuild and no common headers")
        fetch([image, headers, *kbuild, *shared], home)
        source = home / "usr" / "src"
        makefile = source / headers / "Makefile"
        # The one absolute path in the headers.
        makefile.write_text(re.sub(r"(?<![\w.])/usr/src/", f"{source.resolve()}/", makefile.read_text()))
        (home / DONE).touch()
    return Kernel(
        release,
        home / "boot" / f"vmlinuz-{release}",
        home / "usr" / "src" / f"linux-headers-{release}",
        home / "lib" / "modules" / release,
    )


def own_kernel(tree: Path) -> Kernel:
    """A kernel built in its own tree (scripts/kernel/debug.sh): its headers are the tree; no modules."""
    image = tree / "arch" / "x86" / "boot" / "bzImage"
    if not image.exists():
        raise MissingError(f"{image} is missing: scripts/kernel/debug.sh builds it")
    release = (tree / "include" / "config" / "kernel.release").read_text().strip()
    return Kernel(release, image, tree, None)


def busybox(folder: Path) -> Path:
    """Debian's static busybox, unpacked. Machines that start at the same time wait for one fetch: who read it
    half unpacked would boot an /init that dies."""
    home = folder / "busybox-static"
    with _FETCHING:
        if not (home / DONE).exists():
            fetch(["busybox-static"], home)
            (home / DONE).touch()
    return home / "bin" / "busybox"


def fetch(packages: Sequence[str], home: Path) -> None:
    """Download packages and unpack them into `home`."""
    need("apt-get", "apt")
    need("dpkg", "dpkg")
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        command = ["apt-get", "-qq", "download", *packages]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        files = sorted(Path(scratch).glob("*.deb"))
        if done.returncode != 0 or len(files) != len(packages):
            words = done.stderr.strip().splitlines()
            raise MissingError(f"apt-get download {' '.join(packages)}: {words[-1] if words else 'failed'}")
        for file in files:
            subprocess.run(["dpkg", "-x", str(file), str(home)], check=True)


def _newest(meta: str) -> str:
    names = [name for name in _depends(meta) if re.match(r"linux-image-\d", name)]
    if not names:
        raise MissingError(f"apt knows no {meta}: this needs the package lists of Debian 12 (apt-get update)")
    return names[0]


def _depends(package: str) -> list[str]:
    need("apt-cache", "apt")
    command = ["apt-cache", "depends", package]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return re.findall(r"^\s*\|?Depends: (\S+)", listing, re.MULTILINE)

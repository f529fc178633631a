"""Every native source is named in a CMake list: a file that is forgotten there is neither built nor run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.architecture.test_files import ROOT, files

COMPILED = {".c", ".cc", ".cpp"}
FOLDERS = ("native/", "tests/native/")  # what benches compile, they name themselves
# Guests are no programs of this machine: nexus.unikernel compiles all that lies in these folders.
# Kernel code is named in its Kbuild; what runs in a guest of ours is compiled by scripts/kernel.
KERNEL_GUESTS = (
    "native/agentmem/kmod/test/",
    "native/agentmem/patches/",
    "tests/native/agentmem/unvme/",
)
GUESTS = tuple(f"native/libos/{part}/" for part in ("core", "apps", "net", "micropython"))


def unlisted(root: Path) -> list[str]:
    """Sources below `root` that no CMake file above them names, and CMake files that search for sources."""
    cmake = {
        path: path.read_text()
        for path in files(root)
        if path.name in ("CMakeLists.txt", "Kbuild") or path.suffix == ".cmake"
    }
    found = [
        f"{path.relative_to(root)} searches for its sources: name them, as a search misses what comes later"
        for path, text in cmake.items()
        if re.search(r"\bfile\(\s*GLOB", text)
    ]
    words = {path: set(re.findall(r"[\w-]+", text)) for path, text in cmake.items()}
    for path in files(root):
        name = path.relative_to(root).as_posix()
        if path.suffix not in COMPILED or not name.startswith(FOLDERS) or "vendor" in path.parts:
            continue
        if name.startswith(GUESTS + KERNEL_GUESTS):
            continue
        if not any(path.stem in words[near] for near in cmake if path.is_relative_to(near.parent)):
            found.append(f"{name} is in no CMake list")
    return found


def test_every_native_source_is_listed() -> None:
    assert unlisted(ROOT) == []


def test_a_source_that_is_not_listed_is_found(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    folder = tmp_path / "native"
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text("file(GLOB all *.c)\nadd_executable(one one.c)\n")
    (folder / "one.c").touch()
    (folder / "two.c").touch()
    assert sorted(line.split()[0] for line in unlisted(tmp_path)) == ["native/CMakeLists.txt", "native/two.c"]

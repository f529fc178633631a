"""MicroPython's source made ready to compile: our edits applied, its generated headers made.

A `Tree` is the pinned source with the edits of native/libos/micropython/edits.toml; `headers` makes what its
make files would (interned strings, module list, root pointers, version), with its own programs. Knows nothing
of guests. Invariant: an edit that does not fit exactly once is an error, never left out.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

from nexus.unikernel.toolchain import BuildError

VERSION = "1.25.0"
_WITHOUT = re.compile(
    r"asm|emitn|emitinline|nlr(?!\.|x64)|objint_longlong|frozenmod|formatfloat|mpthread|modthread|profile|showbc|pystack"
)
_HEADER = """\
#define MICROPY_GIT_TAG "v{version}"
#define MICROPY_GIT_HASH "<no hash>"
#define MICROPY_BUILD_DATE "{date}"
"""
_DATE = "2025-04-15"  # of the release; equal sources give equal images


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: `find` stands exactly once in `file`, or `count` times, and becomes `replace`."""

    file: str
    why: str
    find: str
    replace: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Tree:
    """An edited copy of the source."""

    root: Path

    @classmethod
    def made(cls, source: Path, edits: Path, root: Path) -> Tree:
        """Copy `source` to `root` and edit it there. Raises `BuildError` for an edit that does not fit."""
        shutil.copytree(source, root, dirs_exist_ok=True)
        for edit in read_edits(edits):
            path = root / edit.file
            text = path.read_text()
            if text.count(edit.find) != edit.count:
                raise BuildError(
                    f"{edits.name}: {edit.find.strip()!r} is not {edit.count} times in {edit.file}"
                )
            path.write_text(text.replace(edit.find, edit.replace))
        return cls(root)

    @property
    def core(self) -> list[Path]:
        """The interpreter and compiler, without machine code emitters."""
        return [path for path in sorted((self.root / "py").glob("*.c")) if not _WITHOUT.match(path.name)]

    def files(self, folder: str, names: str) -> list[Path]:
        """Sources by name, without their suffix, parted by spaces."""
        return [self.root / folder / f"{name}.c" for name in names.split()]


def read_edits(path: Path) -> Iterator[Edit]:
    """The edits of a file, in order."""
    for row in tomllib.loads(path.read_text())["edit"]:
        yield Edit(
            **{key: value.strip("\n") if key in ("find", "replace") else value for key, value in row.items()}
        )


def in_parallel(jobs: Sequence[Path], work: object) -> list[Path]:
    """`work` for each of `jobs`, as many at once as there are processors; results in order."""
    assert callable(work)
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        return list(pool.map(work, jobs))


def headers(tree: Tree, cpp: Sequence[str], sources: Sequence[Path], strings: Path, folder: Path) -> None:
    """Make `folder`/genhdr for these sources.

    `cpp` is the compiler with all its flags; `strings` our own qstrs. Raises `BuildError`
    where the preprocessor fails.
    """
    made = folder / "genhdr"
    made.mkdir(parents=True, exist_ok=True)
    (made / "mpversion.h").write_text(_HEADER.format(version=VERSION, date=_DATE))
    batches = [list(sources[i::4]) for i in range(4) if sources[i::4]]
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        texts = pool.map(lambda batch: _preprocessed([*cpp, "-DNO_QSTR", "-E", *map(str, batch)]), batches)
        (made / "all.i").write_text("".join(texts))
    for mode in ("qstr", "module", "root_pointer"):
        _python(tree, "makeqstrdefs.py", "split", mode, made / "all.i", made / mode, "_")
        _python(tree, "makeqstrdefs.py", "cat", mode, "_", made / mode, made / f"{mode}.collected")
    (made / "moduledefs.h").write_text(_python(tree, "makemoduledefs.py", made / "module.collected"))
    (made / "root_pointers.h").write_text(
        _python(tree, "make_root_pointers.py", made / "root_pointer.collected")
    )
    (made / "qstrdefs.preprocessed.h").write_text(_defined(tree, cpp, strings, made / "qstr.collected"))
    (made / "qstrdefs.generated.h").write_text(
        _python(tree, "makeqstrdata.py", made / "qstrdefs.preprocessed.h")
    )


def _defined(tree: Tree, cpp: Sequence[str], strings: Path, collected: Path) -> str:
    """The string definitions with their conditions resolved; quoted meanwhile, for the preprocessor."""
    paths = (tree.root / "py" / "qstrdefs.h", strings, collected)
    lines = itertools.chain.from_iterable(path.read_text().splitlines() for path in paths)
    quoted = "".join(f'"{line}"\n' if line.startswith("Q(") else f"{line}\n" for line in lines)
    text = _preprocessed([*cpp, "-E", "-P", "-x", "c", "-"], '#include "py/mpconfig.h"\n' + quoted)
    return re.sub(r'^"(Q\(.*\))"', r"\1", text, flags=re.MULTILINE)


def _preprocessed(argv: list[str], text: str = "") -> str:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(
            next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:500])
        )
    return done.stdout


def _python(tree: Tree, program: str, *words: str | Path) -> str:
    """One of MicroPython's own programs; what it prints."""
    argv = [sys.executable, "-S", "-E", str(tree.root / "py" / program), *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{program}: {done.stderr.strip()[-500:]}")
    return done.stdout

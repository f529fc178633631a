"""Which files are not worth reading or keeping: what programs make for themselves, for a moment or again.

Judges by the path alone, so that it may be asked within a request. Invariant: a pure function of the path;
what is ignored is stored and shown like any file, only neither indexed nor versioned.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePosixPath

from nexus.cortex.secret_rules.files import refused_name

# Folders: those of nexus.cortex.reader, of version control, of package managers and of desktops.
_FOLDERS = """
.git .hg .svn .bzr .jj .sl node_modules bower_components __pycache__ .venv venv .tox .nox .eggs .mypy_cache
.ruff_cache .pytest_cache .hypothesis .ipynb_checkpoints .gradle .terraform .next .nuxt .svelte-kit
.parcel-cache .cache .cortex .idea .DS_Store Thumbs.db desktop.ini lost+found .Trash .Trash-[0-9]+ .Trashes
.Spotlight-V100 .fseventsd CMakeFiles
""".split()
# Files: editors' swap and backup, locks, temporary names of git, sed, browsers, office suites and desktops,
# SQLite's companions, what compilers make.
_NAMES = r"""
.*\.sw[a-z] | 4913 | .*~ | \.\#.* | \#.*\# | .*\.lock | \.~lock\..*\# | ~\$.* | \._.*
.*-(?:wal|shm|journal) | tmp_(?:obj|idx|pack|rev)_.* | .*\.(?:tmp|temp|part|partial|crdownload|download)
\.goutputstream-.* | \.fuse_hidden.* | \.nfs[0-9a-f]+ | sed(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{6}
.*\.(?:py[co]|o|obj|a|so|dylib|dll|class|gcda|gcno|dwo)
"""


def _pattern() -> re.Pattern[bytes]:
    folders = "|".join(one if one.endswith("+") and "[" in one else re.escape(one) for one in _FOLDERS)
    names = "|".join(one for line in _NAMES.split("\n") for one in re.split(r" \| ", line) if one)
    return re.compile(rf"(?:.*/)?(?:(?:{folders})(?:/.*)?|(?:{names}))".encode(), re.DOTALL)


_IGNORED = _pattern()


@lru_cache(maxsize=4096)
def ignored(path: bytes) -> bool:
    """Whether the file or folder at this path under files/ is left out of index and history."""
    return _IGNORED.fullmatch(path) is not None


@lru_cache(maxsize=4096)
def kept(path: bytes) -> bool:
    """Whether older contents of the file are kept: not of ignored ones, nor of those that are secrets by
    their name, which should be gone when they are removed."""
    return not ignored(path) and not refused_name(PurePosixPath(path.decode("utf-8", "replace")))

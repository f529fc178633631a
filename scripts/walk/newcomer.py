"""Who walks: a clone of one's own, and for each page a home in which nothing was ever set up.

Knows nothing of pages. What the first `make up` of a walk fetched and made (models, the caches of vectors and
of the sandbox's image) is given to the later homes: that changes the time they take, not what they print.
Invariant: nothing outside `folder` is written, and when a `Newcomer` is closed no process of it is left.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from scripts.walk.compare import Places
from scripts.walk.shell import Ran, Shell

ROOT = Path(__file__).resolve().parents[2]
READERS = Path(__file__).parent / "home"  # folders that a reader of the guides has
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How this machine reaches package indexes and speeds up compilers is its own affair.
_MACHINES = (
    *(
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "PIP_FIND_LINKS",
        "UV_FIND_LINKS",
    ),
    *("CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER", "CCACHE_DIR", "CCACHE_NOHASHDIR"),
)
_STOP_SECONDS = 10


class Newcomer:
    """One walk's folder: `nexusos` is the clone, `home-PAGE` a home, `first` what `make up` made first."""

    def __init__(self, folder: Path, models: str, model: str = "") -> None:
        self.folder = folder
        self.clone = folder / "nexusos"
        self._models, self._model = models, model
        self._first = folder / "first"
        self._home: Path | None = None
        self._port = 0
        self._shell: Shell | None = None

    def clone_it(self) -> str:
        """A clean clone of what is committed here; an older one is brought up to it. The commit's name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.clone / ".git").is_dir():
            _git("-C", str(self.clone), "fetch", "--quiet", "origin", "HEAD")
            _git("-C", str(self.clone), "reset", "--quiet", "--hard", "FETCH_HEAD")
        else:
            _git("clone", "--quiet", str(ROOT), str(self.clone))
        return _git("-C", str(self.clone), "rev-parse", "--short", "HEAD").strip()

    def arrive(self, page: str) -> None:
        """A new, empty home, and a shell in the clone."""
        self._home = self.folder / f"home-{page}"
        self.leave()
        shutil.copytree(READERS, self._home)
        # What the commands of an earlier page made in the clone; what `make up` made stays.
        _git("-C", str(self.clone), "clean", "-ffdxq", "-e", "/.venv", "-e", "/build")
        self._port = _free_port()
        cache = self._first / "cache"
        if cache.is_dir():
            shutil.copytree(cache, self._nexus_home / "cache", symlinks=True)
        self._shell = Shell(self._environment(), self.clone)

    @property
    def knows_models(self) -> bool:
        """Whether an earlier page of this walk has fetched what is needed."""
        return (self._first / "models").is_dir()

    @property
    def places(self) -> Places:
        """What stands for the home, the clone and the port."""
        return Places(str(self._home), str(self.clone), self._port)

    def run(self, command: str, timeout: float, answer: str = "", endless: bool = False) -> Ran:
        """Type it; the port that the pages name is this walk's own."""
        assert self._shell
        typed = command.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}")
        typed = typed.replace("localhost:8000", f"localhost:{self._port}")
        return self._shell.run(typed, timeout, answer, endless)

    def leave(self) -> None:
        """End all that was started in this home, and remove it; models and caches are kept for the next."""
        if self._shell:
            self._shell.close()
            self._shell = None
        if not self._home or not self._home.exists():
            return
        _end_all(self._home)
        _unmount(self._home)
        self._first.mkdir(exist_ok=True)
        for name in ("models", "cache"):
            if (self._nexus_home / name).is_dir() and not (self._first / name).exists():
                (self._nexus_home / name).rename(self._first / name)
        shutil.rmtree(self._home)

    @property
    def _nexus_home(self) -> Path:
        assert self._home
        return self._home / ".local" / "share" / "nexus"

    def _environment(self) -> dict[str, str]:
        given = {name: os.environ[name] for name in _MACHINES if name in os.environ}
        if self._models:
            given["NEXUS_MODELS_SEARCH_PATH"] = self._models
        if self._model:
            given["NEXUS_ENGINE_MODEL"] = self._model
        if self.knows_models:
            given["NEXUS_MODELS_FOLDER"] = str(self._first / "models")
        if "CCACHE_DIR" in given:
            given["CCACHE_BASEDIR"] = str(self.clone)
        return given | {
            "HOME": str(self._home),
            "PATH": _SYSTEM,
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "VIRTUAL_ENV_DISABLE_PROMPT": "1",
            "NEXUS_SERVICE_PORT": str(self._port),
        }


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _processes(home: Path) -> Iterator[int]:
    """Those that were started with this home in their environment."""
    mark = f"\0HOME={home}\0".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if mark in b"\0" + (entry / "environ").read_bytes() + b"\0":
                    yield int(entry.name)


def _end_all(home: Path) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while left := list(_processes(home)):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
        time.sleep(0.3)


def _unmount(home: Path) -> None:
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        point = line.split()[1]
        if Path(point).is_relative_to(home):
            subprocess.run(["fusermount3", "-u", "-z", point], check=False)

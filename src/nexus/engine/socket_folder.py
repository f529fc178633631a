"""A private folder with a short path for one engine's Unix socket.

The kernel takes socket paths of up to 107 bytes, and NEXUS_HOME may be longer than that; and
llama.cpp makes the socket itself open to everybody. Invariants: the folder is 0700 and ours; however
often a service is killed, one home leaves at most one folder behind, which its next start uses again.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from nexus.core.errors import StorageError

MAX_PATH_BYTES = 107


class SocketFolder:
    """`path` is where the socket goes. One engine name has one path below one `run_folder`."""

    def __init__(self, run_folder: Path, name: str) -> None:
        # The name may hold slashes or be long; its hash is neither.
        file = hashlib.sha256(name.encode()).hexdigest()[:12] + ".sock"
        folder = run_folder / "engine"
        try:
            if len(os.fsencode(folder / file)) <= MAX_PATH_BYTES:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
                self._temporary = False
            else:
                folder = _elsewhere(run_folder)
                self._temporary = True
        except OSError as error:
            raise StorageError.from_os(error, folder) from error
        self._folder = folder
        self.path = folder / file
        if len(os.fsencode(self.path)) > MAX_PATH_BYTES:
            self.remove()
            raise StorageError(
                f"the path {self.path} is too long for a socket",
                hint="set NEXUS_HOME or XDG_RUNTIME_DIR to a folder with a shorter path",
            )

    def clear(self) -> None:
        """Remove the socket that a killed worker left behind: binding it again would fail."""
        with suppress(FileNotFoundError):
            self.path.unlink()

    def remove(self) -> None:
        """Remove the socket, and the folder where it is a temporary one."""
        self.clear()
        if self._temporary:
            with suppress(OSError):  # another engine of this home may have its socket there
                self._folder.rmdir()


def _elsewhere(run_folder: Path) -> Path:
    """A folder with a short path, the same for the same `run_folder` at every start."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    folder = base / f"nexus-{hashlib.sha256(os.fsencode(run_folder)).hexdigest()[:16]}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    facts = folder.lstat()
    if stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid():
        folder.chmod(0o700)
        return folder
    # The base may be open to all, and somebody else has taken the name.
    return Path(tempfile.mkdtemp(prefix="nexus-", dir=base))

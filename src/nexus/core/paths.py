"""Where things lie on disk.

`Home` is the one user folder (NEXUS_HOME); `find_project` finds a project's own `.cortex` folder.
Knows the names, not the contents. Invariant: everything below `Home` is readable by its owner only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nexus.core.errors import ConfigError, StorageError

PROJECT_FOLDER = ".cortex"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder NEXUS_HOME and the names inside it."""

    root: Path

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Home:
        """NEXUS_HOME where set, the platform's user data folder otherwise."""
        value = env.get("NEXUS_HOME", "")
        if not value:
            return cls(_user_data(env))
        root = Path(value).expanduser()
        if not root.is_absolute():
            raise ConfigError(f"NEXUS_HOME={value!r} is not an absolute path", hint="use a full path")
        return cls(root)

    @property
    def config_file(self) -> Path:
        return self.root / "config.toml"

    @property
    def store(self) -> Path:
        return self.root / "store.db"

    @property
    def memories(self) -> Path:
        return self.root / "memories"

    @property
    def shard(self) -> Path:
        return self.root / "shard"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def engine(self) -> Path:
        return self.root / "engine"

    @property
    def training(self) -> Path:
        return self.root / "training"

    @property
    def agentmem(self) -> Path:
        return self.root / "agentmem"

    @property
    def memex(self) -> Path:
        return self.root / "memex"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def lock_file(self) -> Path:
        return self.run / "nexus.lock"

    @property
    def token_file(self) -> Path:
        return self.run / "token"

    @property
    def log_file(self) -> Path:
        return self.run / "nexus.log"

    def create(self) -> None:
        """Make the folders, owner-only. Raises `StorageError` where that is not possible."""
        for folder in (self.root, self.memories, self.models, self.cache, self.run):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError.from_os(error, folder) from error
        # An existing folder may be open to others: a token or a memory would be too.
        if self.root.stat().st_uid == os.getuid():
            self.root.chmod(0o700)


def _user_data(env: Mapping[str, str]) -> Path:
    """The platform's folder for this user's data of ours, as platformdirs has it.

    On Linux by hand: every agent's relay begins here, and platformdirs takes 2 MB of each.
    """
    if sys.platform != "linux":
        import platformdirs

        return Path(platformdirs.user_data_dir("nexus", appauthor=False))
    base = env.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "nexus"


def find_project(start: Path) -> Path | None:
    """The nearest folder at or above `start` that has a `.cortex` folder, like git finds `.git`."""
    for folder in (start, *start.parents):
        if (folder / PROJECT_FOLDER).is_dir():
            return folder
    return None

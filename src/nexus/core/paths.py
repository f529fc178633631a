"""Where things lie on disk.

`Home` is the one user folder (NEXUS_HOME); `find_project` finds a project's own `.cortex` folder.
Knows the names, not the contents. Invariant: everything below `Home` is readable by its owner only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nexus.core.errors import ConfigError, StorageError

PROJECT_FOLDER = ".cortex"
# What a person gives where a path is wanted.
AnyPath = str | os.PathLike[str]


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
        """The settings that the user has changed."""
        return self.root / "config.toml"

    @property
    def store(self) -> Path:
        """Cortex's database: what is indexed, and its texts."""
        return self.root / "store.db"

    @property
    def memories(self) -> Path:
        """One markdown file for each memory."""
        return self.root / "memories"

    @property
    def shard(self) -> Path:
        """The vectors; made again from `store` where it is damaged."""
        return self.root / "shard"

    @property
    def models(self) -> Path:
        """Weights that were fetched, a folder each."""
        return self.root / "models"

    @property
    def cache(self) -> Path:
        """What may be deleted at any time and is made again."""
        return self.root / "cache"

    @property
    def engine(self) -> Path:
        """Contexts that the engine has read, for the next time."""
        return self.root / "engine"

    @property
    def training(self) -> Path:
        """What the learner reads again: its replay buffer."""
        return self.root / "training"

    @property
    def agentmem(self) -> Path:
        """The log of agents' memory."""
        return self.root / "agentmem"

    @property
    def memex(self) -> Path:
        """Contents, names and old versions of MemexFS."""
        return self.root / "memex"

    @property
    def checkpoints(self) -> Path:
        """What the learner has learnt."""
        return self.root / "checkpoints"

    @property
    def run(self) -> Path:
        """What belongs to the running service."""
        return self.root / "run"

    @property
    def lock_file(self) -> Path:
        """Held by the process that has this home; see `nexus.core.instance`."""
        return self.run / "nexus.lock"

    @property
    def token_file(self) -> Path:
        """What clients must send."""
        return self.run / "token"

    @property
    def log_file(self) -> Path:
        """The running service's log."""
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


def resolved_paths(paths: AnyPath | Sequence[AnyPath]) -> list[Path]:
    """One path or several, made absolute, with `~` and links followed."""
    several = [paths] if isinstance(paths, str | os.PathLike) else paths
    return [Path(path).expanduser().resolve() for path in several]

"""A change to a file of the user's: shown as a difference first, then written with the old one kept."""

from __future__ import annotations

import difflib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from nexus.core import atomic
from nexus.core.errors import InvalidInputError, StorageError

_LARGEST = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Change:
    """What `path` holds and what it is to hold. `old` is None for a file that is not there."""

    path: Path
    old: str | None
    new: str

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self.new != (self.old or "")

    @property
    def backup(self) -> Path:
        """Where the old content goes."""
        return self.path.with_name(f"{self.path.name}.before-nexus")

    def diff(self) -> str:
        """The difference, as `diff -u` shows it."""
        before = self.old or ""
        lines = difflib.unified_diff(
            before.splitlines(keepends=True),
            self.new.splitlines(keepends=True),
            str(self.path) if self.old is not None else "/dev/null",
            str(self.path),
        )
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
        )

    def write(self) -> None:
        """Keep the old content beside it and write the new. Raises `InvalidInputError`, `StorageError`.

        A file that has changed since the difference was shown is not touched.
        """
        if read(self.path) != self.old:
            raise InvalidInputError(f"{self.path} has just been changed by another program", hint="try again")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            mode = stat.S_IMODE(self.path.stat().st_mode) if self.old is not None else 0o600
        except OSError as error:
            raise StorageError.from_os(error, self.path) from error
        # A link (settings kept in a repository of dotfiles) stays one.
        target = Path(os.path.realpath(self.path))
        if self.old is not None:
            atomic.write_text(self.backup, self.old, mode=mode)
        atomic.write_text(target, self.new, mode=mode)


def read(path: Path) -> str | None:
    """The text of a settings file as it is, or None where there is none. Raises `InvalidInputError`."""
    try:
        if path.stat().st_size > _LARGEST:
            raise InvalidInputError(
                f"{path} is larger than {_LARGEST} bytes", hint="that is no settings file"
            )
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} cannot be read: {error}", hint="mend it first") from error

"""A change to a file of the user's: shown as a difference first, then written, with the way back kept."""

from __future__ import annotations

import difflib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nexus.core import atomic
from nexus.core.errors import InvalidInputError, StorageError
from nexus.service.connectors.record import Record, Records

_LARGEST = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Change:
    """What `path` holds and what it is to hold; None means that there is no file.

    With `records`, writing also keeps `record`, or forgets the one there was when it is None. `mode` is
    the file's new mode where it is not to stay as it is.
    """

    path: Path
    old: str | None
    new: str | None
    records: Records | None = None
    record: Record | None = None
    mode: int | None = None

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self.new != self.old or (
            self.mode is not None and self.old is not None and self.mode != mode_of(self.path)
        )

    def diff(self) -> str:
        """The difference, as `diff -u` shows it, and a line for the mode where that changes."""
        lines = difflib.unified_diff(
            (self.old or "").splitlines(keepends=True),
            (self.new or "").splitlines(keepends=True),
            str(self.path) if self.old is not None else "/dev/null",
            str(self.path) if self.new is not None else "/dev/null",
        )
        shown = [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
        if not shown and self.new != self.old:
            shown = [f"{'delete' if self.new is None else 'create'} {self.path}\n"]
        if self.mode is not None and self.new is not None and self.old is not None:
            before = mode_of(self.path)
            if before != self.mode:
                shown.append(f"mode of {self.path}: {before:04o} becomes {self.mode:04o}\n")
        return "".join(shown)

    def write(self) -> None:
        """Carry it out. Raises `InvalidInputError`, `StorageError`.

        A file that has changed since the difference was shown is not touched.
        """
        if read(self.path) != self.old:
            raise InvalidInputError(f"{self.path} has just been changed by another program", hint="try again")
        if self.records and self.record:
            # First the way back, then the change: a crash between the two loses nothing.
            self.records.keep(self.record)
        if self.new is None:
            self._delete()
        elif self.new != self.old or self.mode is not None:
            self._put(self.new)
        if self.records and not self.record:
            self.records.forget(self.path)

    def _put(self, text: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            mode = mode_of(self.path) if self.old is not None else 0o600
        except OSError as error:
            raise StorageError.from_os(error, self.path) from error
        # A link (settings kept in a repository of dotfiles) stays one.
        target = Path(os.path.realpath(self.path))
        atomic.write_text(target, text, mode=mode)
        try:
            # The mode at creation is cut by the umask; what it was, or is to be, is exact.
            target.chmod(mode if self.mode is None else self.mode)
        except OSError as error:
            raise StorageError.from_os(error, target) from error

    def _delete(self) -> None:
        atomic.remove(self.path)
        known = self.records.of(self.path) if self.records else None
        for folder in known.folders if known else ():
            with suppress(OSError):  # not empty any more, or gone: then it is not ours to remove
                Path(folder).rmdir()


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


def mode_of(path: Path) -> int:
    """The permission bits of a file that exists."""
    return stat.S_IMODE(path.stat().st_mode)

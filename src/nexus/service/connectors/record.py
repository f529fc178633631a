"""What settings files were before we changed them, so that leaving restores them to the byte.

One file of JSON for each changed path, in NEXUS_HOME and readable by its owner only: settings hold keys.
Nothing is left beside the files of others. Invariant: a record is written before the change it undoes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from nexus.core import atomic, clock
from nexus.core.errors import StorageError


@dataclass(frozen=True, slots=True)
class Record:
    """`old` is what the user had (None: no file), `new` what we wrote, `mode` what the file's mode was.

    `folders` are those that were made for the file, the innermost first.
    """

    path: str
    old: str | None
    new: str
    mode: int | None = None
    folders: tuple[str, ...] = ()


class Records:
    """The records of one NEXUS_HOME."""

    def __init__(self, folder: Path) -> None:
        """`folder` need not exist."""
        self.folder = folder

    def of(self, path: Path) -> Record | None:
        """The record of a path, or None. Raises `StorageError` for one that cannot be read."""
        place = self._place(path)
        try:
            fields = json.loads(place.read_bytes())
            fields["folders"] = tuple(fields["folders"])
            return Record(**fields)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"{place}, which says how {path} was before, cannot be read: {error}",
                hint="delete it: then only what is recognised as ours is taken out",
            ) from error

    def since(self, path: Path) -> str:
        """The ISO time of the record of a path; "" where there is none."""
        try:
            return clock.iso(datetime.fromtimestamp(self._place(path).stat().st_mtime, UTC))
        except OSError:
            return ""

    def keep(self, record: Record) -> None:
        """Store a record. Raises `StorageError`."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError.from_os(error, self.folder) from error
        atomic.write_text(self._place(Path(record.path)), json.dumps(asdict(record), indent=1))

    def forget(self, path: Path) -> None:
        """Delete the record of a path, if there is one. Raises `StorageError`."""
        if self.folder.is_dir():
            atomic.remove(self._place(path))

    def _place(self, path: Path) -> Path:
        return (
            self.folder
            / f"{hashlib.sha256(str(path).encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.json"
        )

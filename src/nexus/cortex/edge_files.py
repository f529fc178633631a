"""A shard of Qdrant Edge in a folder: opening one, making one.

Knows nothing of what is in it. Invariant: what cannot be opened is never an error but nothing, for a shard is
a cache and is filled again; what another process holds is never touched.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from nexus.core.errors import AlreadyRunningError, StorageError

if TYPE_CHECKING:
    import qdrant_edge as qdrant

_log = logging.getLogger(__name__)


def load(folder: Path, config: qdrant.EdgeConfig) -> qdrant.EdgeShard | None:
    """The shard in a folder; None where there is none that can be read. Raises `AlreadyRunningError`."""
    import qdrant_edge as qdrant

    if not folder.exists():
        return None
    try:
        return qdrant.EdgeShard.load(str(folder), config)
    except Exception as error:  # the library raises bare Exception
        if "WouldBlock" in str(error):
            raise AlreadyRunningError(
                f"the index {folder} is in use by another process",
                hint="stop the other NexusOS, or use another NEXUS_HOME",
            ) from error
        _log.warning("the index %s cannot be opened (%s): building it again", folder, error)
        return None


def create(folder: Path, config: qdrant.EdgeConfig) -> qdrant.EdgeShard:
    """A new one in place of whatever is there. Raises `StorageError`."""
    import qdrant_edge as qdrant

    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
        return qdrant.EdgeShard.create(str(folder), config)
    except OSError as error:
        raise StorageError.from_os(error, folder) from error
    except Exception as error:
        raise StorageError(f"cannot make the index {folder}: {error}") from error

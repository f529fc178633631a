"""The token that clients show: made once, kept in a file that only its owner reads."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

from nexus.core.errors import StorageError
from nexus.core.paths import Home


def load_or_create(home: Home) -> str:
    """The token of this home. Raises `StorageError`."""
    path = home.token_file
    try:
        # O_EXCL: of two starting processes one makes the token and the other reads it.
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError):
            raise StorageError.from_os(error, path) from error
        token = ""
    if len(token) < 32:
        # Killed between creating and writing, or edited: a short token is no token.
        path.unlink(missing_ok=True)
        return load_or_create(home)
    return token

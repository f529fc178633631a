"""Secret: what the hosts of one shared space have in common, and the keys that come of it.

It lies in a file that only its owner may read, and never goes to a shelf. Invariant: keys of different uses
are different, and none tells the secret.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from nexus.core.errors import ConfigError

_FORM = re.compile(r"nexus-share 1 ([0-9a-f]{16}) ([0-9a-f]{64})\n?")


class Secret:
    """`space` (8 bytes) tells spaces apart and is no secret."""

    def __init__(self, space: bytes, secret: bytes) -> None:
        self.space = space
        self.names = _derive(secret, b"unit names")
        self.agents = _derive(secret, b"agent names")
        self.sealing = _derive(secret, b"sealing")
        self.marking = _derive(secret, b"marking")

    @classmethod
    def load(cls, path: Path) -> Secret:
        """Raises `ConfigError` for a file that is none, or that others may read."""
        try:
            with path.open() as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(200)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the secret of the shared space cannot be read: {path}",
                hint=f"copy it from the other host, or make one: nexus agents share key {path}",
            ) from error
        if mode & 0o077:
            raise ConfigError(f"others may read {path} (mode {mode & 0o777:o})", hint=f"chmod 600 {path}")
        found = _FORM.fullmatch(text)
        if found is None:
            raise ConfigError(
                f"{path} is no secret of a shared space", hint="copy the whole file from the other host"
            )
        return cls(bytes.fromhex(found[1]), bytes.fromhex(found[2]))

    @classmethod
    def create(cls, path: Path) -> Secret:
        """A new one, in a new file of mode 0600. Raises `ConfigError` when there is a file."""
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"{path} cannot be made: {error.strerror}", hint="name a new file") from error
        with open(handle, "w") as file:
            file.write(f"nexus-share 1 {os.urandom(8).hex()} {os.urandom(32).hex()}\n")
        return cls.load(path)


def _derive(secret: bytes, use: bytes) -> bytes:
    return hashlib.blake2b(use, key=secret, digest_size=32, person=b"nexus-share").digest()

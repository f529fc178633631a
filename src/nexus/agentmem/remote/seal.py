"""Seal: a value as a shelf keeps it, so that only who has the secret can make one, and mostly read one.

    AMS1, mode, and for mode 1 (ChaCha20-Poly1305): nonce of 12 bytes, the sealed body
                   for mode 0 (plain): keyed BLAKE2b of 32 bytes, the body

The key of the place is part of what is sealed, so that a value moved to another place does not open. Each
place has an encryption key of its own, so a nonce need only be new for its place.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from nexus.agentmem.remote.shelf import LyingShelfError
from nexus.core.errors import MissingPartError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    from nexus.agentmem.remote.secret import Secret

MAGIC = b"AMS1"
_PLAIN, _SEALED = b"\0", b"\1"
_NONCE, _MARK = 12, 32
MEND = "pip install 'nexusos[agentmem-remote]'"


class Seal:
    """`encrypt=False` leaves the content readable for the shelf; forging it is no easier."""

    def __init__(self, secret: Secret, *, encrypt: bool = True) -> None:
        self._secret = secret
        self._encrypt = encrypt

    def close(self, key: bytes, body: bytes) -> bytes:
        """The value for this place."""
        if not self._encrypt:
            return MAGIC + _PLAIN + self._mark(key, body) + body
        nonce = os.urandom(_NONCE)
        sealed: bytes = self._cipher(key).encrypt(nonce, body, MAGIC + _SEALED + key)
        return MAGIC + _SEALED + nonce + sealed

    def open(self, key: bytes, value: bytes) -> bytes:
        """What was sealed for this place, either way. Raises `LyingShelfError`."""
        mode, rest = value[len(MAGIC) : len(MAGIC) + 1], value[len(MAGIC) + 1 :]
        if value.startswith(MAGIC) and mode == _SEALED and len(rest) >= _NONCE + 16:
            cipher = self._cipher(key)
            from cryptography.exceptions import InvalidTag

            try:
                return bytes(cipher.decrypt(rest[:_NONCE], rest[_NONCE:], MAGIC + _SEALED + key))
            except InvalidTag:
                pass
        elif value.startswith(MAGIC) and mode == _PLAIN:
            mark, body = rest[:_MARK], rest[_MARK:]
            if hmac.compare_digest(mark, self._mark(key, body)):
                return body
        raise LyingShelfError(
            f"{key.hex()} on the shelf was not sealed with this secret for this place ({len(value)} bytes)",
            hint="it is damaged, or somebody without the secret wrote it; push again from where it is whole",
        )

    def _cipher(self, key: bytes) -> ChaCha20Poly1305:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
        except ImportError as error:
            raise MissingPartError("sealing needs the package cryptography", hint=MEND) from error
        own = hashlib.blake2b(key, key=self._secret.sealing, digest_size=32, person=b"nexus-share").digest()
        return ChaCha20Poly1305(own)

    def _mark(self, key: bytes, body: bytes) -> bytes:
        mark = hashlib.blake2b(key=self._secret.marking, digest_size=_MARK, person=b"nexus-share")
        mark.update(len(key).to_bytes(1, "big") + key)
        mark.update(body)
        return mark.digest()

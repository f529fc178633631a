"""Identifiers: readable where a person meets them, content-derived where a machine compares them."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import date

_NAMESPACE = uuid.UUID("6ce5a5c0-6c52-5f1e-9f5b-0d6b5d7f7f00")


def memory_id(day: date, number: int) -> str:
    """`MEM-YYYY-MM-DD-NNN-xxxxxxxx`: the id of seed 004 plus a suffix.

    The suffix keeps ids apart that two machines made on the same day and git later merged.
    """
    return f"MEM-{day.isoformat()}-{number:03d}-{secrets.token_hex(4)}"


def point_id(*parts: str) -> str:
    """A stable UUID for the vector index, the same for the same parts on every machine."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))


def content_hash(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()

"""Which session of a program a request belongs to, and for which project, where it says so.

Programs say it in headers or in fields that are meant for their provider's books. Knows nothing of what is
kept. Invariant: what they say is kept printable and short, and is never more than a name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from starlette.types import Scope

from nexus.service.guard import headers
from nexus.training import BACKGROUND_HEADER

PROJECT_HEADER = b"nexus-project"
_SCOPE = "nexus.session"
# Claude Code, Codex; the last for programs that have none of their own.
_HEADERS = (b"x-claude-code-session-id", b"session_id", b"session-id", b"nexus-session")
_FIELDS = ("prompt_cache_key", "session_id", "user")
_LONGEST = 60


def note_session(scope: Scope, fields: Mapping[str, Any] | None) -> None:
    """Keep with the request what the unknown `fields` of its body say of the session."""
    fields = fields or {}
    named = [fields.get(name) for name in _FIELDS]
    metadata = fields.get("metadata")
    if isinstance(metadata, dict):
        named = [_of_user(metadata.get("user_id")), *named]
    scope[_SCOPE] = next((name for name in named if isinstance(name, str) and name), "")


def session_of(scope: Scope) -> str:
    """The session's name, "" where none was said."""
    said = [value for name in _HEADERS for value in headers(scope, name)]
    return _short(next((value for value in [*said, scope.get(_SCOPE, "")] if value), ""))


def project_of(scope: Scope) -> str:
    """The absolute folder of the project, "" where none was said."""
    folder = unquote(next(iter(headers(scope, PROJECT_HEADER)), ""))
    return folder if folder.startswith("/") and folder.isprintable() else ""


def is_background(scope: Scope) -> bool:
    """Whether the learner's teacher asks, and nobody else."""
    return bool(headers(scope, BACKGROUND_HEADER.encode()))


def _of_user(user: Any) -> str:
    """Claude Code's user_id ends with the session, or is JSON that has it."""
    if not isinstance(user, str):
        return ""
    if user.startswith("{"):
        try:
            found = json.loads(user)
        except ValueError:
            return ""
        return str(found.get("session_id") or "") if isinstance(found, dict) else ""
    return user.rpartition("_session_")[2] if "_session_" in user else user


def _short(name: str) -> str:
    return "".join(c for c in name if c.isprintable())[:_LONGEST]

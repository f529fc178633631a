"""Lines of session files as the clients write them, made small."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

_NUMBERS = count(1)


def claude(kind: str, content: object, **more: object) -> dict[str, Any]:
    """A message of Claude Code 2.1."""
    number = next(_NUMBERS)
    return {
        "parentUuid": None,
        "isSidechain": False,
        "type": kind,
        "message": {"role": kind, "content": content},
        "uuid": f"u-{number}",
        "timestamp": "2026-11-20T07:30:26.574Z",
        "cwd": "/srv/shop",
        "sessionId": "s-1",
        "version": "2.1.197",
        **more,
    }


def call(name: str, identity: str = "t-1", **arguments: object) -> dict[str, Any]:
    """A line in which the agent calls a tool."""
    return claude("assistant", [{"type": "tool_use", "id": identity, "name": name, "input": arguments}])


def result(content: object, identity: str = "t-1", *, failed: bool = False) -> dict[str, Any]:
    """A line with what a tool gave back."""
    part = {"type": "tool_result", "tool_use_id": identity, "content": content, "is_error": failed}
    return claude("user", [part])


def rollout(kind: str, **payload: object) -> dict[str, Any]:
    """A line of Codex 0.169."""
    return {"timestamp": "2026-11-20T07:30:42.313Z", "type": kind, "payload": payload}


def item(kind: str, **fields: object) -> dict[str, Any]:
    """A response item of Codex."""
    return rollout("response_item", type=kind, **fields)


def lines(*entries: Mapping[str, Any]) -> bytes:
    """The bytes of a JSONL file."""
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()

"""Manifest: what a pack says of one agent, as JSON in a unit of its own (the pack's root).

A stranger wrote it: everything is checked before it is believed, and an id in it is only a name of an entry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from nexus.agentmem.errors import CorruptUnitError
from nexus.agentmem.unit_type import UnitType

PRIVATE, SHARED = "private", "shared"
LARGEST = 256 << 20
_NAME_BYTES = 255


@dataclass
class Manifest:
    """One agent. Ids are those of the pack."""

    agent: str
    realm: str
    importance: int = 50
    heads: dict[str, bytes] = field(default_factory=dict)
    owned: dict[bytes, list[str]] = field(default_factory=dict)  # and in which spaces
    spaces: dict[bytes, list[str]] = field(default_factory=dict)  # of units that are not where their type is
    names: bytes | None = None  # the key of known entries' names

    def space_of(self, unit: bytes, kind: int) -> list[str]:
        """Where this unit belongs: in the agent's own space, the realm's, or both."""
        return self.spaces.get(unit, [default_space(kind)])

    def to_bytes(self) -> bytes:
        """As it stands in the pack."""
        said = {
            "nexus": "agent",
            "version": 1,
            "agent": self.agent,
            "realm": self.realm,
            "importance": self.importance,
            "heads": {name: unit.hex() for name, unit in self.heads.items()},
            "owned": {unit.hex(): spaces for unit, spaces in self.owned.items()},
            "spaces": {unit.hex(): spaces for unit, spaces in self.spaces.items()},
            "names": self.names.hex() if self.names is not None else None,
        }
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes, at: int) -> Manifest:
        """Raises `CorruptUnitError` naming the byte of the pack where it stands, and what is wrong."""
        try:
            said = json.loads(data)
            if not isinstance(said, dict) or said.get("nexus") != "agent" or said.get("version") != 1:
                raise ValueError("it is not version 1 of what an agent has")
            importance = said["importance"]
            if not isinstance(importance, int) or not 0 <= importance <= 100:
                raise ValueError(f"importance {importance!r}; it is 0 to 100")
            return cls(
                agent=_text(said["agent"], "agent"),
                realm=_text(said["realm"], "realm"),
                importance=importance,
                heads={_text(name, "head"): _id(unit) for name, unit in _dict(said["heads"]).items()},
                owned={_id(unit): _spaces(where) for unit, where in _dict(said["owned"]).items()},
                spaces={_id(unit): _spaces(where) for unit, where in _dict(said["spaces"]).items()},
                names=None if said["names"] is None else _id(said["names"]),
            )
        except KeyError as error:
            raise _wrong(at, f"{error.args[0]!r} is missing") from error
        except (ValueError, RecursionError) as error:
            raise _wrong(at, str(error)) from error


def default_space(kind: int) -> str:
    """Where a unit of this type belongs unless somebody said otherwise."""
    return PRIVATE if kind == UnitType.CONVERSATION else SHARED


def no_pack(what: str) -> CorruptUnitError:
    """The error for a file that is no pack of agents, or is a damaged one."""
    return CorruptUnitError(
        f"not an agent's pack: {what}", hint="export it again on the other machine: nexus agents export"
    )


def _wrong(at: int, what: str) -> CorruptUnitError:
    return no_pack(f"the manifest at byte {at}: {what}")


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{str(value)[:40]!r} where names and values belong")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{str(value)[:40]!r} where a list belongs")
    return value


def _text(value: Any, what: str) -> str:
    text = value if isinstance(value, str) else ""
    if not 0 < len(text.encode(errors="replace")) <= _NAME_BYTES or not text.isprintable():
        raise ValueError(f"the {what}'s name {str(value)[:40]!r}; it has 1 to {_NAME_BYTES} readable bytes")
    return text


def _id(value: Any) -> bytes:
    unit = bytes.fromhex(value) if isinstance(value, str) else b""
    if len(unit) != 32:
        raise ValueError(f"the id {str(value)[:70]!r}; it has 64 hexadecimal digits")
    return unit


def _spaces(value: Any) -> list[str]:
    spaces = sorted({str(space) for space in _list(value)})
    if not spaces or not set(spaces) <= {PRIVATE, SHARED}:
        raise ValueError(f"the spaces {str(value)[:40]!r}; there are {PRIVATE} and {SHARED}")
    return spaces

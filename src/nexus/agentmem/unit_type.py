"""UnitType: what a unit is, as seed 003 names it. The numbers are those of agentmem.h."""

from __future__ import annotations

from enum import IntEnum


class UnitType(IntEnum):
    """What a unit's bytes are. Equal bytes of two types are two units."""

    CONVERSATION = 1  # private to its agent unless shared
    SYSTEM_PROMPT = 2
    TOOL_DEF = 3
    TOOL_RESULT = 4
    KV_PAGE = 5

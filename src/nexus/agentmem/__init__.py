"""AgentMem (seed 003): one copy of what many agents hold, shared in place, compressed when idle.

`Store.connect()` attaches this process to the broker of this user (`nexus-agentmemd`; `Launcher` starts one).
What is published is found by its content; a `Unit` is read without copying. For users:
docs/guides/agentmem-clients.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nexus.agentmem.agent import Agent
    from nexus.agentmem.broker import Launcher
    from nexus.agentmem.conversation import Conversation, Message, Piece
    from nexus.agentmem.errors import (
        AccessError,
        AgentMemError,
        BrokerBusyError,
        BrokerGoneError,
        BrokerMemoryError,
        CorruptUnitError,
        DiskError,
        FilesError,
        ForkedError,
        InvalidUnitError,
        ProtocolError,
        QuotaError,
        SealsError,
        SizeError,
        TypeMismatchError,
        UnitNotFoundError,
        UnsupportedError,
    )
    from nexus.agentmem.socket_path import find_socket
    from nexus.agentmem.store import Store
    from nexus.agentmem.unit import Unit
    from nexus.agentmem.unit_type import UnitType

__all__ = [
    "AccessError",
    "Agent",
    "AgentMemError",
    "BrokerBusyError",
    "BrokerGoneError",
    "BrokerMemoryError",
    "Conversation",
    "CorruptUnitError",
    "DiskError",
    "FilesError",
    "ForkedError",
    "InvalidUnitError",
    "Launcher",
    "Message",
    "Piece",
    "ProtocolError",
    "QuotaError",
    "SealsError",
    "SizeError",
    "Store",
    "TypeMismatchError",
    "Unit",
    "UnitNotFoundError",
    "UnitType",
    "UnsupportedError",
    "find_socket",
]

# Found when first asked for: `nexus run` becomes the agent it starts and has no time for more than it needs.
_WHERE = {
    "AccessError": "errors",
    "Agent": "agent",
    "AgentMemError": "errors",
    "BrokerBusyError": "errors",
    "BrokerGoneError": "errors",
    "BrokerMemoryError": "errors",
    "Conversation": "conversation",
    "CorruptUnitError": "errors",
    "DiskError": "errors",
    "FilesError": "errors",
    "ForkedError": "errors",
    "InvalidUnitError": "errors",
    "Launcher": "broker",
    "Message": "conversation",
    "Piece": "conversation",
    "ProtocolError": "errors",
    "QuotaError": "errors",
    "SealsError": "errors",
    "SizeError": "errors",
    "Store": "store",
    "TypeMismatchError": "errors",
    "Unit": "unit",
    "UnitNotFoundError": "errors",
    "UnitType": "unit_type",
    "UnsupportedError": "errors",
    "find_socket": "socket_path",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"nexus.agentmem.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""AgentMem (seed 003): one copy of what many agents hold, shared in place, compressed when idle.

`Store.connect()` attaches this process to the broker of this user (`nexus-agentmemd`; `Launcher` starts one).
What is published is found by its content; a `Unit` is read without copying. For users:
docs/guides/agentmem-clients.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.core.contract import offered

if TYPE_CHECKING:
    from nexus.agentmem.agent import Agent as Agent
    from nexus.agentmem.broker import Launcher as Launcher
    from nexus.agentmem.conversation import Conversation as Conversation
    from nexus.agentmem.conversation import Message as Message
    from nexus.agentmem.conversation import Piece as Piece
    from nexus.agentmem.errors import AccessError as AccessError
    from nexus.agentmem.errors import AgentMemError as AgentMemError
    from nexus.agentmem.errors import BrokerBusyError as BrokerBusyError
    from nexus.agentmem.errors import BrokerGoneError as BrokerGoneError
    from nexus.agentmem.errors import BrokerMemoryError as BrokerMemoryError
    from nexus.agentmem.errors import CorruptUnitError as CorruptUnitError
    from nexus.agentmem.errors import DiskError as DiskError
    from nexus.agentmem.errors import FilesError as FilesError
    from nexus.agentmem.errors import ForkedError as ForkedError
    from nexus.agentmem.errors import InvalidUnitError as InvalidUnitError
    from nexus.agentmem.errors import ProtocolError as ProtocolError
    from nexus.agentmem.errors import QuotaError as QuotaError
    from nexus.agentmem.errors import SealsError as SealsError
    from nexus.agentmem.errors import SizeError as SizeError
    from nexus.agentmem.errors import TypeMismatchError as TypeMismatchError
    from nexus.agentmem.errors import UnitNotFoundError as UnitNotFoundError
    from nexus.agentmem.errors import UnsupportedError as UnsupportedError
    from nexus.agentmem.socket_path import find_socket as find_socket
    from nexus.agentmem.store import Store as Store
    from nexus.agentmem.unit import Unit as Unit
    from nexus.agentmem.unit_type import UnitType as UnitType

__getattr__, __dir__, __all__ = offered(
    __name__,
    {
        "agent": "Agent",
        "broker": "Launcher",
        "conversation": "Conversation Message Piece",
        "errors": "AccessError AgentMemError BrokerBusyError BrokerGoneError BrokerMemoryError"
        " CorruptUnitError DiskError FilesError ForkedError InvalidUnitError ProtocolError QuotaError"
        " SealsError SizeError TypeMismatchError UnitNotFoundError UnsupportedError",
        "socket_path": "find_socket",
        "store": "Store",
        "unit": "Unit",
        "unit_type": "UnitType",
    },
)

"""What can go wrong with a store: one class for each status of agentmem.h.

The text is the library's or the broker's own: it names the value and the remedy. `status` is the number in C.
"""

from __future__ import annotations

from nexus.core.errors import NexusError


class AgentMemError(NexusError):
    """Base of every failure of the store."""

    code = "agentmem"
    exit_status = 14
    http_status = 500
    status = 0


class InvalidUnitError(AgentMemError):
    """A value that no call takes: an importance above 100, an empty name, a rope whose counts are wrong."""

    code = "agentmem_invalid"
    exit_status = 2
    http_status = 400
    status = -1


class UnitNotFoundError(AgentMemError, KeyError):
    """No unit, head or agent of this id or name in this realm."""

    code = "agentmem_not_found"
    exit_status = 5
    http_status = 404
    status = -2

    __str__ = NexusError.__str__  # KeyError's shows the text in quotes


class TypeMismatchError(AgentMemError):
    """Not a type, or not the type of this unit."""

    code = "agentmem_type"
    exit_status = 2
    http_status = 400
    status = -3


class SizeError(AgentMemError):
    """Larger than the limit, or of another size than was said."""

    code = "agentmem_size"
    exit_status = 2
    http_status = 413
    status = -4


class SealsError(AgentMemError):
    """The file behind a publish is not sealed against change."""

    code = "agentmem_seals"
    status = -5


class QuotaError(AgentMemError):
    """The agent's quota of bytes, units or references is used up."""

    code = "agentmem_quota"
    http_status = 507
    status = -6


class BrokerMemoryError(AgentMemError, MemoryError):
    """No memory, here or at the broker, and nothing that may be evicted."""

    code = "agentmem_memory"
    http_status = 507
    status = -7


class DiskError(AgentMemError):
    """The disk of the cold tier is full or failing; nothing was lost."""

    code = "agentmem_disk"
    exit_status = 8
    http_status = 507
    status = -8


class CorruptUnitError(AgentMemError):
    """The stored bytes do not have their checksum: this unit is lost, others are not."""

    code = "agentmem_corrupt"
    status = -9


class AccessError(AgentMemError):
    """Another user's broker, or a private unit of another agent."""

    code = "agentmem_access"
    exit_status = 4
    http_status = 403
    status = -10


class BrokerGoneError(AgentMemError):
    """No broker answers, it went away, or the store was closed; `Store.reconnect()` when it is back."""

    code = "agentmem_no_broker"
    exit_status = 3
    http_status = 503
    status = -11


class ForkedError(AgentMemError):
    """The store was connected before a fork, in the parent; connect again in the child."""

    code = "agentmem_forked"
    status = -12


class ProtocolError(AgentMemError):
    """Library and broker are of different versions, or one of them broke the rules."""

    code = "agentmem_protocol"
    http_status = 502
    status = -13


class BrokerBusyError(AgentMemError):
    """The broker is overloaded, and was for the whole time-out; try again."""

    code = "agentmem_busy"
    exit_status = 7
    http_status = 503
    status = -14


class FilesError(AgentMemError):
    """No file descriptors left, here or at the broker."""

    code = "agentmem_files"
    status = -15


class UnsupportedError(AgentMemError):
    """The kernel module serves this store, and only the broker has that: ropes, heads and more."""

    code = "agentmem_unsupported"
    exit_status = 2
    http_status = 501
    status = -16


BY_STATUS: dict[int, type[AgentMemError]] = {
    kind.status: kind for kind in AgentMemError.__subclasses__() if kind.status
}

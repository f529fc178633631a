"""Conversation: messages in order, each of one or more pieces, appended to without rewriting what stands
before.

The pieces are units, the conversation a tree of ropes under a head's name (client_conversation.c). Nothing is
loaded until it is read. Invariant: the broker has the whole conversation before and after every append. One
writer at a time: of two processes that append to one name at the same moment, one may win over the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, overload

from nexus.agentmem.unit_type import UnitType

if TYPE_CHECKING:
    from nexus._agentmem import Client
    from nexus._agentmem import Conversation as NativeConversation
    from nexus.agentmem.buffer import Buffer
    from nexus.agentmem.unit import Unit


class Piece(NamedTuple):
    """One block of a conversation, by name; `Store.acquire(piece.id)` reads it."""

    id: bytes
    length: int
    type: UnitType
    starts: bool


class Message:
    """One message: the pieces from its start to the next one's."""

    __slots__ = ("_client", "pieces")

    def __init__(self, client: Client, pieces: tuple[Piece, ...]) -> None:
        self._client = client
        self.pieces = pieces

    def __len__(self) -> int:
        """Bytes."""
        return sum(piece.length for piece in self.pieces)

    def __bytes__(self) -> bytes:
        return b"".join(bytes(unit) for unit in self.units())

    @property
    def text(self) -> str:
        """The bytes as UTF-8. Raises `UnicodeDecodeError` when they are none."""
        return bytes(self).decode()

    def units(self) -> Iterator[Unit]:
        """Its pieces, each acquired when it is its turn and released after it."""
        for piece in self.pieces:
            with self._client.acquire(piece.id) as unit:
                yield unit

    def __repr__(self) -> str:
        return f"<Message of {len(self.pieces)} pieces, {len(self)} bytes>"


class Conversation:
    """A conversation of this agent by name; made by `Store.conversation`."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._native: NativeConversation = client.conversation(name)
        self.name = name

    @property
    def id(self) -> bytes | None:
        """What the head points at now; it changes with every append. None while nothing was appended."""
        return self._native.id

    @property
    def bytes_total(self) -> int:
        """Bytes of all pieces."""
        return self._native.length

    def append(self, type: UnitType, data: Buffer, starts: bool = True) -> None:  # noqa: A002
        """Append one piece; `starts` says that it begins a message. Stored when this returns, as of one
        write.

        A piece of type CONVERSATION is private to the agent, others are shared in the realm by their content.
        """
        self._native.append(type, data, starts)

    def __len__(self) -> int:
        """Messages."""
        return self._native.messages

    def pieces(self) -> Iterator[Piece]:
        """All pieces, those before the first message's start too."""
        for number in range(self._native.pieces):
            yield Piece(*self._native.piece(number))

    def _message(self, number: int) -> Message:
        first, last = self._native.message(number)
        return Message(self._client, tuple(Piece(*self._native.piece(n)) for n in range(first, last)))

    @overload
    def __getitem__(self, number: int) -> Message: ...
    @overload
    def __getitem__(self, number: slice) -> list[Message]: ...
    def __getitem__(self, number: int | slice) -> Message | list[Message]:
        if isinstance(number, slice):
            return [self._message(n) for n in range(*number.indices(len(self)))]
        count = len(self)
        if not -count <= number < count:
            raise IndexError(f"message {number} of a conversation that has {count}")
        return self._message(number % count)

    def __iter__(self) -> Iterator[Message]:
        for number in range(len(self)):
            yield self._message(number)

    def __repr__(self) -> str:
        return f"<Conversation {self.name}: {len(self)} messages, {self.bytes_total} bytes>"

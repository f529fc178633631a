"""Conversations: appended to, read by piece, message and slice, kept whole, let go with their head."""

from __future__ import annotations

import struct

import pytest

from nexus.agentmem import InvalidUnitError, Store, Unit, UnitNotFoundError, UnitType
from tests.agentmem_store import wait_until


def test_an_empty_conversation_has_nothing(store: Store) -> None:
    conversation = store.conversation("empty")
    assert (len(conversation), conversation.bytes_total, conversation.id) == (0, 0, None)
    assert list(conversation) == []
    assert conversation[:] == []
    with pytest.raises(IndexError):
        conversation[0]


# 256 leaves make a rope: one before, at, and behind it, and several of them.
@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 700])
def test_messages_are_read_as_they_were_appended(store: Store, count: int) -> None:
    conversation = store.conversation("talk")
    expected: list[bytes] = []
    for n in range(count):
        starts = n % 3 != 1  # every second message has two pieces
        conversation.append(UnitType.CONVERSATION, f"piece {n}".encode(), starts)
        if starts:
            expected.append(b"")
        expected[-1] += f"piece {n}".encode()
    for reading in (conversation, store.conversation("talk")):
        assert len(reading) == len(expected)
        assert [bytes(message) for message in reading] == expected
        assert [bytes(message) for message in reading[-3:]] == expected[-3:]
        assert [bytes(message) for message in reading[1:300:7]] == expected[1:300:7]
        assert bytes(reading[-1]) == expected[-1]
        assert [bytes(store.acquire(piece.id)) for piece in reading.pieces()] == [
            f"piece {n}".encode() for n in range(count)
        ]
        assert reading.bytes_total == sum(map(len, expected))


def piece(unit: Unit, leaves: int, below: int) -> bytes:
    """An entry of a rope: a leaf that starts a message, or a rope of `leaves` of them."""
    form = 1 if unit.form == "raw" else 2
    flags = 1 if unit.form == "raw" else 0
    return struct.pack("<32sQIIBBB13x", unit.id, below, leaves, leaves, unit.type, form, flags)


def test_half_a_million_messages_are_four_levels_deep(store: Store) -> None:
    # The same block again and again: what matters is the tree, and its leaves are one unit.
    client = store._client
    block = store.publish(UnitType.TOOL_RESULT, b"ok")
    one = client.rope(UnitType.CONVERSATION, piece(block, 1, 2) * 256, 0)
    two = client.rope(UnitType.CONVERSATION, piece(one, 256, 512) * 256, 0)
    entries = piece(two, 65_536, 131_072) * 8 + piece(one, 256, 512) * 255 + piece(block, 1, 2) * 254
    count = 8 * 65_536 + 255 * 256 + 254
    store.set_head("long", client.rope(UnitType.CONVERSATION, entries, 0).id)
    conversation = store.conversation("long")
    assert (len(conversation), conversation.bytes_total) == (count, 2 * count)
    # Two more fill the leaves, the ropes of leaves, and make one of the second level.
    conversation.append(UnitType.CONVERSATION, b"last but one")
    conversation.append(UnitType.CONVERSATION, b"last")
    assert len(store._client.acquire(conversation.id or b"")) == 9 * 64
    for number in (0, 255, 256, 65_535, 65_536, 300_000, count - 1):
        assert conversation[number].text == "ok"
    assert [message.text for message in conversation[-2:]] == ["last but one", "last"]


def test_pieces_before_the_first_start_belong_to_no_message(store: Store) -> None:
    conversation = store.conversation("talk")
    conversation.append(UnitType.SYSTEM_PROMPT, b"you are", starts=False)
    conversation.append(UnitType.CONVERSATION, b"hello", starts=True)
    assert [message.text for message in conversation] == ["hello"]
    assert [piece.type for piece in conversation.pieces()] == [UnitType.SYSTEM_PROMPT, UnitType.CONVERSATION]


def test_two_handles_of_one_name_see_each_others_messages(store: Store) -> None:
    one, two = store.conversation("talk"), store.conversation("talk")
    for n in range(20):
        (one if n % 2 else two).append(UnitType.CONVERSATION, f"{n}".encode())
    assert [message.text for message in store.conversation("talk")] == [f"{n}" for n in range(20)]


def test_only_the_conversation_keeps_its_pieces(store: Store) -> None:
    conversation = store.conversation("talk")
    kept = store.publish(UnitType.TOOL_RESULT, b"a result that the agent owns too").id
    conversation.append(UnitType.TOOL_RESULT, b"a result that the agent owns too")
    for n in range(600):
        conversation.append(UnitType.CONVERSATION, f"piece {n}".encode())
    piece = list(conversation.pieces())[5].id
    wait_until(lambda: store.agent.figures()["units"] == 1, "an append left something owned beside its head")
    store.set_head("talk", None)

    def gone() -> bool:
        try:
            store.acquire(piece).release()
        except UnitNotFoundError:
            return True
        return False

    wait_until(gone, "the pieces outlived their conversation")
    assert bytes(store.acquire(kept)) == b"a result that the agent owns too"


def test_a_conversation_that_is_shared_is_read_by_another_agent(store: Store) -> None:
    conversation = store.conversation("talk")
    for n in range(300):
        conversation.append(UnitType.CONVERSATION, f"piece {n}".encode())
    assert conversation.id is not None
    shared = store.share(conversation.id)
    wait_until(lambda: store.agent.figures()["units"] == 1, "sharing left more owned than the rope")
    with Store.connect(store.socket, realm=store.realm, agent="reader") as reader:
        reader.set_head("given", shared)
        assert [message.text for message in reader.conversation("given")] == [
            f"piece {n}" for n in range(300)
        ]
        with pytest.raises(InvalidUnitError, match="piece by piece"):
            store.share(conversation.id, "reader")

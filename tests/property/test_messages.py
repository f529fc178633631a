"""What arrives over the socket is what was sent, however it is cut; what is no message is left out."""

from __future__ import annotations

import json
import socket
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.training.messages import MOST_LINE, Messages

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.text(st.characters(categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=9), VALUES, max_size=4), max_size=6)


def received(chunks: list[bytes]) -> tuple[list[dict[str, Any]], int]:
    ours, its = socket.socketpair()
    messages = Messages(ours)

    def send() -> None:
        for chunk in chunks:
            its.sendall(chunk)
        its.close()

    sender = Thread(target=send)
    sender.start()
    found = list(messages.receive())
    sender.join()
    messages.close()
    return found, messages.refused


@given(OBJECTS, st.integers(1, 40))
def test_whatever_the_cuts_it_arrives_whole(objects: list[dict[str, Any]], size: int) -> None:
    data = b"".join(json.dumps(each).encode() + b"\n" for each in objects)
    found, refused = received([data[i : i + size] for i in range(0, len(data), size)])
    # Two halves of a letter that lie side by side are one letter in JSON.
    assert (found, refused) == (json.loads(json.dumps(objects)), 0)


@given(st.lists(st.binary(max_size=60).filter(lambda b: b"\n" not in b), max_size=8))
def test_rubbish_is_left_out_and_the_next_is_read(lines: list[bytes]) -> None:
    found, refused = received([line + b"\n" for line in lines] + [b'{"do": "stop"}\n'])
    assert found[-1] == {"do": "stop"}
    assert len(found) + refused == len(lines) + 1


@pytest.mark.parametrize("more", [1, 5 << 20])
def test_a_line_without_end_is_left_out(more: int) -> None:
    found, refused = received([b"x" * (MOST_LINE + more), b'\n{"do": "stop"}\n', b"[" * 100_000 + b"\n"])
    assert found == [{"do": "stop"}]
    assert refused == 2


def test_a_message_that_nobody_could_read_is_not_sent() -> None:
    ours, its = socket.socketpair()
    messages = Messages(ours)
    with pytest.raises(ValueError, match="bytes"):
        messages.send({"text": "x" * MOST_LINE})
    messages.close()
    its.close()
    with pytest.raises(OSError, match=r"."):
        messages.send({"do": "stop"})

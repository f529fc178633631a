"""Frames of a tender that is not trusted: any bytes, in any pieces."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.unikernel import abi
from nexus.unikernel.abi import Errno
from nexus.unikernel.channel import Channel, ChannelError, Frames, Request, replied

requests = st.builds(
    Request,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=300),
    st.integers(0, abi.PAYLOAD_MAX),
)


def framed(request: Request) -> bytes:
    head = abi.REQUEST.pack(abi.FRAME_MAGIC, request.op, request.arg, len(request.data), request.out_cap)
    return head + request.data


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(st.lists(requests, max_size=5), st.lists(st.integers(0, 10_000), max_size=20))
def test_requests_come_out_as_they_went_in_however_they_are_cut(sent: list[Request], cuts: list[int]):
    frames, came = Frames(), []
    for piece in pieces(b"".join(map(framed, sent)), cuts):
        frames.feed(piece)
        while (request := frames.take()) is not None:
            came.append(request)
    assert came == sent
    assert not frames.torn


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_requests_or_refused(stream: list[bytes]):
    frames = Frames()
    with suppress(ChannelError):
        for piece in stream:
            frames.feed(piece)
            while (request := frames.take()) is not None:
                assert len(request.data) <= abi.PAYLOAD_MAX
                assert request.out_cap <= abi.PAYLOAD_MAX


@given(requests, st.integers(0, 23), st.integers(0, 255))
def test_a_header_with_one_wrong_byte_is_a_request_or_refused(request_: Request, at: int, byte: int):
    data = bytearray(framed(request_))
    data[at] = byte
    frames = Frames()
    frames.feed(bytes(data))
    try:
        came = frames.take()
    except ChannelError:
        return
    assert came is None or len(came.data) <= abi.PAYLOAD_MAX


@pytest.mark.parametrize(("in_len", "out_cap"), [(abi.PAYLOAD_MAX + 1, 0), (0, 2**32 - 1)])
def test_sizes_beyond_a_payload_are_refused_by_name(in_len: int, out_cap: int):
    frames = Frames()
    frames.feed(abi.REQUEST.pack(abi.FRAME_MAGIC, 1, 0, in_len, out_cap))
    with pytest.raises(ChannelError, match=str(max(in_len, out_cap))):
        frames.take()


@given(st.integers(-200, 2**62), st.binary(max_size=100))
def test_an_answer_tells_its_length_and_with_emsgsize_only_that(result: int, data: bytes):
    frame = replied(result, data)
    assert abi.REPLY.unpack_from(frame) == (result, len(data), 0)
    assert frame[abi.REPLY.size :] == (b"" if result == -Errno.EMSGSIZE else data)


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    with theirs:
        yield channel, theirs
        channel.close()


def test_nothing_there_is_not_the_end(ends):
    channel, theirs = ends
    assert channel.receive() is None
    theirs.close()
    assert channel.receive() == 0


def test_closed_inside_a_frame_is_an_error(ends):
    channel, theirs = ends
    theirs.sendall(framed(Request(7, 0, b"12345", 9))[:-1])
    assert channel.receive()
    assert channel.request() is None
    theirs.close()
    with pytest.raises(ChannelError, match="in the middle of a frame"):
        channel.receive()


def test_the_largest_answer_arrives_though_it_is_taken_slowly(ends):
    channel, theirs = ends
    data, came = bytes(range(256)) * 4096, bytearray()

    def take() -> None:
        while len(came) < abi.REPLY.size + len(data):
            came.extend(theirs.recv(5000))

    thread = threading.Thread(target=take)
    thread.start()
    assert channel.reply(len(data), data, time.monotonic() + 60)
    thread.join()
    assert bytes(came) == replied(len(data), data)


def test_an_answer_nobody_takes_is_given_up_at_the_deadline(ends):
    channel, _ = ends
    assert not channel.reply(0, bytes(abi.PAYLOAD_MAX), time.monotonic() + 0.05)


def test_an_answer_to_a_peer_that_is_gone_is_no_exception(ends):
    channel, theirs = ends
    theirs.close()
    assert not channel.reply(0, b"x", time.monotonic() + 10)

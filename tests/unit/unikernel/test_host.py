"""What a host answers, to anything."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.unikernel import abi
from nexus.unikernel.abi import Errno, Op
from nexus.unikernel.grants import Grants
from nexus.unikernel.host import Host
from nexus.unikernel.limits import Limits

ROOM = abi.PAYLOAD_MAX


@pytest.fixture
def host():
    host = Host(Grants(functions={"f": lambda: "x" * 100}), Limits(calls=2))
    yield host
    host.close()


@given(
    st.sampled_from(list(Op)) | st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=100),
    st.integers(0, 2000),
)
def test_any_call_has_an_answer_that_fits(op: int, arg: int, data: bytes, room: int):
    host = Host(Grants(files=(Path("/etc/hosts"),)), Limits())
    result, out = host.answer(op, arg, data, room)
    assert -(2**63) <= result < 2**63
    assert len(out) <= room or result == -Errno.EMSGSIZE
    host.close()


def test_code_is_handed_out_in_order_and_not_before_there_is_room(host: Host):
    host.codes.extend([b"first", b"second"])
    assert host.answer(Op.FETCH, 0, b"", 4) == (-Errno.EMSGSIZE, b"first")
    assert host.answer(Op.FETCH, 0, b"", 5) == (5, b"first")
    assert host.answer(Op.FETCH, 0, b"", 100) == (6, b"second")
    assert host.answer(Op.FETCH, 0, b"", 100) == (-Errno.ENOENT, b"")


def test_a_tender_of_the_frames_forwarded_has_no_business_with_output(host: Host):
    for op in (Op.EXIT, Op.WRITE, Op.READ, Op.TIME, Op.RANDOM, Op.SLEEP):
        assert host.answer(op, 0, b"", 100) == (-Errno.ENOSYS, b"")


CALL = b'{"name":"f"}'


def test_calls_are_counted_but_not_a_repeated_one(host: Host):
    assert not host.refuses(Op.CALL, CALL)
    assert host.answer(Op.CALL, 0, CALL, 10)[0] == -Errno.EMSGSIZE
    assert host.answer(Op.CALL, 0, CALL, 10)[0] == -Errno.EMSGSIZE
    assert host.answer(Op.CALL, 0, CALL, ROOM)[0] > 0
    assert not host.refuses(Op.CALL, CALL)
    host.answer(Op.CALL, 0, CALL, ROOM)
    assert "more than 2 times" in host.refuses(Op.CALL, CALL)
    assert not host.refuses(Op.FILE_STAT, b"")
    host.begin(time.monotonic() + 1)
    assert not host.refuses(Op.CALL, CALL)


def test_only_what_may_take_long_is_not_answered_at_once(host: Host):
    assert host.at_once(Op.CALL, 0, CALL, ROOM) is None
    host.answer(Op.CALL, 0, CALL, 10)
    _result, out = host.at_once(Op.CALL, 0, CALL, ROOM) or (0, b"")
    assert json.loads(out) == {"ok": "x" * 100}
    assert host.at_once(Op.FILE_STAT, 0, b"/x", ROOM) == (-Errno.EPERM, b"")


def test_frames_go_over_a_link_that_was_granted(tmp_path: Path):
    grants = Grants(links=(f"pair:{tmp_path / 'cable'}",))
    a, b = Host(grants, Limits()), Host(grants, Limits())
    frame = bytes(range(60))
    assert abi.NET_INFO.unpack(a.answer(Op.NET_INFO, 0, b"", 100)[1])[1] == 1500
    assert a.answer(Op.NET_SEND, 0, frame, 0) == (60, b"")
    assert b.at_once(Op.NET_RECV, 1000 << 32, b"", 2000) == (60, frame)
    assert b.at_once(Op.NET_RECV, 0, b"", 2000) == (0, b"")
    assert b.at_once(Op.NET_RECV, 1000 << 32, b"", 2000) is None
    b.begin(time.monotonic())
    assert b.answer(Op.NET_RECV, 1 << 40, b"", 2000) == (0, b"")  # not beyond the deadline
    assert a.answer(Op.NET_INFO, 1, b"", 100) == (-Errno.ENODEV, b"")
    a.close()
    a.close()
    b.close()


@pytest.mark.parametrize(
    ("grants", "error"),
    [
        (Grants(files=(Path("/nowhere"),)), NotFoundError),
        (Grants(blocks=((Path("/nowhere"), False),)), NotFoundError),
        (Grants(http=("http://x/",)), InvalidInputError),
        (Grants(links=("wire:x",)), InvalidInputError),
        (Grants(blocks=((Path("/etc/hosts"), False),), links=("pair:/nowhere/x", "wire:x")), NotFoundError),
    ],
)
def test_grants_that_cannot_be_are_refused_and_leave_nothing(grants, error, nothing_left):
    with pytest.raises(error):
        Host(grants, Limits())

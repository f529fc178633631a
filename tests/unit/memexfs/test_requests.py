"""Requests and replies byte by byte, without a kernel."""

from __future__ import annotations

import errno
import os
import stat
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.memexfs import legacy
from nexus.memexfs.legacy import MOST_TRIES, Legacy
from nexus.memexfs.operations import Caller
from nexus.memexfs.protocol import HEADER, RESENT, Init, Op
from nexus.memexfs.requests import Requests
from nexus.memexfs.session import Negotiated
from tests.memex_memory import Memory

WHO = Caller(1000, 1000, 1)


def request(op: int, body: bytes = b"", *, node: int = 1, unique: int = 2) -> memoryview:
    return memoryview(HEADER.pack(40 + len(body), op, unique, node, *WHO[:3], 0, 0) + body)


def answered(requests: Requests, message: memoryview) -> tuple[int, bytes]:
    """The errno (0 for success) and what follows the header; the header itself is checked."""
    reply = requests.answer(message, len(message))
    assert reply is not None
    whole = reply if isinstance(reply, bytes) else b"".join(reply)
    length, error, unique = struct.unpack_from("<IiQ", whole)
    assert length == len(whole)
    assert unique == HEADER.unpack_from(message)[2]
    assert error <= 0
    return -error, whole[16:]


@pytest.fixture
def memory() -> Memory:
    memory = Memory()
    memory.mknod(1, b"f", stat.S_IFREG | 0o644, 0, WHO)
    return memory


@given(
    op=st.integers(0, 70) | st.integers(0, 2**32 - 1),
    node=st.integers(0, 3) | st.integers(0, 2**64 - 1),
    body=st.binary(max_size=200),
    unique=st.sampled_from([2, 2 | RESENT]),
    said=st.none() | st.integers(0, 2**32 - 1),
)
def test_whatever_comes_there_is_one_sound_reply(
    op: int, node: int, body: bytes, unique: int, said: int | None
) -> None:
    memory = Memory()
    memory.mknod(1, b"f", stat.S_IFREG | 0o644, 0, WHO)
    message = HEADER.pack(40 + len(body) if said is None else said, op, unique, node, *WHO[:3], 0, 0) + body
    if len(body) > 24 and op in (Op.SETATTR, Op.WRITE, Op.FALLOCATE):  # no test of how much memory there is
        return
    reply = Requests(memory).answer(memoryview(message), len(message))
    if reply is None:
        assert op in (Op.FORGET, Op.BATCH_FORGET, Op.NOTIFY_REPLY)
    else:
        whole = reply if isinstance(reply, bytes) else b"".join(reply)
        length, error, echoed = struct.unpack_from("<IiQ", whole)
        assert (length, echoed) == (len(whole), unique)
        assert -512 < error <= 0


@given(cut=st.integers(0, 100), op=st.sampled_from(Op))
def test_a_message_that_is_cut_changes_nothing(cut: int, op: Op) -> None:
    memory = Memory()
    whole = bytes(request(op, bytes(16) + b"name\0other\0"))
    Requests(memory).answer(memoryview(whole)[: min(cut, len(whole) - 1)], min(cut, len(whole) - 1))
    assert not memory.root.names


def test_what_nobody_knows_is_enosys_and_a_wrong_length_einval(memory: Memory) -> None:
    requests = Requests(memory)
    assert answered(requests, request(Op.STATX, bytes(24)))[0] == errno.ENOSYS
    assert answered(requests, request(4096, bytes(100)))[0] == errno.ENOSYS
    assert answered(requests, request(Op.LOOKUP, b"no end"))[0] == errno.EINVAL
    assert answered(requests, request(Op.LOOKUP, b"\0\0"))[0] == errno.EINVAL
    assert answered(requests, request(Op.LOOKUP, b"x" * 256 + b"\0"))[0] == errno.ENAMETOOLONG
    assert answered(requests, request(Op.RENAME, bytes(8) + b"one\0"))[0] == errno.EINVAL
    write = struct.pack("<QQIIQII", 1, 0, 1 << 20, 0, 0, 0, 0) + b"less than it says"
    assert answered(requests, request(Op.WRITE, write, node=2))[0] == errno.EINVAL


def test_errnos_that_the_kernel_would_refuse_become_eio(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise failures.pop()

    monkeypatch.setattr(memory, "readlink", fail)
    failures = [OSError(errno.ELOOP, ""), OSError(512, ""), OSError(-5, ""), OSError(0, ""), OSError()]
    for expected in (errno.EIO, errno.EIO, errno.EIO, errno.EIO, errno.ELOOP):
        assert answered(Requests(memory), request(Op.READLINK, node=2))[0] == expected


@pytest.mark.parametrize("kernel", [31, 38, 39, 45, 99])
def test_init_takes_what_both_can(memory: Memory, kernel: int) -> None:
    offered = Init.BIG_WRITES | Init.INIT_EXT | Init.HAS_RESEND | Init.PASSTHROUGH | 1 << 62 | 1 << 10
    body = struct.pack("<IIIII", 7, kernel, 131072, offered & 0xFFFFFFFF, offered >> 32) + bytes(44)
    requests = Requests(memory)
    error, reply = answered(requests, request(Op.INIT, body))
    assert error == 0
    major, minor, readahead, flags = struct.unpack_from("<IIII", reply)
    most, pages, flags2 = *struct.unpack_from("<I4xH", reply, 20), *struct.unpack_from("<I", reply, 32)
    assert (major, minor, readahead, len(reply)) == (7, 45, 131072, 64)
    assert flags | flags2 << 32 == Init.BIG_WRITES | Init.INIT_EXT | Init.HAS_RESEND
    assert (most, pages) == (1 << 20, 256)
    assert requests.negotiated == Negotiated(kernel, flags | flags2 << 32)


def test_a_kernel_that_is_too_old_or_newer_is_told(memory: Memory) -> None:
    requests = Requests(memory)
    assert answered(requests, request(Op.INIT, struct.pack("<IIII", 7, 30, 0, 0)))[0] == errno.EPROTO
    error, reply = answered(requests, request(Op.INIT, struct.pack("<IIII", 8, 0, 0, 0)))
    assert error == 0
    assert struct.unpack_from("<II", reply) == (7, 45)
    assert requests.negotiated is None, "it asks again in our version"


def test_a_repeated_request_succeeds_only_where_it_was_carried_out(memory: Memory) -> None:
    requests = Requests(memory, negotiated=Negotiated(45, 0), again=True)
    again = 2 | RESENT
    mkdir = struct.pack("<II", 0o755, 0)
    assert answered(requests, request(Op.MKDIR, mkdir + b"f\0"))[0] == errno.EEXIST
    assert answered(requests, request(Op.MKDIR, mkdir + b"f\0", unique=again))[0] == errno.EEXIST  # a file
    memory.mkdir(1, b"d", 0o755, WHO)
    assert answered(requests, request(Op.MKDIR, mkdir + b"d\0", unique=again))[0] == 0
    memory.symlink(1, b"l", b"target", WHO)
    assert answered(requests, request(Op.SYMLINK, b"l\0target\0", unique=again))[0] == 0
    assert answered(requests, request(Op.SYMLINK, b"l\0other\0", unique=again))[0] == errno.EEXIST
    link = struct.pack("<Q", 2)
    assert answered(requests, request(Op.LINK, link + b"f\0", unique=again))[0] == 0
    assert answered(requests, request(Op.LINK, link + b"d\0", unique=again))[0] == errno.EEXIST
    assert answered(requests, request(Op.UNLINK, b"gone\0"))[0] == errno.ENOENT
    assert answered(requests, request(Op.UNLINK, b"gone\0", unique=again))[0] == 0
    rename = struct.pack("<QII", 1, 0, 0)
    assert answered(requests, request(Op.RENAME2, rename + b"old\0f\0", unique=again))[0] == 0
    assert answered(requests, request(Op.RENAME2, rename + b"a\0b\0", unique=again))[0] == errno.ENOENT
    keep = struct.pack("<QII", 1, 1, 0)
    assert answered(requests, request(Op.RENAME2, keep + b"f\0d\0", unique=again))[0] == errno.EEXIST
    memory.setxattr(2, b"user.a", b"1", 0, WHO)
    xattr = struct.pack("<II", 1, os.XATTR_CREATE)
    assert answered(requests, request(Op.SETXATTR, xattr + b"user.a\x001", node=2, unique=again))[0] == 0
    assert answered(requests, request(Op.SETXATTR, xattr + b"user.a\x002", node=2, unique=again))[0] == 17
    assert answered(requests, request(Op.REMOVEXATTR, b"user.b\0", node=2, unique=again))[0] == 0
    create = struct.pack("<IIII", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644, 0, 0)
    assert answered(requests, request(Op.CREATE, create + b"f\0", unique=again))[0] == 0
    assert answered(requests, request(Op.CREATE, create + b"d\0", unique=again))[0] == errno.EEXIST
    counted = {name: thing.lookups for name, thing in memory.root.names.items()}
    assert counted == {b"f": 3, b"d": 2, b"l": 2}, "what was looked up for nothing is taken back"


def test_a_request_that_ends_worker_after_worker_is_refused(memory: Memory) -> None:
    fd = os.memfd_create("legacy")
    message = request(Op.GETATTR, bytes(16), node=2, unique=6 | RESENT)
    for _ in range(MOST_TRIES):  # each begins it, and dies
        Legacy(fd).begin(6 | RESENT)
    assert legacy.answers(fd) == 0
    requests = Requests(memory, again=True, legacy=Legacy(fd))
    assert answered(requests, message)[0] == errno.EIO
    assert answered(requests, message)[0] == 0, "another one of that number is another one"
    assert "getattr" in memory.asked
    requests.answered()
    assert legacy.answers(fd) == 1
    os.close(fd)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=200))
def test_tries_are_counted_as_a_dictionary_counts(steps: list[tuple[bool, int]]) -> None:
    fd = os.memfd_create("legacy")
    expected: dict[int, int] = {}
    for begins, unique in steps:
        if len(expected) < 200 and begins:
            expected[unique] = expected.get(unique, 0) + 1
            assert Legacy(fd).begin(unique) == expected[unique]
        else:
            expected.pop(unique, None)
            Legacy(fd).end(unique)
    os.close(fd)

"""PUBLISH: the broker believes no client, and closes every descriptor that it was given."""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import agentmem_wire as wire
from tests.agentmem_wire import Broker, broker

pytestmark = pytest.mark.skipif(wire.MISSING, reason=wire.WHY)
LARGE = os.urandom(1 << 16) * 24 + b"the end"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.mark.parametrize("data", [b"x", b"a tool's result " * 40, bytes(wire.INLINE)])
def test_what_is_published_is_there_once_for_every_agent(running: Broker, data: bytes) -> None:
    with running.attached("one") as one, running.attached("two") as two:
        first = one.publish(data).placed
        again = two.publish(data).placed
        assert (first.existed, again.existed) == (0, 1)
        assert first.id == again.id
        assert (first.number, first.length, first.type) == (again.number, len(data), wire.TOOL_RESULT)
        assert two.acquire(first.id).placed.id == first.id
        assert two.bytes_of(again) == data


def test_type_and_form_are_part_of_what_a_unit_is(running: Broker) -> None:
    with running.attached() as client:
        ids = {client.publish(b"one text", kind=kind).placed.id for kind in range(1, 6)}
        assert len(ids) == 5


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"kind": 0}, wire.ETYPE),
        ({"kind": 6}, wire.ETYPE),
        ({"form": 3}, wire.EINVAL),
        ({"private": 2}, wire.EINVAL),
        ({"form": wire.ROPE}, wire.ESIZE),
    ],
)
def test_a_wrong_value_is_refused_and_the_connection_stays(
    running: Broker, said: dict[str, int], status: int
) -> None:
    with running.attached() as client:
        assert client.publish(b"some bytes", **said).status == status  # type: ignore[arg-type]
        assert client.publish(b"some bytes").status == wire.OK


def test_a_wrong_id_is_named_beside_the_right_one(running: Broker) -> None:
    with running.attached() as client:
        right = client.publish(b"true bytes").placed.id
        assert client.publish(b"true bytes", claimed=right).placed.id == right
        for answer in (
            client.publish(b"other bytes", claimed=right),
            client.publish_fd(wire.memfd(b"other bytes"), 11, claimed=right),
        ):
            assert answer.status == wire.EINVAL
            said, found = answer.text.split()[6], answer.text.split()[-1]
            assert said == right.hex()
            assert client.acquire(bytes.fromhex(found)).status == wire.ENOTFOUND
        assert client.publish(b"other bytes").placed.id.hex() == found


def test_a_sealed_memfd_becomes_the_unit(running: Broker) -> None:
    with running.attached() as client:
        fd = wire.memfd(LARGE)
        placed = client.publish_fd(fd, len(LARGE)).placed
        os.close(fd)
        assert (placed.existed, placed.length) == (0, len(LARGE))
        assert client.bytes_of(placed) == LARGE
        fd = wire.memfd(LARGE)
        assert client.publish_fd(fd, len(LARGE), claimed=placed.id).placed.existed == 1
        os.close(fd)


def test_a_memfd_of_holes_is_read_as_zeros(running: Broker) -> None:
    fd = wire.memfd(b"", 0)
    os.ftruncate(fd, 3 << 20)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, wire.SEALS)
    with running.attached() as client:
        placed = client.publish_fd(fd, 3 << 20).placed
        assert client.bytes_of(placed) == bytes(3 << 20)
    os.close(fd)


def lying(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    """(what, descriptor, length said, status) of everything that is not what PUBLISH takes."""
    for missing, seals in (
        ("write", 2 | 4),
        ("grow", 2 | 8),
        ("shrink", 4 | 8),
        ("all", 0),
        ("write", 2 | 4 | 16),
    ):
        yield f"seal {missing}", wire.memfd(b"12345678", seals), 8, wire.ESEALS
    yield "longer", wire.memfd(b"12345678"), 9, wire.ESIZE
    yield "shorter", wire.memfd(b"12345678"), 7, wire.ESIZE
    yield "huge", wire.memfd(b"12345678"), 1 << 35, wire.ESIZE
    yield "too huge", wire.memfd(b"12345678"), 1 << 37, wire.ESIZE
    hole = wire.memfd(b"", 0)
    os.ftruncate(hole, 1 << 30)
    fcntl.fcntl(hole, fcntl.F_ADD_SEALS, wire.SEALS)
    yield "larger than the hot tier", hole, 1 << 30, wire.ENOMEM
    file = folder / "file"
    file.write_bytes(b"12345678")
    yield "a file", os.open(file, os.O_RDONLY), 8, wire.ESEALS
    read, write = os.pipe()
    yield "a pipe", read, 8, wire.ESEALS
    os.close(write)
    yield "a folder", os.open(folder, os.O_RDONLY), 8, wire.ESEALS
    yield "/proc", os.open("/proc/self/mem", os.O_RDONLY), 8, wire.ESEALS
    if Path("/dev/shm").is_dir():
        with tempfile.TemporaryFile(dir="/dev/shm") as shared:
            shared.write(b"12345678")
            shared.flush()
            yield "shared memory", os.dup(shared.fileno()), 8, wire.ESEALS


def test_what_can_still_change_is_no_unit_and_no_descriptor_stays_open(
    running: Broker, tmp_path: Path
) -> None:
    with running.attached() as client:
        before = running.files()
        for what, fd, length, status in lying(tmp_path):
            answer = client.publish_fd(fd, length)
            os.close(fd)
            assert answer.status == status, (what, answer.text)
        wire.until(lambda: running.files() <= before, "every descriptor is closed")
        assert client.publish(b"12345678").status == wire.OK


def test_ropes_come_in_the_message_only(running: Broker) -> None:
    with running.attached() as client:
        unit = client.publish(b"a piece").placed
        piece = struct.pack("<32sQIIBBB13x", unit.id, unit.length, 1, 1, wire.TOOL_RESULT, wire.RAW, 1)
        before = running.files()
        placed = client.publish(piece * 3, kind=wire.CONVERSATION, form=wire.ROPE).placed
        assert (placed.form, placed.length) == (wire.ROPE, 3 * len(piece))
        fd = wire.memfd(piece)
        body = struct.pack("<32sQBBB5x", wire.NO_ID, len(piece), wire.CONVERSATION, wire.ROPE, 0)
        assert client.ask(wire.PUBLISH, body, fd).status == wire.EINVAL
        os.close(fd)
        lie = struct.pack("<32sQIIBBB13x", unit.id, unit.length + 1, 1, 1, wire.TOOL_RESULT, wire.RAW, 1)
        assert client.publish(lie, kind=wire.CONVERSATION, form=wire.ROPE).status == wire.EINVAL
        wire.until(lambda: running.files() <= before, "every descriptor is closed")


def test_realms_with_equal_content_have_nothing_in_common(running: Broker) -> None:
    with running.attached("a", "here") as here, running.attached("a", "there") as there:
        one, two = here.publish(LARGE[:4000]).placed, there.publish(LARGE[:4000]).placed
        assert one.existed == two.existed == 0
        assert one.id != two.id
        assert here.welcome[3] != there.welcome[3]
        assert there.acquire(one.id).status == wire.ENOTFOUND
        assert there.ask(wire.OWN, one.id).status == wire.ENOTFOUND
        assert os.fstat(here.table).st_ino != os.fstat(there.table).st_ino
        mine = here.ask(wire.SEGMENT, struct.pack("<II", one.segment, one.generation))
        other = there.ask(wire.SEGMENT, struct.pack("<II", two.segment, two.generation))
        assert os.fstat(mine.fd).st_ino != os.fstat(other.fd).st_ino
        os.close(mine.fd)
        os.close(other.fd)


def test_private_units_lie_where_no_other_agent_may_map(running: Broker) -> None:
    with running.attached("mine") as mine, running.attached("other") as other:
        unit = mine.publish(b"said in confidence", private=1).placed
        assert mine.bytes_of(unit) == b"said in confidence"
        segment = struct.pack("<II", unit.segment, unit.generation)
        refused = other.ask(wire.SEGMENT, segment)
        assert (refused.status, refused.fd) == (wire.EACCESS, -1)
        assert other.acquire(unit.id).status in (wire.EACCESS, wire.ENOTFOUND)
        shared = mine.ask(wire.SHARE, unit.id).placed
        assert shared.id != unit.id
        assert other.bytes_of(other.acquire(shared.id).placed) == b"said in confidence"
        given = mine.ask(wire.SHARE, unit.id + b"other").placed
        assert other.bytes_of(given) == b"said in confidence"
        assert mine.ask(wire.SHARE, unit.id + b"nobody").status == wire.ENOTFOUND


def test_a_quota_is_per_agent_and_says_so(tmp_path: Path) -> None:
    with (
        broker(tmp_path, "--quota-bytes", "1M", "--quota-units", "5") as own,
        own.attached("greedy") as greedy,
        own.attached("modest") as modest,
    ):
        before = own.files()
        fd = wire.memfd(LARGE)
        assert greedy.publish_fd(fd, len(LARGE)).status == wire.EQUOTA
        os.close(fd)
        answers = [greedy.publish(bytes([n])).status for n in range(8)]
        assert answers == [wire.OK] * 5 + [wire.EQUOTA] * 3
        assert modest.publish(b"room").status == wire.OK
        wire.until(lambda: own.files() <= before + 2, "what was refused is closed")

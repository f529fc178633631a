"""Packets that break the rules: refused with a reason, closed, and nothing else happens."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import agentmem_wire as wire
from tests.agentmem_wire import Broker, broker

pytestmark = pytest.mark.skipif(wire.MISSING, reason=wire.WHY)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


def head(operation: int, size: int, flags: int = 0) -> bytes:
    return struct.pack("<HHIQ", operation, flags, size, 7)


BROKEN = {
    "half a head": b"\1\0\0",
    "more said than sent": head(wire.ACQUIRE, 32) + bytes(31),
    "more sent than said": head(wire.ACQUIRE, 32) + bytes(33),
    "operation 0": head(0, 0),
    "operation 17": head(17, 0),
    "operation 65535": head(65535, 0),
    "a flag that nobody knows": head(wire.STATS, 0, 4),
    "text of what has none": head(wire.AGENTS, 0, wire.TEXT),
    "an id too short": head(wire.OWN, 16) + bytes(16),
    "no ids": head(wire.HEAT, 0),
    "an id and a half": head(wire.HEAT, 48) + bytes(48),
    "something where zeros belong": head(wire.MARK, 40) + bytes(36) + b"\1\0\0\0",
    "publish without its head": head(wire.PUBLISH, 47) + bytes(47),
    "publish of more than came": head(wire.PUBLISH, 50)
    + bytes(32)
    + struct.pack("<QBBB5x", 3, 4, 1, 0)
    + b"ab",
    "publish with something after": head(wire.PUBLISH, 48)
    + bytes(32)
    + struct.pack("<QBBB5s", 0, 4, 1, 0, b"x"),
    "hello cut": head(wire.HELLO, 10) + bytes(10),
    "hello with longer names than came": head(wire.HELLO, 25)
    + struct.pack("<IIIIiHH", 1, 1, 50, 0, 0, 1, 60000)
    + b"r",
    "inventory of something": head(wire.INVENTORY, 1) + b"x",
    "state cut": head(wire.STATE, 4) + bytes(4),
}


@pytest.mark.parametrize("packet", BROKEN.values(), ids=BROKEN)
def test_a_broken_packet_is_answered_and_the_connection_closed(running: Broker, packet: bytes) -> None:
    with running.attached() as other, running.attached() as client:
        client.raw(packet)
        answer = client.receive()
        assert answer is not None
        assert answer.status == wire.EPROTOCOL
        assert answer.text
        assert client.receive() is None
        assert other.publish(b"goes on").status == wire.OK


def test_a_packet_too_large_and_an_empty_one_are_the_end(running: Broker) -> None:
    with running.attached() as client:
        client.raw(head(wire.PUBLISH, wire.PACKET) + bytes(wire.PACKET))
        answer = client.receive()
        assert answer is not None
        assert (answer.status, answer.sequence) == (wire.EPROTOCOL, 7)
        assert client.receive() is None
    with running.attached() as client:
        client.raw(b"")
        assert client.receive() is None


def test_descriptors_where_none_belong_are_closed(running: Broker) -> None:
    before = running.files()
    for operation, fds in ((wire.STATS, 1), (wire.PUBLISH, 2), (wire.PUBLISH, 3), (wire.PUBLISH, 40)):
        with running.attached() as client:
            fd = wire.memfd(b"12345678")
            body = struct.pack("<32sQBBB5x", wire.NO_ID, 8, wire.TOOL_DEF, wire.RAW, 0)
            client.raw(head(operation, len(body)) + body, *[fd] * fds)
            answer = client.receive()
            assert answer is not None
            assert answer.status == wire.EPROTOCOL
            assert client.receive() is None
            os.close(fd)
    wire.until(lambda: running.files() == before, "every descriptor is closed")


def test_no_answer_is_given_where_none_is_wanted_except_of_the_end(running: Broker) -> None:
    with running.attached() as client:
        unit = client.publish(b"kept").placed.id
        client.send(wire.OWN, unit, flags=wire.SILENT)
        client.send(wire.DISOWN, wire.NO_ID, flags=wire.SILENT)  # refused, and nobody hears of it
        assert client.acquire(unit).status == wire.OK
        client.send(wire.OWN, unit[:5], flags=wire.SILENT)
        answer = client.receive()
        assert answer is not None
        assert answer.status == wire.EPROTOCOL
        assert client.receive() is None


def test_unknown_names_and_numbers_are_named(running: Broker) -> None:
    with running.attached() as client:
        assert "nobody" in client.ask(wire.FORGET, b"nobody").text
        assert client.ask(wire.STATE, struct.pack("<II", 4, wire.LEAVE)).status == wire.EINVAL
        assert client.ask(wire.STATE, struct.pack("<II", 0, 101)).status == wire.EINVAL
        assert client.ask(wire.SEGMENT, struct.pack("<II", 60000, 1)).status == wire.ENOTFOUND
        assert client.ask(wire.SEGMENT, struct.pack("<II", wire.LEAVE, 1)).status == wire.ENOTFOUND
        assert client.ask(wire.HEAD_GET, b"no head").status == wire.ENOTFOUND
        assert client.ask(wire.MARK, bytes(32) + struct.pack("<II", 200, 0)).status == wire.EINVAL
        assert client.acquire(os.urandom(32)).status == wire.ENOTFOUND


def test_heads_point_at_units(running: Broker) -> None:
    with running.attached("writer") as client:
        unit = client.publish(b"version 1").placed
        assert client.ask(wire.HEAD_SET, unit.id + "Gespräch".encode()).status == wire.OK
        assert client.ask(wire.HEAD_GET, "Gespräch".encode()).placed.id == unit.id
        assert client.ask(wire.HEAD_SET, wire.NO_ID + "Gespräch".encode()).status == wire.OK
        assert client.ask(wire.HEAD_GET, "Gespräch".encode()).status == wire.ENOTFOUND


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.binary(max_size=300)), max_size=20))
def test_whatever_is_sent_the_broker_goes_on(running: Broker, packets: list[tuple[int, int, bytes]]) -> None:
    with running.attached() as client:
        for operation, flags, body in packets:
            try:
                client.raw(head(operation, len(body), flags) + body)
            except (BrokenPipeError, ConnectionResetError):
                break
    with running.attached() as client:
        assert client.publish(b"goes on").status == wire.OK


def test_a_thousand_mutated_packets_leave_no_descriptor_and_no_agent(running: Broker) -> None:
    chance = random.Random(6)
    before, agents = running.files(), len(running.agents())
    for _ in range(250):
        with running.attached("mutant") as client:
            for _ in range(4):
                packet = bytearray(chance.choice(list(BROKEN.values())))
                packet[chance.randrange(len(packet))] ^= 1 << chance.randrange(8)
                fds = [client.table] if chance.random() < 0.3 else []
                try:
                    client.raw(bytes(packet), *fds)
                except (BrokenPipeError, ConnectionResetError):
                    break
    wire.until(lambda: len(running.agents()) == agents, "every agent has ended")
    wire.until(lambda: running.files() <= before + 2, "every descriptor is closed")

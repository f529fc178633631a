"""The log of numbers: what was noted is found by the next process, damage ends it, nothing is given twice."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.memexfs.numbers import Numbers, Record, digest

names = st.binary(min_size=1, max_size=255)
numbers = st.integers(2, 2**60)
records = st.builds(Record, numbers, numbers, names, st.integers(1, 2**64 - 1), st.integers(0, 2**64 - 1))


@pytest.fixture
def log() -> Iterator[int]:
    fd = os.memfd_create("log")
    yield fd
    os.close(fd)


def fresh() -> int:
    return os.memfd_create("log")


@given(st.lists(st.one_of(records, numbers), max_size=60), st.data())
def test_the_next_process_finds_what_was_noted_and_not_dropped(
    steps: list[Record | int], data: st.DataObject
) -> None:
    fd = fresh()
    log = Numbers(fd)
    expected: dict[int, Record] = {}
    for step in steps:
        if isinstance(step, Record):
            log.note(step)
            expected[step.number] = step
        else:
            number = data.draw(st.sampled_from(sorted(expected))) if expected else step
            log.drop(number)
            expected.pop(number, None)
        if data.draw(st.integers(0, 9)) == 0:
            log.rewrite(expected.values())
    assert Numbers(fd).found == expected
    os.close(fd)


@given(st.lists(records, min_size=1, max_size=20), st.data())
def test_damage_ends_the_log_and_is_never_something_else(noted: list[Record], data: st.DataObject) -> None:
    fd = fresh()
    log = Numbers(fd)
    for record in noted:
        log.note(record)
    size = os.fstat(fd).st_size
    at = data.draw(st.integers(0, size - 1))
    if data.draw(st.booleans()):
        os.ftruncate(fd, at)
    else:
        os.pwrite(fd, data.draw(st.binary(min_size=1, max_size=40)), at)
    later = Numbers(fd)
    later.note(noted[0])
    later.rewrite(noted)
    os.close(fd)


@given(st.binary(max_size=6_000))
def test_any_bytes_are_a_log(content: bytes) -> None:
    fd = fresh()
    os.pwrite(fd, content, 0)
    Numbers(fd).note(Record(2, 1, b"x", 3, 4))
    os.close(fd)


def test_no_number_is_given_twice_in_the_life_of_a_log(log: int) -> None:
    given_out: set[int] = set()
    for _ in range(4):
        process = Numbers(log)
        mine = [process.fresh() for _ in range(50)]
        assert not given_out & set(mine)
        given_out |= set(mine)


def test_a_log_that_is_written_anew_gives_its_room_back(log: int) -> None:
    process = Numbers(log)
    record = Record(2, 1, b"n" * 200, 3, 4)
    for _ in range(40):
        for _ in range(200):
            process.note(record)
        process.rewrite([record])
    assert os.fstat(log).st_blocks * 512 < 200_000
    assert Numbers(log).found == {2: record}


def test_a_key_has_the_same_digest_everywhere() -> None:
    assert digest((65024, 17)) == 0x7DA195B8D9F178F1
    assert digest((1, 2)) != digest((2, 1)) != digest("12")

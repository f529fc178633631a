"""Disks of a guest: whole sectors of a file, and nothing beside them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.unikernel import abi
from nexus.unikernel.abi import Errno
from nexus.unikernel.block_grant import SECTOR, Blocks

SECTORS = 20


@pytest.fixture
def disks(tmp_path: Path):
    for name in ("read", "write"):
        (tmp_path / name).write_bytes(bytes(i // SECTOR for i in range(SECTORS * SECTOR)) + b"rest")
    blocks = Blocks([(tmp_path / "read", False), (tmp_path / "write", True)])
    yield blocks
    blocks.close()


def at(device: int, count: int, sector: int) -> bytes:
    return abi.BLOCK_AT.pack(device, count, sector)


def test_a_disk_tells_its_size(disks: Blocks):
    assert abi.BLOCK_INFO.unpack(disks.info(0)[1]) == (SECTORS, SECTOR, 1)
    assert abi.BLOCK_INFO.unpack(disks.info(1)[1]) == (SECTORS, SECTOR, 0)
    assert disks.info(2) == (-Errno.ENODEV, b"")
    assert disks.info(2**64 - 1) == (-Errno.ENODEV, b"")


def test_what_is_written_is_read_and_its_neighbours_stay(disks: Blocks, tmp_path: Path):
    assert disks.write(at(1, 2, 5) + b"x" * 1024) == (0, b"")
    assert disks.read(at(1, 4, 4), 4096)[1] == b"\4" * 512 + b"x" * 1024 + b"\7" * 512
    assert (tmp_path / "write").read_bytes().endswith(b"rest")


def test_a_disk_granted_for_reading_is_not_written(disks: Blocks):
    assert disks.write(at(0, 1, 0) + bytes(512)) == (-Errno.EPERM, b"")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"short", Errno.EINVAL),
        (at(7, 1, 0), Errno.ENODEV),
        (at(0, 1, SECTORS), Errno.EINVAL),
        (at(0, 2, SECTORS - 1), Errno.EINVAL),
        (at(0, 2**32 - 1, 0), Errno.EINVAL),
        (at(0, 1, 2**64 - 1), Errno.EINVAL),
        (at(0, 3, 0), Errno.EMSGSIZE),
    ],
)
def test_what_lies_outside_is_refused(disks: Blocks, data: bytes, error: Errno):
    assert disks.read(data, 1024)[0] == -error


@pytest.mark.parametrize("size", [0, 511, 513])
def test_a_write_of_another_length_is_refused(disks: Blocks, size: int):
    assert disks.write(at(1, 1, 0) + bytes(size)) == (-Errno.EINVAL, b"")


def test_a_disk_that_became_shorter_gives_an_error_not_zeros(disks: Blocks, tmp_path: Path):
    os.truncate(tmp_path / "read", 1000)
    assert disks.read(at(0, 1, 10), 4096) == (-Errno.EIO, b"")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40) | st.builds(at, st.integers(0, 3), st.integers(0, 99), st.integers(0, 99)))
def test_any_request_has_an_answer_and_the_file_keeps_its_size(disks: Blocks, tmp_path: Path, data: bytes):
    disks.read(data, 4096)
    disks.write(data)
    assert (tmp_path / "write").stat().st_size == SECTORS * SECTOR + 4


def test_a_disk_that_cannot_be_one_is_an_error_of_the_grantor(tmp_path: Path, nothing_left):
    (tmp_path / "good").touch()
    os.mkfifo(tmp_path / "pipe")
    for bad, error in ((tmp_path / "none", NotFoundError), (tmp_path, InvalidInputError)):
        with pytest.raises(error, match="disk"):
            Blocks([(tmp_path / "good", True), (bad, True)])
    with pytest.raises(InvalidInputError, match="neither"):
        Blocks([(tmp_path / "pipe", False)])

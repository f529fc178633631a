"""Random operations on one file against a model in memory, in the manner of fsx.

`exercise(path, count, seed)` raises AssertionError at the first byte that differs, with the operations before
it. Every way to bytes is drawn: read, write, append, mmap, truncate, punch, zeros, reserve, copy_file_range,
reopen, rename, unlink of other names, fsync.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
from collections import deque
from pathlib import Path

LARGEST = 400_000
PUNCH, ZERO, KEEP = 2, 16, 1


class _File:
    def __init__(self, path: Path, draw: random.Random) -> None:
        self.path = path
        self.draw = draw
        self.fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
        self.model = bytearray()
        self.names = 0
        self._libc = ctypes.CDLL(None, use_errno=True)

    def range(self) -> tuple[int, int]:
        at = self.draw.randrange(LARGEST)
        if self.draw.random() < 0.4:
            at &= ~4095
        return at, self.draw.choice((1, 100, 4096, self.draw.randrange(1, 70_000)))

    def _reach(self, size: int) -> None:
        if size > len(self.model):
            self.model.extend(bytes(size - len(self.model)))

    def _put(self, at: int, data: bytes) -> None:
        self._reach(at + len(data))
        self.model[at : at + len(data)] = data

    def write(self) -> None:
        at, length = self.range()
        data = self.draw.randbytes(length)
        assert os.pwrite(self.fd, data, at) == length
        self._put(at, data)

    def append(self) -> None:
        if len(self.model) > LARGEST:
            return
        data = self.draw.randbytes(self.draw.randrange(1, 9_000))
        with open(self.path, "ab", buffering=0) as file:
            assert file.write(data) == len(data)
        self.model += data

    def read(self) -> None:
        at, length = self.range()
        assert os.pread(self.fd, length, at) == self.model[at : at + length], f"read {at} {length}"

    def size(self) -> None:
        assert os.fstat(self.fd).st_size == os.stat(self.path).st_size == len(self.model)

    def cut(self) -> None:
        size = self.draw.randrange(LARGEST)
        if self.draw.random() < 0.5:
            os.ftruncate(self.fd, size)
        else:
            os.truncate(self.path, size)
        self._reach(size)
        del self.model[size:]

    def map_read(self) -> None:
        if self.model:
            with mmap.mmap(self.fd, len(self.model), prot=mmap.PROT_READ) as mapped:
                at, length = self.range()
                assert mapped[at : at + length] == self.model[at : at + length], f"mapped {at} {length}"

    def map_write(self) -> None:
        if self.model:
            at = self.draw.randrange(len(self.model))
            data = self.draw.randbytes(min(self.draw.randrange(1, 9_000), len(self.model) - at))
            with mmap.mmap(self.fd, len(self.model)) as mapped:
                mapped[at : at + len(data)] = data
                mapped.flush()
            self._put(at, data)

    def _allocate(self, mode: int, at: int, length: int) -> None:
        if self._libc.fallocate(self.fd, mode, ctypes.c_int64(at), ctypes.c_int64(length)) < 0:
            raise OSError(ctypes.get_errno(), "fallocate")

    def punch(self) -> None:
        at, length = self.range()
        self._allocate(PUNCH | KEEP, at, length)
        end = min(at + length, len(self.model))
        if at < end:
            self.model[at:end] = bytes(end - at)

    def zero(self) -> None:
        at, length = self.range()
        self._allocate(ZERO, at, length)
        self._put(at, bytes(length))

    def reserve(self) -> None:
        at, length = self.range()
        self._allocate(0, at, length)
        self._reach(at + length)

    def copy(self) -> None:
        (at, length), (to, _) = self.range(), self.range()
        end = min(at + length, len(self.model))
        if at >= end or (at < to + length and to < at + length):
            return
        done = 0
        while done < end - at:
            count = os.copy_file_range(self.fd, self.fd, end - at - done, at + done, to + done)
            assert count > 0
            done += count
        self._put(to, bytes(self.model[at:end]))

    def reopen(self) -> None:
        os.close(self.fd)
        if self.draw.random() < 0.2:
            self.names += 1
            other = self.path.with_name(f"{self.path.name}.{self.names}")
            os.link(self.path, other)
            os.unlink(self.path)
            os.rename(other, self.path)
        self.fd = os.open(self.path, os.O_RDWR)

    def sync(self) -> None:
        os.fdatasync(self.fd)


def exercise(path: Path, count: int, seed: int) -> None:
    """`count` operations; the last thing is the whole file read anew."""
    draw = random.Random(seed)
    file = _File(path, draw)
    kinds = (
        *(("read", 18), ("write", 16), ("append", 4), ("size", 8), ("cut", 8), ("map_read", 12)),
        *(
            ("map_write", 10),
            ("punch", 6),
            ("zero", 4),
            ("reserve", 3),
            ("copy", 6),
            ("reopen", 4),
            ("sync", 1),
        ),
    )
    done: deque[str] = deque(maxlen=20)
    for number in range(count):
        name = draw.choices([k for k, _ in kinds], [w for _, w in kinds])[0]
        done.append(name)
        try:
            getattr(file, name)()
        except (AssertionError, OSError) as error:
            raise AssertionError(f"operation {number} (seed {seed}), after {[*done]}: {error}") from error
    assert path.read_bytes() == file.model
    os.close(file.fd)
    os.unlink(path)

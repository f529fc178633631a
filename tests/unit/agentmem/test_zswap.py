"""Which compressor is taken, how much RAM it gets, and which pages it is tried on."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

import pytest

from nexus.agentmem import zswap_sample, zswap_trial
from nexus.agentmem.machine import Machine
from nexus.agentmem.zswap_trial import FOLDER, Measured, choose, offered, pool_percent

PAGE = mmap.PAGESIZE
LZO = Measured("lzo", 2.35, 19.7, 11.0)
RLE = Measured("lzo-rle", 2.30, 18.5, 10.2)
DEFLATE = Measured("deflate", 2.89, 186.2, 28.1)
ZSTD = Measured("zstd", 3.4, 35.0, 13.0)
CRYPTO = """name         : lzo-rle
type         : scomp

name         : sha256
type         : shash

name         : new-one
type         : acomp
"""


def test_the_best_ratio_of_the_quick_ones_is_taken_and_the_quicker_of_equals():
    assert choose([LZO, RLE, DEFLATE]) == "lzo-rle"  # lzo is 2 % better, and slower
    assert choose([LZO, RLE, DEFLATE, ZSTD]) == "zstd"
    assert choose([DEFLATE]) == "deflate"


def test_the_pool_takes_all_of_swap_compressed_within_bounds():
    assert pool_percent(2.5, 24 << 30, 24 << 30) == 40
    assert pool_percent(3.0, 24 << 30, 24 << 30) == 34
    assert pool_percent(1.1, 24 << 30, 24 << 30) == 50
    assert pool_percent(3.0, 1 << 30, 24 << 30) == 20


def test_what_the_kernel_lists_is_tried_beside_what_is_known():
    assert offered(CRYPTO)[:3] == ["zstd", "lzo-rle", "lz4"]
    assert offered(CRYPTO).count("lzo-rle") == 1
    assert "new-one" in offered(CRYPTO)
    assert "sha256" not in offered(CRYPTO)


def fake(root: Path, swap: int) -> Machine:
    for name, text in (
        (f"{FOLDER}/compressor", "lzo"),
        ("/proc/meminfo", f"MemTotal: 4096000 kB\nSwapTotal: {swap} kB\nZswap: 0 kB\nZswapped: 0 kB\n"),
    ):
        (root / name[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / name[1:]).write_text(text)
    return Machine(root)


@pytest.mark.parametrize(
    ("swap", "pages", "why"),
    [
        (0, 1000, "no swap"),
        (1000, 3, "too few pages"),
        (1000, 300, "zswap did not take what was paged out"),
    ],
)
def test_what_could_not_be_measured_is_said_and_the_usual_is_set(tmp_path, swap, pages, why):
    machine = fake(tmp_path, swap)
    found = zswap_trial.trial(machine, os.urandom(pages * PAGE), "a sample")
    assert found.measured == ()
    assert why in found.lines()[0]
    assert (found.chosen, machine.read(f"{FOLDER}/compressor")) == ("zstd", "zstd")


def test_only_private_writable_memory_without_a_file_is_looked_at():
    lines = [
        "1000-3000 rw-p 00000000 00:00 0 ",
        "4000-5000 rw-p 00000000 00:00 0                          [heap]",
        "5000-6000 rw-p 00000000 00:00 0                          [stack]",
        "6000-7000 rw-s 00000000 00:00 9                          /memfd:x (deleted)",
        "7000-8000 r--p 00000000 00:00 0 ",
        "8000-9000 rw-p 00001000 08:01 77                         /lib/x.so",
        "nonsense",
    ]
    assert zswap_sample.private_ranges(lines) == [(0x1000, 0x3000), (0x4000, 0x5000)]


def test_pages_are_read_only_where_they_are_in_ram_and_not_empty():
    with mmap.mmap(-1, 64 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as region:
        region.madvise(mmap.MADV_NOHUGEPAGE)
        written = b"".join(bytes([number]) * PAGE for number in range(1, 9))
        region[8 * PAGE : 16 * PAGE] = written
        region[20 * PAGE] = 0  # in RAM, and empty
        address = ctypes.addressof(ctypes.c_char.from_buffer(region))
        maps = f"{address:x}-{address + 64 * PAGE:x} rw-p 00000000 00:00 0 "
        found = b"".join(zswap_sample._of(_Only(maps), os.getpid(), 1000))
        assert found == written
        with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
            entries = os.pread(pagemap.fileno(), 64 * 8, address // PAGE * 8)
        assert 0 not in zswap_sample.present(entries)  # looking has made no page
        assert zswap_sample.present(entries) == [*range(8, 16), 20]


class _Only(Machine):
    """This machine, with one region in every process."""

    def __init__(self, maps: str) -> None:
        super().__init__()
        self._maps = maps

    def read_lines(self, name: str) -> list[str]:
        return [self._maps]


def test_a_process_that_has_ended_gives_nothing():
    assert zswap_sample.sample(Machine(), [2**22 + 1], 1 << 20) == b""

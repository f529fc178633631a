"""Regions that a program offers for merging: whole pages of what was named, and nothing else."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from nexus.agentmem import merge
from nexus.core.errors import InvalidInputError

PAGE = mmap.PAGESIZE

pytestmark = pytest.mark.skipif(
    not Path("/sys/kernel/mm/ksm").is_dir(), reason="this kernel has no KSM: nothing can be marked"
)


def marked() -> int:
    ranges = merge.marked_ranges(Path("/proc/self/smaps").read_bytes())
    return sum(high - low for low, high in ranges)


def test_a_copy_is_marked_and_begins_a_page_and_is_the_data():
    before = marked()
    region = merge.copy(b"prompt " * 1000)
    assert region[:7000] == b"prompt " * 1000
    assert (len(region), marked() - before) == (8192, 8192)
    assert merge.unmark(region) == 8192
    assert marked() == before
    region.close()


def test_of_a_buffer_only_its_whole_pages_are_marked():
    before = marked()
    with mmap.mmap(-1, 8 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as region:
        part = memoryview(region)[100 : 4 * PAGE + 100]
        assert merge.mark(part) == 3 * PAGE  # pages 1 to 3; 0 and 4 belong to others too
        assert marked() - before == 3 * PAGE
        part.release()
    assert marked() == before


@pytest.mark.parametrize(
    "data", [b"x" * 3 * PAGE, memoryview(bytearray(8 * PAGE))[::2], bytearray(100), bytearray()]
)
def test_what_cannot_be_marked_is_refused(data):
    before = marked()
    with pytest.raises(InvalidInputError):
        merge.mark(data)
    assert marked() == before


def test_shared_memory_which_the_kernel_ignores_is_refused():
    with mmap.mmap(-1, 4 * PAGE) as shared, pytest.raises(InvalidInputError, match="private anonymous"):
        merge.mark(shared)


def test_nothing_to_copy_is_refused():
    with pytest.raises(InvalidInputError):
        merge.copy(b"")

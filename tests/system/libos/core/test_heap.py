"""The heap against a model: blocks never overlap and keep what is written; what is freed can be had again."""

from __future__ import annotations

import ctypes
import mmap
import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from nexus.unikernel import abi
from tests.libos_guest import needs_gcc, shared_library

pytestmark = needs_gcc
MEMORY = 4 << 20

_STAND_IN = """
#include <string.h>
#include <nx.h>
#include "heap.c"
#include "pages.c"
const struct nx_boot *nx_boot;
static struct nx_boot boot;
int panics;
/* A heap of its own for every test: all that is kept is set back. */
void begin_anew(uintptr_t memory, size_t size)
{
    memset(lists, 0, sizeof lists);
    memset(fine_set, 0, sizeof fine_set);
    coarse_set = 0;
    heap_first_reset();
    low = high = nx_heap_idle = last_size = 0;
    boot.heap = memory;
    boot.memory_end = memory + size;
    nx_boot = &boot;
}
void nx_panic(const char *why) { (void)why; panics++; for (;;) __builtin_trap(); }
/* The invariant of heap.c, walked: 0, or the line that is broken. */
int broken(void)
{
    size_t idle = 0, before = 0, free_blocks = 0, listed = 0;
    for (char *at = first; at < end;) {
        struct block *block = (struct block *)at;
        if (block->head.before != before)
            return __LINE__;
        if (!in_use(block)) {
            struct block *previous = in_front(block);
            if (previous && !in_use(previous))
                return __LINE__;
            idle += size_of(block);
            free_blocks++;
        }
        before = size_of(block);
        at += before;
        if (before < LEAST || at > end)
            return __LINE__;
    }
    for (unsigned i = 0; i < COARSE; i++)
        for (unsigned k = 0; k < 1u << FINE; k++) {
            if (!lists[i][k] != !(fine_set[i] >> k & 1) || !fine_set[i] != !(coarse_set >> i & 1))
                return __LINE__;
            for (struct block *block = lists[i][k]; block; block = block->next, listed++)
                if (in_use(block) || coarse(size_of(block)) != i || fine(size_of(block), i) != k)
                    return __LINE__;
        }
    return before != last_size || idle != nx_heap_idle || listed != free_blocks ? __LINE__ : 0;
}
"""


@pytest.fixture(scope="module")
def heap(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("heap")
    source = folder / "stand_in.c"
    source.write_text(_STAND_IN.replace("heap_first_reset();", "first = end = NULL;"))
    library = shared_library(folder, [source])
    for name in ("nx_alloc", "nx_resize", "nx_pages"):
        getattr(library, name).restype = ctypes.c_void_p
    library.nx_memory_left.restype = ctypes.c_size_t
    return library


class Heap:
    """The heap under test over memory of its own."""

    def __init__(self, library: ctypes.CDLL, size: int = MEMORY) -> None:
        self.library = library
        self.memory = mmap.mmap(-1, size + abi.PAGE)
        self._view = (ctypes.c_char * len(self.memory)).from_buffer(self.memory)
        self.base = ctypes.addressof(self._view)
        library.begin_anew(ctypes.c_size_t(self.base), ctypes.c_size_t(size))

    def close(self) -> None:
        del self._view
        self.memory.close()

    def alloc(self, size: int) -> int | None:
        address: int | None = self.library.nx_alloc(ctypes.c_size_t(size))
        return address

    def resize(self, block: int | None, size: int) -> int | None:
        address: int | None = self.library.nx_resize(ctypes.c_void_p(block), ctypes.c_size_t(size))
        return address

    def free(self, block: int | None) -> None:
        self.library.nx_free(ctypes.c_void_p(block))

    def pages(self, count: int) -> int | None:
        address: int | None = self.library.nx_pages(ctypes.c_size_t(count))
        return address

    def left(self) -> int:
        return int(self.library.nx_memory_left())


sizes = st.one_of(
    st.integers(0, 300), st.integers(0, 40_000), st.sampled_from([0, 16, 4096, 1 << 20, 1 << 22])
)


def machine(library: ctypes.CDLL) -> type[RuleBasedStateMachine]:
    class Machine(RuleBasedStateMachine):
        blocks = Bundle("blocks")

        def __init__(self) -> None:
            super().__init__()
            self.heap = Heap(library)
            self.live: dict[int, bytes] = {}

        def teardown(self) -> None:
            for block in list(self.live):
                self.heap.free(block)
            assert library.broken() == 0
            self.heap.close()

        def fill(self, block: int, size: int) -> None:
            assert block % 16 == 0
            content = random.Random(size).randbytes(size)
            ctypes.memmove(block, content, size)
            self.live[block] = content

        @rule(target=blocks, size=sizes)
        def alloc(self, size: int):
            block = self.heap.alloc(size)
            if block is None:
                assert size > 30_000 or self.heap.left() < 65536 + size + sum(map(len, self.live.values()))
                return multiple()
            assert block not in self.live
            self.fill(block, size)
            return block

        @rule(block=consumes(blocks))
        def free(self, block: int) -> None:
            del self.live[block]
            self.heap.free(block)

        @rule(target=blocks, block=consumes(blocks), size=sizes)
        def resize(self, block: int, size: int):
            before = self.live[block]
            moved = self.heap.resize(block, size)
            if moved is None:
                return block
            del self.live[block]
            assert moved not in self.live
            kept = min(size, len(before))
            assert ctypes.string_at(moved, kept) == before[:kept]
            self.fill(moved, size)
            return moved

        @precondition(lambda self: self.heap.left() > 3 << 20)
        @rule(count=st.integers(0, 20))
        def pages(self, count: int) -> None:
            block = self.heap.pages(count)
            if count and block is not None:
                assert block % abi.PAGE == 0
                ctypes.memset(block, 0xEE, count * abi.PAGE)

        @invariant()
        def whole(self) -> None:
            assert library.broken() == 0
            for block, content in self.live.items():
                assert ctypes.string_at(block, len(content)) == content

    return Machine


def test_blocks_against_a_model(heap: ctypes.CDLL) -> None:
    state = machine(heap)
    state.TestCase.settings = settings(max_examples=60, stateful_step_count=80, deadline=None)
    state.TestCase().runTest()


def test_all_memory_can_be_had_again_as_one_block(heap: ctypes.CDLL) -> None:
    under_test = Heap(heap)
    left = under_test.left()
    draw = random.Random(1)
    blocks: list[int] = []
    while (block := under_test.alloc(draw.randrange(1, 5000))) is not None:
        blocks.append(block)
    assert under_test.left() < 8192
    draw.shuffle(blocks)
    for block in blocks:
        under_test.free(block)
    assert under_test.left() == left
    assert under_test.alloc(left * 7 // 8) is not None


def test_long_churn_loses_little_to_fragmentation(heap: ctypes.CDLL) -> None:
    under_test = Heap(heap)
    draw = random.Random(2)
    live: list[tuple[int, int]] = []
    held = 0
    for _ in range(60_000):
        size = int(draw.paretovariate(1.1) * 24) % 20_000
        while held + size > MEMORY * 7 // 10:
            block, gone = live.pop(draw.randrange(len(live)))
            under_test.free(block)
            held -= gone
        block_or_none = under_test.alloc(size)
        assert block_or_none is not None, f"{held} of {MEMORY} bytes held, {size} not found"
        live.append((block_or_none, size))
        held += size


def test_what_cannot_be_is_refused(heap: ctypes.CDLL) -> None:
    under_test = Heap(heap)
    for size in (MEMORY, 1 << 31, (1 << 31) + 1, 1 << 40, 2**64 - 1, 2**64 - 16):
        assert under_test.alloc(size) is None
    assert under_test.pages(MEMORY // abi.PAGE + 1) is None
    assert under_test.pages(2**64 - 1) is None
    kept = under_test.alloc(100)
    assert kept is not None
    assert under_test.resize(kept, 2**64 - 1) is None
    assert under_test.resize(None, 10) is not None
    under_test.free(None)
    assert heap.broken() == 0


def test_pages_and_heap_share_the_memory(heap: ctypes.CDLL) -> None:
    under_test = Heap(heap, 64 * abi.PAGE)
    taken = [under_test.pages(1) for _ in range(32)]
    assert None not in taken
    assert len(set(taken)) == 32
    assert under_test.alloc(33 * abi.PAGE) is None
    assert under_test.alloc(30 * abi.PAGE) is not None
    assert under_test.pages(3) is None

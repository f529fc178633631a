"""The strict reader of images: what is refused, and that nothing else comes out of foreign bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.unikernel import abi, elf

TEXT = b"\x0f\x0b" * 8


def program(
    kind=1, flags=5, offset=0x1000, address=abi.IMAGE, size=None, memory=None, physical=None
) -> bytes:
    size = len(TEXT) if size is None else size
    memory = size if memory is None else memory
    physical = address if physical is None else physical
    return struct.pack("<IIQQQQQQ", kind, flags, offset, address, physical, size, memory, 4096)


def image(*programs: bytes, entry=abi.IMAGE, kind=2, machine=62, count=None, at=64, entry_size=56) -> bytes:
    count = len(programs) if count is None else count
    header = struct.pack(
        *("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), kind, machine, 1, entry, at, 0, 0, 64),
        *(entry_size, count, 0, 0, 0),
    )
    return (header + b"".join(programs)).ljust(0x1000, b"\0") + TEXT.ljust(0x1000, b"\0")


CODE = program()
DATA = program(flags=6, offset=0x1010, address=abi.IMAGE + 0x1010, size=16, memory=0x3000)


def test_segments_and_entry_are_found() -> None:
    found = elf.parsed(image(CODE, DATA, entry=abi.IMAGE + 2))
    assert found.entry == abi.IMAGE + 2
    assert [(part.address, part.size, part.writable, part.executable) for part in found.segments] == [
        (abi.IMAGE, 16, False, True),
        (abi.IMAGE + 0x1010, 0x3000, True, False),
    ]
    assert found.segments[0].content == TEXT
    assert found.end == abi.IMAGE + 0x5000


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a 64-bit"),
        (b"#!/bin/sh\n" * 40, "not a 64-bit"),
        (image(CODE)[:40], "not a 64-bit"),
        (b"\x7fELF\x01\x01\x01".ljust(200, b"\0"), "not a 64-bit"),
        (image(CODE, kind=3), "type 3"),
        (image(CODE, machine=183), "machine 183"),
        (image(CODE, entry_size=32), "program headers"),
        (image(count=0), "program headers"),
        (image(CODE, at=1 << 40), "outside the file"),
        (image(CODE, count=65535), "outside the file"),
        (image(CODE, program(kind=2)), "static"),
        (image(CODE, program(kind=3)), "static"),
        (image(CODE, program(kind=7)), "TLS"),
        (image(program(flags=7)), "flags 7"),
        (image(program(flags=1)), "flags 1"),
        (image(program(physical=0x500000)), "loaded at"),
        (image(program(address=abi.BASE)), "lies where it must not"),
        (image(program(address=abi.MEMORY_MAX)), "lies where it must not"),
        (image(program(address=(1 << 64) - 4096)), "lies where it must not"),
        (image(CODE, program(flags=6, address=abi.IMAGE + 0x10, offset=0x1010)), "lies where it must not"),
        (image(program(size=16, memory=8)), "takes 16 bytes"),
        (image(program(size=0x2000)), "takes 8192 bytes"),
        (image(program(offset=(1 << 64) - 4096)), "takes 16 bytes"),
        (image(program(offset=0x1008)), "takes 16 bytes"),
        (image(CODE, entry=abi.IMAGE + 16), "entry"),
        (image(DATA, entry=abi.IMAGE + 0x1010), "entry"),
        (image(program(memory=0x100, size=0), entry=abi.IMAGE), "entry"),
        (image(*(program(address=abi.IMAGE + n * 4096) for n in range(9))), "9 segments"),
    ],
)
def test_what_a_linker_of_ours_does_not_make_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(elf.BadImageError, match=why):
        elf.parsed(content)


def holds(content: bytes) -> None:
    try:
        found = elf.parsed(content)
    except elf.BadImageError:
        return
    at = abi.IMAGE
    for part in found.segments:
        assert at <= part.pages.start <= part.address < part.address + part.size <= part.pages.stop
        assert len(part.content) <= part.size
        assert not (part.writable and part.executable)
        assert part.content in content
        at = part.pages.stop
    assert found.end == at <= abi.MEMORY_MAX
    assert any(part.executable and part.address <= found.entry < part.pages.stop for part in found.segments)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_keep_the_invariant(content: bytes) -> None:
    holds(content)
    holds(image(CODE, DATA)[:64] + content)


words = st.one_of(
    st.integers(0, 8),
    st.sampled_from([abi.IMAGE, abi.IMAGE + 4096, abi.MEMORY_MAX, 4096, 0x1010, (1 << 64) - 1]),
    st.integers(0, (1 << 64) - 1),
)


@given(st.lists(st.tuples(st.integers(24, 175), words, st.sampled_from("BHIQ")), max_size=6))
def test_any_change_of_an_image_is_refused_or_keeps_the_invariant(changes) -> None:
    content = bytearray(image(CODE, DATA))
    for at, value, size in changes:
        struct.pack_into("<" + size, content, at, value % (1 << 8 * struct.calcsize("<" + size)))
    holds(bytes(content))

"""The memory and string functions of guests against Python's own idea of them."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.libos_guest import LIBOS, needs_gcc, shared_library

pytestmark = needs_gcc
NAMES = (
    "memcpy memmove memset memcmp memchr strlen strnlen strcmp strncmp strcpy strncpy strcat strncat strchr"
    " strrchr strstr strspn strcspn"
).split()
texts = st.lists(st.sampled_from(b"abA \xff\x80"), max_size=40).map(bytes)
bytes_ = st.sampled_from([0, *b"abA \xff\x80z"])


@pytest.fixture(scope="module")
def c(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Under names of their own, so that these are called and not the host's."""
    folder = tmp_path_factory.mktemp("memory")
    renamed = [f"-D{name}=nx_{name}" for name in NAMES]
    plain = ["-fno-tree-loop-distribute-patterns", "-isystem", str(LIBOS / "core" / "libc"), "-O2"]
    sources = [LIBOS / "core" / "memory.c", LIBOS / "core" / "string.c"]
    library = shared_library(folder, sources, *renamed, *plain)
    for name in NAMES:
        function = getattr(library, f"nx_{name}")
        if name in ("strlen", "strnlen", "strspn", "strcspn"):
            function.restype = ctypes.c_size_t
        elif name not in ("memcmp", "strcmp", "strncmp"):
            function.restype = ctypes.c_void_p
    return library


class Block:
    """Bytes in memory with a canary on each side."""

    def __init__(self, content: bytes) -> None:
        self.size = len(content)
        self._buffer = ctypes.create_string_buffer(b"\xc5" * 64 + content + b"\xc5" * 64)
        self.address = ctypes.addressof(self._buffer) + 64

    def at(self, offset: int = 0) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.address + offset)

    @property
    def content(self) -> bytes:
        raw = self._buffer.raw
        assert raw[:64] == raw[64 + self.size : 128 + self.size] == b"\xc5" * 64
        return raw[64 : 64 + self.size]


def size(value: int) -> ctypes.c_size_t:
    return ctypes.c_size_t(value)


def sign(value: int) -> int:
    return (value > 0) - (value < 0)


def offset(found: int | None, block: Block) -> int:
    return -1 if found is None else found - block.address


@pytest.mark.parametrize("length", [*range(70), 255, 4096, 70_001])
@pytest.mark.parametrize("place", [0, 1, 7])
def test_blocks_of_every_size_and_place(c: ctypes.CDLL, length: int, place: int) -> None:
    content = bytes(i * 7 % 256 for i in range(length))
    source, target = Block(b"-" * place + content), Block(b"?" * (place + length))
    assert c.nx_memcpy(target.at(place), source.at(place), size(length)) == target.address + place
    assert target.content == b"?" * place + content
    assert c.nx_memset(target.at(place), 0x1A5, size(length)) == target.address + place
    assert target.content == b"?" * place + b"\xa5" * length


@given(st.binary(min_size=1, max_size=300), st.data())
@settings(max_examples=500, deadline=None)
def test_memmove_where_blocks_overlap(c: ctypes.CDLL, content: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(content)))
    source = data.draw(st.integers(0, len(content) - length))
    target = data.draw(st.integers(0, len(content) - length))
    block = Block(content)
    c.nx_memmove(block.at(target), block.at(source), size(length))
    expected = bytearray(content)
    expected[target : target + length] = content[source : source + length]
    assert block.content == expected


@given(st.binary(max_size=40), st.binary(max_size=40), bytes_)
@example(b"aaaaaaaab", b"aaaaaaaac", 0)
@example(b"\xff", b"\x01", 255)
@settings(max_examples=500, deadline=None)
def test_comparing_and_finding(c: ctypes.CDLL, one: bytes, two: bytes, byte: int) -> None:
    for other in (two, one[:-1] + two[:1], one):
        length = min(len(one), len(other))
        a, b = Block(one), Block(other)
        expected = (one[:length] > other[:length]) - (one[:length] < other[:length])
        assert sign(c.nx_memcmp(a.at(), b.at(), size(length))) == expected
    block = Block(one)
    assert offset(c.nx_memchr(block.at(), byte | 0x300, size(len(one))), block) == one.find(byte)


@given(texts, texts, st.integers(0, 50), bytes_)
@settings(max_examples=300, deadline=None)
def test_texts(c: ctypes.CDLL, one: bytes, two: bytes, most: int, byte: int) -> None:
    a, b = Block(one + b"\0"), Block(two + b"\0")
    assert c.nx_strlen(a.at()) == len(one)
    assert c.nx_strnlen(a.at(), size(most)) == min(len(one), most)
    assert sign(c.nx_strcmp(a.at(), b.at())) == (one > two) - (one < two)
    front, other = one[:most], two[:most]
    assert sign(c.nx_strncmp(a.at(), b.at(), size(most))) == (front > other) - (front < other)
    ended = one + b"\0"
    assert offset(c.nx_strchr(a.at(), byte), a) == ended.find(byte)
    assert offset(c.nx_strrchr(a.at(), byte), a) == ended.rfind(byte)
    part = two[: most % 4]
    assert offset(c.nx_strstr(a.at(), Block(part + b"\0").at()), a) == one.find(part)
    assert c.nx_strspn(a.at(), b.at()) == len(one) - len(one.lstrip(two)) if two else True
    assert c.nx_strcspn(a.at(), b.at()) == next((i for i, x in enumerate(one) if x in two), len(one))


@given(texts, texts, st.integers(0, 50))
@settings(max_examples=500, deadline=None)
def test_copies_of_texts(c: ctypes.CDLL, one: bytes, two: bytes, most: int) -> None:
    room = len(one) + len(two) + 60
    source = Block(two + b"\0")

    def after(function: str, *more: int) -> bytes:
        target = Block(one + b"\0" + b"?" * room)
        arguments = [target.at(), source.at(), *map(size, more)]
        assert getattr(c, f"nx_{function}")(*arguments) == target.address
        return target.content

    filled = b"?" * room
    assert after("strcpy") == (two + b"\0" + (one + b"\0" + filled)[len(two) + 1 :])
    padded = two[:most].ljust(most, b"\0")
    assert after("strncpy", most) == padded + (one + b"\0" + filled)[most:]
    assert after("strcat") == one + two + b"\0" + filled[len(two) :]
    assert after("strncat", most) == one + two[:most] + b"\0" + filled[len(two[:most]) :]


def test_none_calls_itself(c: ctypes.CDLL) -> None:
    """What a compiler makes of these loops must not be a call of the function that they are."""
    block = Block(b"x" * 100_000)
    c.nx_memset(block.at(), 0, size(100_000))
    assert block.content == bytes(100_000)

"""The archive of modules, as pvh.c unpacks it: what `abi.archive` makes arrives, and nothing else harms."""

from __future__ import annotations

import ctypes
import mmap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.unikernel import abi
from tests.libos_guest import emulated, needs_gcc, needs_qemu, shared_library

pytestmark = needs_gcc

_STAND_IN = """
#include <setjmp.h>
#include "pvh.c"
const struct nx_boot *nx_boot;
char nx_image_code[1], nx_image_data[1], nx_image_end[1];
static jmp_buf panicked;
static const char *reason;
void nx_panic(const char *why) { reason = why; longjmp(panicked, 1); }
void nx_pvh_reset(void) { __builtin_trap(); }
int nx_virtio_open(uint64_t registers) { (void)registers; return 1; }
const char *unpacked(struct nx_boot *boot, uint64_t end, const char *archive, uint64_t size, const char *line)
{
    reason = NULL;
    boot->memory_end = end;
    if (!setjmp(panicked))
        boot->heap = unpack(boot, archive, size, line);
    return reason;
}
uint64_t read_hexadecimal(const char *text, size_t *size)
{
    const char *end;
    uint64_t value = hexadecimal(text, &end);
    *size = (size_t)(end - text);
    return value;
}
"""
ROOM = 1 << 20


@pytest.fixture(scope="module")
def pvh(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("pvh")
    (folder / "stand_in.c").write_text(_STAND_IN)
    library = shared_library(folder, [folder / "stand_in.c"], "-Wno-int-to-pointer-cast")
    library.unpacked.restype = ctypes.c_char_p
    library.read_hexadecimal.restype = ctypes.c_uint64
    return library


def unpack(pvh: ctypes.CDLL, archive: bytes, gap: int = 0, line: bytes = b"words") -> list[abi.Module] | str:
    """The modules, or why not. The archive lies `gap` pages behind the boot block."""
    memory = mmap.mmap(-1, ROOM)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    boot = base + abi.PAGE
    head = abi.BOOT.size + len(line) + 1 + abi.PAGE
    if len(archive) >= 8:
        count = int.from_bytes(archive[4:8], "little")
        head += min(count, 1024) * (abi.MODULE.size + 48)
    place = -(-(boot + head) // abi.PAGE) * abi.PAGE + gap * abi.PAGE
    end = place + -(-len(archive) // abi.PAGE) * abi.PAGE
    assert end < base + ROOM - abi.PAGE
    memory[:] = b"\xc5" * ROOM
    ctypes.memmove(place, archive, len(archive))
    why = pvh.unpacked(*map(ctypes.c_uint64, (boot, end, place, len(archive))), line)
    assert memory[: boot - base] == b"\xc5" * (boot - base)
    assert memory[end - base :] == b"\xc5" * (base + ROOM - end)
    if why is not None:
        return str(why.decode())
    fields = abi.BOOT.unpack(memory[boot - base :][: abi.BOOT.size])
    count, table, words, heap = fields[3], fields[5], fields[6], fields[7]
    assert ctypes.string_at(words) == line
    assert boot < heap <= end
    found = []
    for i in range(count):
        name, address, size = abi.MODULE.unpack(
            ctypes.string_at(table + i * abi.MODULE.size, abi.MODULE.size)
        )
        assert address % abi.PAGE == 0
        found.append(
            abi.Module(ctypes.string_at(name).decode(errors="replace"), ctypes.string_at(address, size))
        )
    return found


modules = st.lists(
    st.builds(
        abi.Module,
        st.text("abc/é.", max_size=20),
        st.one_of(
            st.binary(max_size=50), st.integers(0, 9000).map(lambda size: bytes(i % 251 for i in range(size)))
        ),
    ),
    max_size=6,
)


@given(modules, st.integers(0, 20))
@settings(max_examples=300, deadline=None)
def test_modules_arrive_wherever_the_archive_lies(
    pvh: ctypes.CDLL, given: list[abi.Module], gap: int
) -> None:
    assert unpack(pvh, abi.archive(given), gap) == given


def test_no_archive_is_no_module(pvh: ctypes.CDLL) -> None:
    assert unpack(pvh, b"") == []


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused(pvh: ctypes.CDLL, data: bytes) -> None:
    if data:
        assert unpack(pvh, data) == "the modules are not an archive"


@given(
    modules,
    st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=8)), max_size=4),
    st.data(),
)
@settings(max_examples=400, deadline=None)
def test_a_damaged_archive_harms_nothing(
    pvh: ctypes.CDLL, given: list[abi.Module], changes: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    archive = bytearray(abi.archive(given))
    for place, new in changes:
        archive[place : place + len(new)] = new
    del archive[data.draw(st.integers(1, len(archive))) :]
    found = unpack(pvh, bytes(archive))
    if isinstance(found, str):
        assert found in {
            "the modules are not an archive",
            "the archive of modules is damaged",
            "the modules do not fit into the memory",
        }


@given(st.text("0123456789abcdefABCDEFgG xX/:@`", max_size=15))
@settings(deadline=None)
def test_hexadecimal_numbers(pvh: ctypes.CDLL, text: str) -> None:
    digits = len(text) - len(text.lstrip("0123456789abcdefABCDEF"))
    size = ctypes.c_size_t()
    assert pvh.read_hexadecimal(text.encode(), ctypes.byref(size)) == int(text[:digits] or "0", 16)
    assert size.value == digits


@needs_qemu
def test_a_guest_says_that_its_archive_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nexus.unikernel import builder
    from tests.libos_guest import LIBOS

    monkeypatch.setenv("NEXUS_HOME", str(tmp_path_factory.mktemp("home")))
    image = builder.build_c(LIBOS / "apps" / "hello.c").elf
    damaged = abi.archive([abi.Module("a", b"x")]).replace(b"a\0", b"a" * 48 + b"\0", 1)
    for archive, why in ((b"junk" * 50, b"are not an archive"), (damaged, b"is damaged")):
        done = emulated(image, modules=archive)
        assert (done.status, done.stdout) == (134, b"")
        assert why in done.stderr

"""nx_snprintf gives what the host's C library gives, byte for byte."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.libos_guest import LIBOS, needs_gcc, shared_library

pytestmark = needs_gcc
Format = Callable[..., tuple[int, bytes]]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Format:
    folder = tmp_path_factory.mktemp("printf")
    console = folder / "console.c"
    console.write_text(
        "#include <nx.h>\nvoid nx_write(int fd, const void *b, size_t n){(void)fd;(void)b;(void)n;}\n"
    )
    core = LIBOS / "core"
    sources = [core / "printf.c", core / "format_double.c", core / "decimal.c", console]
    return formatter(shared_library(folder, sources).nx_snprintf)


def formatter(function: ctypes._NamedFuncPointer) -> Format:
    def formatted(template: bytes, *values: object, size: int = 4096) -> tuple[int, bytes]:
        to = ctypes.create_string_buffer(b"\xa5" * size, size + 1)
        length = function(to, ctypes.c_size_t(size), template, *values)
        return length, to.raw[:size]

    return formatted


theirs = formatter(ctypes.CDLL(None).snprintf)
flags = st.text("-+ #0", max_size=4)
width = st.one_of(st.just(""), st.integers(0, 60).map(str))
precision = st.one_of(st.just(""), st.just("."), st.integers(0, 60).map(lambda n: f".{n}"))
doubles = st.one_of(
    st.floats(),
    st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0]),
    st.decimals(-1000, 1000, places=3).map(float),
    st.integers(-20, 20).map(lambda power: 10.0**power),
)


@given(flags, width, precision, st.sampled_from("fFeEgG"), doubles)
@example("", "", ".0", "f", 0.5)
@example("", "", ".0", "f", 1.5)
@example("", "", ".1", "g", 9.96)
@example("#", "", ".3", "g", 0.0)
@example("", "", "", "g", 0.00009999995)
@example("", "", ".17", "g", 5e-324)
@example("", "", ".1", "f", 1.7976931348623157e308)
@example("", "", ".3", "e", -0.0)
@settings(max_examples=1200, deadline=None)
def test_doubles(ours: Format, flags: str, width: str, precision: str, kind: str, value: float) -> None:
    template = f"%{flags}{width}{precision}{kind}".encode()
    assert ours(template, ctypes.c_double(value)) == theirs(template, ctypes.c_double(value))


@given(
    flags,
    width,
    precision,
    st.sampled_from(["", "hh", "h", "l", "ll", "z", "j", "t"]),
    st.sampled_from("diuoxX"),
    st.one_of(st.integers(-(2**63), 2**64 - 1), st.integers(-300, 300)),
)
@settings(max_examples=700, deadline=None)
def test_integers(
    ours: Format, flags: str, width: str, precision: str, length: str, kind: str, value: int
) -> None:
    template = f"%{flags}{width}{precision}{length}{kind}".encode()
    argument = ctypes.c_int64(value) if length in ("l", "ll", "z", "j", "t") else ctypes.c_int(value)
    assert ours(template, argument) == theirs(template, argument)


@given(
    flags.map(lambda text: text.replace("0", "").replace("#", "")), width, precision, st.binary(max_size=80)
)
@settings(deadline=None)
def test_texts(ours: Format, flags: str, width: str, precision: str, text: bytes) -> None:
    text = text.replace(b"\0", b"")
    template = f"<%{flags}{width}{precision}s>%{flags}{width}c|%%".encode()
    assert ours(template, text, 65) == theirs(template, text, 65)


@given(st.integers(-60, 60), st.integers(-5, 60), st.floats(-1e9, 1e9))
@settings(deadline=None)
def test_stars(ours: Format, width: int, precision: int, value: float) -> None:
    for template, last in ((b"[%*.*f]", ctypes.c_double(value)), (b"[%*.*d]", ctypes.c_int(int(value)))):
        assert ours(template, width, precision, last) == theirs(template, width, precision, last)


@given(st.integers(0, 40), st.binary(max_size=30))
@settings(deadline=None)
def test_what_does_not_fit_is_counted_not_written(ours: Format, size: int, text: bytes) -> None:
    text = text.replace(b"\0", b"")
    assert ours(b"%s/%d", text, 12345, size=size) == theirs(b"%s/%d", text, 12345, size=size)


@pytest.mark.parametrize("value", [0, 1, 0xDEADBEEF, 2**64 - 1])
def test_pointers(ours: Format, value: int) -> None:
    assert ours(b"%p|%20p|%-20p|", *[ctypes.c_void_p(value)] * 3) == theirs(
        b"%p|%20p|%-20p|", *[ctypes.c_void_p(value)] * 3
    )


@pytest.mark.parametrize("template", [b"100%", b"%", b"%y", b"%5", b"%-", b"a%ld%", b"%.", b"%*"])
def test_a_format_cut_off_is_shown_and_reads_nothing_beyond(ours: Format, template: bytes) -> None:
    length, text = ours(template, 1, 2)
    assert text[:length].endswith(template[-1:])
    assert text[length] == 0

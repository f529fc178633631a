"""The linker's map: of a program that the test links, with and without LTO, and of damaged text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError
from nexus.unikernel import linkmap
from nexus.unikernel.linkmap import LinkMap

needs_gcc = pytest.mark.skipif(
    not (shutil.which("gcc") and shutil.which("gcc-ar")), reason="there is no gcc in PATH"
)
_SOURCES = {
    "app.c": "int speak(int); int main(void) { return speak(3); }",
    "start.c": "int main(void); void _start(void) { main(); for (;;) ; }",
    "voice.c": """
        static char said[4096];
        int speak(int n) { for (int i = 0; i < 4096; i++) said[i] += n; return said[n]; }
        int never_spoken(int n) { return n + said[7]; }
    """,
    "wire.c": "int send(int n) { return n; }",
}
_FLAGS = (
    "-O1 -ffreestanding -fno-pic -fno-pie -fno-stack-protector -ffunction-sections -fdata-sections".split()
)


def link(folder: Path, *more: str) -> LinkMap:
    """Link app.o with an archive of the other three, and read the map."""
    for name, text in _SOURCES.items():
        (folder / name).write_text(text)
        _run(folder, "gcc", *_FLAGS, *more, "-c", name, "-o", f"{name}.o")
    _run(folder, "gcc-ar", "rcs", "libparts.a", "start.c.o", "voice.c.o", "wire.c.o")
    _run(
        folder, "gcc", *_FLAGS, *more, "-nostdlib", "-static", "-no-pie", "app.c.o", "-Wl,-u,_start",
        "libparts.a", "-Wl,--gc-sections", "-Wl,--cref", "-Wl,--build-id=none", "-Wl,-Map=a.map",
        "-o", "a.elf",
    )  # fmt: skip
    return linkmap.read(folder / "a.map")


def _run(folder: Path, *argv: str) -> None:
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)


@needs_gcc
def test_members_that_were_taken_and_those_that_were_not(tmp_path: Path) -> None:
    found = link(tmp_path)
    assert {(m.archive, m.name) for m in found.members} == {
        ("libparts.a", "start.c.o"),
        ("libparts.a", "voice.c.o"),
    }
    assert "speak" in next(m.because for m in found.members if m.name == "voice.c.o")


@needs_gcc
def test_what_is_kept_has_its_size_and_file_and_what_is_not_used_is_discarded(tmp_path: Path) -> None:
    found = link(tmp_path)
    [said] = [piece for piece in found.kept if piece.section == ".bss.said"]
    assert (said.size, said.output, said.member) == (4096, ".bss", "voice.c.o")
    assert ".text.never_spoken" in {piece.section for piece in found.discarded}
    assert ".text.never_spoken" not in {piece.section for piece in found.kept}
    assert not any("wire" in piece.file for piece in (*found.kept, *found.discarded))
    assert not any(piece.section == ".comment" for piece in found.kept)


@needs_gcc
def test_the_sizes_add_up_to_the_linked_programs(tmp_path: Path) -> None:
    found = link(tmp_path)
    text = subprocess.run(
        ["size", "-A", str(tmp_path / "a.elf")], check=True, capture_output=True, text=True
    ).stdout
    sizes = {line.split()[0]: int(line.split()[1]) for line in text.splitlines() if line.startswith(".")}
    for name in (".text", ".bss"):
        # Padding between pieces belongs to none.
        of_pieces = sum(piece.size for piece in found.kept if piece.output == name)
        assert sizes[name] - 64 <= of_pieces <= sizes[name]


@needs_gcc
def test_after_lto_symbols_tell_whose_a_piece_is(tmp_path: Path) -> None:
    found = link(tmp_path, "-flto", "-flto-partition=one")
    assert {m.name for m in found.members} == {"start.c.o", "voice.c.o"}
    assert found.references["speak"] == "voice.c.o"
    assert any(piece.section == ".bss.said" and not piece.member for piece in found.kept)


def test_long_names_stand_on_lines_of_their_own() -> None:
    found = linkmap.parse(
        "Archive member included to satisfy reference by file (symbol)\n\n"
        "/a folder/x/libnx.a(a.c.o)\n                              start.c.o (symbol from plugin) (nx_a)\n"
        "libnx.a(b.c.o)                (_b)\n"
        "\nLinker script and memory map\n\n.text           0x0000000000001000       0x30\n"
        " .text.a_name_too_long_for_its_column\n"
        "                0x0000000000001000       0x2c libnx.a(a.c.o)\n"
        "                0x0000000000001000                a_name\n"
        " *fill*         0x000000000000102c        0x4 \n"
    )
    assert [(m.archive, m.name, m.because) for m in found.members][-1] == ("libnx.a", "b.c.o", "(_b)")
    [piece] = found.kept
    assert (piece.section, piece.size) == (".text.a_name_too_long_for_its_column", 0x2C)


@pytest.mark.parametrize("text", ["", "int main;", "Discarded input sections\n"])
def test_what_is_no_map_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.map"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=r"x\.map: it is not a map of GNU ld"):
        linkmap.read(path)


def test_a_file_that_is_not_there_or_endless_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="No such file"):
        linkmap.read(tmp_path / "absent")
    with pytest.raises(InvalidInputError, match="over 64 MiB"):
        linkmap.read(Path("/dev/zero"))


_WORDS = st.sampled_from(
    [
        "\n", " ", "\n ", "Linker script and memory map\n", "Discarded input sections\n",
        "Cross Reference Table\n", "Archive member included to satisfy reference by file (symbol)\n",
        ".text.x", "libnx.a(x.c.o)",
        "0x0000000000001000", "0x24", " (symbol from plugin)", "*fill*", "*(.text)", "Symbol", "(", ")",
        "0xffffffffffffffffff", "\x00", "\u2028",
    ]
)  # fmt: skip


@given(st.lists(st.one_of(_WORDS, st.text(max_size=8))).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = linkmap.parse(text)
    except InvalidInputError:
        return
    assert all(piece.size > 0 for piece in (*found.kept, *found.discarded))
    assert all(member.archive and member.name for member in found.members)

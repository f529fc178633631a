"""The backend `unicorn`: what a guest finds in memory, what its process answers to it, and how it ends."""

import mmap
import os
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError
from nexus.unikernel import abi, elf, unicorn_process
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.tenders.unicorn import Unicorn
from tests.system.libos import frame_peer
from tests.unikernel_guests import built

__all__ = ["built"]


def run(image: Image, *words: str, modules=(), answer=frame_peer.nothing, **limits) -> frame_peer.Outcome:
    return frame_peer.run(Unicorn().launch(image, modules, words, Limits(**limits)), answer)


IMAGE = elf.Elf(
    abi.IMAGE,
    (
        elf.Segment(abi.IMAGE, 100, b"\x90" * 100, writable=False, executable=True),
        elf.Segment(abi.IMAGE + 0x1000, 0x2800, b"data", writable=True, executable=False),
    ),
)


def at(guest: unicorn_process.Guest, address: int, size: int) -> bytes:
    return guest.content[address - abi.BASE : address - abi.BASE + size]


def text(guest: unicorn_process.Guest, address: int) -> str:
    start = address - abi.BASE
    return guest.content[start : guest.content.find(b"\0", start)].decode()


@given(
    st.lists(
        st.tuples(st.text("abc/.ä", min_size=1, max_size=20), st.binary(max_size=9000)),
        max_size=5,
        unique_by=lambda module: module[0],
    ),
    st.lists(st.text("abc", min_size=1), max_size=4),
)
def test_memory_is_laid_out_as_the_abi_says(modules, words) -> None:
    command = unicorn_process.Command(Path(), tuple(words), 9 << 20, 1.0, [abi.Module(*m) for m in modules])
    guest = unicorn_process.loaded(IMAGE, command)
    magic, version, ring, count, doorbell, table, line, heap, end = abi.BOOT.unpack(
        at(guest, guest.boot, abi.BOOT.size)
    )
    assert (magic, version, ring, doorbell) == (abi.BOOT_MAGIC, 1, abi.Ring.STORE, abi.DOORBELL)
    assert end == abi.BASE + (10 << 20)  # a multiple of 2 MiB
    assert text(guest, line) == " ".join(words)
    found = []
    for number in range(count):
        name, start, size = abi.MODULE.unpack(at(guest, table + number * abi.MODULE.size, abi.MODULE.size))
        found.append((text(guest, name), at(guest, start, size)))
        assert start % abi.PAGE == 0
        assert not any(at(guest, start + size, -size % abi.PAGE))
    assert found == modules
    assert heap % abi.PAGE == 0
    assert not any(at(guest, heap, end - heap))
    assert at(guest, abi.IMAGE + 0x1000, 5) == b"data\0"
    # All is used by somebody, and nothing by two: stack, image, boot, modules, heap.
    assert guest.holds(abi.BASE, abi.STACK_SIZE, writable=True)
    assert guest.holds(guest.boot, end - guest.boot)
    assert guest.holds(heap, end - heap, writable=True)
    assert not guest.holds(abi.IMAGE, 1, writable=True)
    assert not guest.holds(abi.BASE - 1, 1)
    assert not guest.holds(end - 1, 2)
    starts = [part.pages.start for part in guest.parts]
    assert starts == sorted(starts)
    assert not any(part.writable and part.executable for part in guest.parts)


@given(st.integers(0, 1 << 64), st.integers(0, 1 << 21), st.booleans())
def test_what_the_guest_holds_is_what_its_pages_say(address: int, size: int, writable: bool) -> None:
    guest = unicorn_process.loaded(IMAGE, unicorn_process.Command(Path(), memory=4 << 20))
    allowed = [part.pages for part in guest.parts if part.writable or not writable]
    probes = {
        address,
        address + size // 2,
        max(address, address + size - 1),
        *range(address, address + size, 4096),
    }
    assert guest.holds(address, size, writable=writable) == (
        not size or all(any(probe in pages for pages in allowed) for probe in probes)
    )


@pytest.mark.parametrize("memory", [1 << 20, 2 << 20])
def test_memory_that_is_too_small_is_refused(memory: int) -> None:
    big = abi.Module("big", bytes(3 << 20))
    with pytest.raises(unicorn_process.CommandError, match="--memory"):
        unicorn_process.loaded(IMAGE, unicorn_process.Command(Path(), (), memory, 1.0, [big]))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--memory"],
        ["--memory", "many", "image"],
        ["--memory", "0", "image"],
        ["--memory", str(1 << 32), "image"],
        ["--cpu", "0", "image"],
        ["--cpu", "nan", "image"],
        ["--module", "name", "image"],
        ["--cpl", "3", "image"],
        ["--cpu", "1"],
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    with pytest.raises(unicorn_process.CommandError):
        unicorn_process.read_command(arguments)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", os.urandom(5000)])
def test_a_file_that_is_no_image_ends_with_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.elf").write_bytes(content)
    outcome = run(Image(tmp_path, "c", "bad"))
    assert outcome.status == 125
    assert outcome.stderr.count("\n") == 1
    assert outcome.stderr.startswith("nexus-tender-unicorn: not a 64-bit")
    assert outcome.asked == []


def test_a_guest_says_what_it_has_to_say_and_ends(built, tmp_path: Path) -> None:
    (tmp_path / "a=b").write_bytes(b"x")
    outcome = run(built("greedy"), "memory", modules=[("main.py", tmp_path / "a=b")], memory=16 << 20)
    # All but image, stack and the like of 16 MiB.
    assert 3000 < int(outcome.stdout.split()[0]) < 4096
    assert (outcome.exits, outcome.status, outcome.stderr) == ([0], 0, "")


@pytest.mark.parametrize(
    ("what", "address"),
    [
        ("read-null", 0),
        ("write-null", 8),
        ("read-top", 0xFFFFFFFFFFFFFFF0),
        ("read-wild", 0x7FFF12345678),
        ("read-hole", 0),  # the processor does not say
        ("behind", abi.BASE + (16 << 20)),
        ("jump-null", 0),
        ("invalid", 0),
    ],
)
def test_a_fault_is_told(built, what: str, address: int) -> None:
    outcome = run(built("faults"), what, memory=16 << 20)
    kind, instruction, touched = outcome.fault
    assert (kind, touched) == (abi.FaultKind.MEMORY, address)
    assert instruction == 0 if what == "jump-null" else abi.IMAGE <= instruction < abi.IMAGE + (1 << 20)
    assert outcome.status == 139
    assert outcome.exits == []


def test_processor_time_ends_it(built) -> None:
    assert run(built("greedy"), "loop", cpu=0.2).status == -27  # SIGPROF


def test_a_peer_that_goes_ends_it(built) -> None:
    def gone(op: int, *_: object):
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        run(built("greedy"), "output", answer=gone)


def test_answers_arrive_and_too_long_ones_end_it(built) -> None:
    def answer(op: int, arg: int, data: bytes, room: int) -> tuple[int, bytes]:
        return (4, b"four") if op == abi.Op.CALL else (len(data), b"")

    assert run(built("greedy"), "call", "x", answer=answer).stdout == b"4\nfour"

    def longer(op: int, arg: int, data: bytes, room: int) -> tuple[int, bytes]:
        return room + 1, bytes(room + 1)

    try:
        outcome = run(built("greedy"), "call", "x", answer=longer)
    except OSError:
        return  # it left before all of it was sent
    assert (outcome.status, outcome.exits) == (139, [])


def test_a_need_for_room_is_told_without_bytes(built) -> None:
    def answer(op: int, arg: int, data: bytes, room: int) -> tuple[int, bytes]:
        return (-abi.Errno.EMSGSIZE, bytes(room + 5)) if op == abi.Op.CALL else (len(data), b"")

    assert run(built("greedy"), "call", "x", answer=answer).stdout == b"-90\n"


@pytest.mark.parametrize("seed", range(3))
def test_random_calls_are_answered_within_the_guest(built, seed: int) -> None:
    def answer(op: int, arg: int, data: bytes, room: int) -> tuple[int, bytes]:
        return (len(data), b"") if op == abi.Op.WRITE else (0, b"\xff" * min(room, 1000))

    outcome = run(built("doorbell"), str(seed), "300", answer=answer)
    assert (outcome.stdout, outcome.status) == (b"done\n", 0)
    assert abi.Op.FAULT not in [op for op, _, _ in outcome.asked]


def test_words_that_no_line_carries_are_refused(built) -> None:
    with pytest.raises(InvalidInputError):
        Unicorn().launch(built("greedy"), (), ("a b",), Limits())


def test_the_preflight_names_the_version() -> None:
    look = Unicorn().preflight()
    assert look.works, look
    assert look.detail.startswith("unicorn 2.")


def test_without_the_package_the_preflight_says_how_to_get_it(monkeypatch) -> None:
    from nexus.unikernel.tenders import unicorn

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(unicorn, "version", missing)
    look = unicorn.Unicorn().preflight()
    assert (look.works, look.code, look.mend) == (False, "no_package", "pip install 'nexusos[unikernel]'")
    monkeypatch.setattr(unicorn, "version", lambda name: "1.0.3")
    assert unicorn.Unicorn().preflight().code == "old_package"


def test_guest_memory_costs_nothing_until_it_is_touched() -> None:
    guest = unicorn_process.loaded(IMAGE, unicorn_process.Command(Path(), memory=1 << 30))
    assert isinstance(guest.content, mmap.mmap)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    assert resident < 1 << 30

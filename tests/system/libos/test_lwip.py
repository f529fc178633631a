"""Sockets of guests, from the call in nx.h to the frame on a link.

The same C files run here as Linux processes under sanitizers, in QEMU, and under the kvm and spt tenders.
"""

from __future__ import annotations

import random
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus.core.errors import MissingPartError
from nexus.unikernel import lwip, sources
from nexus.unikernel.builder import build_c
from nexus.unikernel.grants import Grants
from nexus.unikernel.host import Host
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.links import opened
from nexus.unikernel.toolchain import Toolchain, libos
from tests.libos_guest import emulated, needs_gcc, needs_qemu
from tests.system.libos.network import ROOT, Guest, lwip_folder, native, tender

pytestmark = needs_gcc
APPS = libos() / "apps"
HARNESS = ROOT / "tests" / "system" / "libos" / "guests" / "net"
MIB = 1 << 20
BSS_MOST = 200_000  # what lwipopts.h promises


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("net")


@pytest.fixture(scope="session")
def process(folder: Path) -> Callable[[str], list[str]]:
    """An application as a Linux process under sanitizers: its command line by its name."""

    def made(name: str) -> list[str]:
        program = folder / name
        if not program.exists():
            native(name, folder, APPS / f"{name}.c", HARNESS / "guest.c")
        return [str(program)]

    return made


@pytest.fixture(scope="session")
def image(folder: Path) -> Iterator[Callable[[str], Image]]:
    """An image by its application's name."""
    found = lwip_folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "unpacked", lambda name: found)
        yield lambda name: build_c(APPS / f"{name}.c", folder / f"{name}.image")


@pytest.fixture(params=["process", "spt", "kvm"])
def command(request: pytest.FixtureRequest) -> Callable[[str], list[str]]:
    """How to start an application by its name, in each way that works here."""
    if request.param == "process":
        made: Callable[[str], list[str]] = request.getfixturevalue("process")
        return made
    run, built = tender(request.param), request.getfixturevalue("image")
    return lambda name: [*run, str(built(name).elf)]


def test_both_ends_may_be_in_one_guest(command: Callable[[str], list[str]]) -> None:
    status, said = Guest([*command("loopback"), "300001"]).finish()
    assert status == 0, said
    assert said.startswith("300001 bytes each way")


def test_two_guests_exchange_a_megabyte_by_a_cable(
    command: Callable[[str], list[str]], tmp_path: Path
) -> None:
    server = Guest([*command("echo_server"), "7", "1"], f"pair:{tmp_path}/cable")
    try:
        assert server.first_line() == "listening on port 7\n"
        client = Guest([*command("echo_client"), "10.78.0.1", "7", str(MIB)], f"pair:{tmp_path}/cable")
        status, said = client.finish()
        assert status == 0, said
        assert said.startswith(f"{MIB} bytes came back right")
        assert server.finish() == (0, "")
    finally:
        server.stop()
    assert list(tmp_path.iterdir()) == []


def test_a_program_of_the_host_talks_to_a_guest(command: Callable[[str], list[str]]) -> None:
    try:
        opened("tun:nxecho").close()
    except MissingPartError as error:
        pytest.skip(f"no TAP interfaces here: {error}")
    data = random.Random(8).randbytes(300_000)
    server = Guest([*command("echo_server"), "7", "2"], "tun:nxecho")
    try:
        assert server.first_line() == "listening on port 7\n"
        for _ in range(2):
            assert echoed(str(server.links[0].address.ip), data) == data
        assert server.finish() == (0, "")
    finally:
        server.stop()


def echoed(address: str, data: bytes) -> bytes:
    """What comes back until the other side closes."""
    with socket.create_connection((address, 7), timeout=30) as connection:

        def send() -> None:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        got = b"".join(iter(lambda: connection.recv(65536), b""))
        sender.join()
        return got


def test_nobody_at_an_address_is_a_time_out_and_no_link_is_no_way(
    process: Callable[[str], list[str]], tmp_path: Path
) -> None:
    status, said = Guest([*process("echo_client"), "10.78.0.9"]).finish()
    assert (status, said) == (1, "cannot connect to 10.78.0.9 port 7: -19\n")
    peer = Guest([*process("echo_server")], f"pair:{tmp_path}/cable")
    try:
        peer.first_line()
        client = Guest([*process("echo_client"), "10.78.0.1", "8"], f"pair:{tmp_path}/cable")
        assert client.finish() == (1, "cannot connect to 10.78.0.1 port 8: -2\n")
    finally:
        peer.stop()


def test_made_up_frames_break_nothing(folder: Path) -> None:
    program = native("fuzz_frames", folder, HARNESS / "fuzz_frames.c")
    done = subprocess.run([program, "1000"], capture_output=True, text=True, timeout=280, check=False)
    assert (done.returncode, done.stdout) == (0, "1000 inputs\n"), done.stderr


@pytest.mark.parametrize("case", ["calls", "numbers"])
def test_sockets_keep_what_they_promise(folder: Path, case: str) -> None:
    program = native("test_sockets", folder, HARNESS / "test_sockets.c", HARNESS / "guest.c")
    status, said = Guest([str(program), case]).finish()
    assert (status, said) == (0, ""), said


@needs_qemu
def test_two_guests_of_different_kinds(
    image: Callable[[str], Image], process: Callable[[str], list[str]], tmp_path: Path
) -> None:
    server = Guest([*process("echo_server"), "7", "1"], f"pair:{tmp_path}/cable")
    host = Host(Grants(links=(f"pair:{tmp_path}/cable",)), Limits(wall=60))
    try:
        server.first_line()
        run = emulated(image("echo_client").elf, "10.78.0.1", "7", "100000", answer=host.answer)
        assert run.stdout.startswith(b"100000 bytes came back right"), run.stdout
        assert run.status == 0
        assert server.finish() == (0, "")
    finally:
        server.stop()
        host.close()


@needs_qemu
def test_a_loopback_needs_no_link(image: Callable[[str], Image]) -> None:
    run = emulated(image("loopback").elf, "100000")
    assert run.stdout.startswith(b"100000 bytes each way"), run.stdout
    assert run.status == 0


def members(image: Image) -> set[str]:
    """The files of the network's archive that the linker took."""
    lines = image.map.read_text().splitlines()
    return {line.split("libnet.a(")[1].split(")")[0] for line in lines if line.startswith("libnet.a(")}


def writable(image: Image) -> int:
    """Bytes of data and bss in memory."""
    elf = image.elf.read_bytes()
    start, size, count = struct.unpack_from("<32xQ14xHH", elf)
    headers = (struct.unpack_from("<II32xQQ8x", elf, start + n * size) for n in range(count))
    return sum(memory for kind, flags, _file, memory in headers if kind == 1 and flags & 2)


def test_an_image_has_a_network_only_if_its_application_uses_it(image: Callable[[str], Image]) -> None:
    without, with_sockets = image("hello"), image("echo_server")
    assert members(without) == set()
    assert "lwip" not in without.map.read_text()
    assert members(with_sockets) > {"sockets.c.o", f"{lwip.PREFIX}tcp.c.o", f"{lwip.PREFIX}pbuf.c.o"}
    assert writable(with_sockets) - writable(without) < BSS_MOST + 2 * 8192


def test_only_calls_of_sockets_need_it() -> None:
    assert not lwip.needed([])
    assert not lwip.needed(["main", "nx_printf", "nx_read"])
    for call in lwip.CALLS:
        assert lwip.needed(["nx_puts", call])


def test_equal_sources_give_an_equal_archive(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lwip_folder()
    monkeypatch.setattr(sources, "unpacked", lambda name: found)
    monkeypatch.setattr(lwip, "_LWIP", ("core/ip.c", "core/def.c"))
    toolchain = Toolchain.find()
    first, second = (lwip.archive(toolchain, tmp_path / name).read_bytes() for name in ("one", "two"))
    assert first == second

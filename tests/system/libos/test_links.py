"""Links on the host: cables between guests and TAP interfaces. What guests do with them: test_lwip.py."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import BusyError, InvalidInputError, MissingPartError, NotFoundError
from nexus.unikernel import abi, ethernet, pairs, taps
from nexus.unikernel.links import Link, opened
from nexus.unikernel.pairs import Pair

FRAME = bytes(range(60))


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[Pair, Pair]]:
    a, b = Pair(tmp_path / "cable"), Pair(tmp_path / "cable")
    yield a, b
    a.close()
    b.close()


@pytest.mark.parametrize(
    "grant",
    [
        "",
        "eth0",
        "tun",
        "tun:",
        "tun:a name",
        "tun:sixteen_letters_",
        "tun:../x",
        "pair:",
        "pair:/",
        "pair:/tmp/" + "x" * 120,
        "pair:/tmp/a\0b",
        "veth:x",
    ],
)
def test_a_grant_that_names_no_link_is_refused(grant: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        opened(grant)
    assert caught.value.hint


def test_a_pair_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        opened(f"pair:{tmp_path}/nowhere/cable")


def test_the_first_is_one_and_the_second_is_two(ends: tuple[Pair, Pair]) -> None:
    for number, end in enumerate(ends, 1):
        mac, mtu, address, mask, gateway = abi.NET_INFO.unpack(end.info())
        assert address == bytes((10, 78, 0, number))
        assert mask == bytes((255, 255, 255, 0))
        assert (mtu, gateway) == (1500, bytes(4))
        assert mac[0] & 3 == 2, "a unicast address that nobody else has"
        assert end.address == IPv4Interface(f"10.78.0.{number}/24")
    assert ends[0].info()[:6] != ends[1].info()[:6]


def test_a_third_is_refused_until_one_goes(tmp_path: Path, ends: tuple[Pair, Pair]) -> None:
    with pytest.raises(BusyError, match="both ends"):
        Pair(tmp_path / "cable")
    ends[0].close()
    again = Pair(tmp_path / "cable")
    assert again.address == IPv4Interface("10.78.0.1/24")
    again.close()
    ends[1].close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_no_end(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from nexus.unikernel.pairs import Pair\n"
        "end = Pair(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "cable")], check=False)
    assert (tmp_path / "cable.a").exists()
    end = Pair(tmp_path / "cable")
    assert end.address == IPv4Interface("10.78.0.1/24")
    end.close()


@given(st.lists(st.binary(min_size=14, max_size=1514), max_size=8))
def test_frames_arrive_whole_and_in_order(frames_sent: list[bytes]) -> None:
    folder = Path(os.environ["NEXUS_HOME"])
    a, b = Pair(folder / "order"), Pair(folder / "order")
    try:
        assert [a.send(frame) for frame in frames_sent] == [len(frame) for frame in frames_sent]
        assert [b.receive(1000) for _ in frames_sent] == frames_sent
        assert b.receive(0) == b""
    finally:
        a.close()
        b.close()


@pytest.mark.parametrize(
    ("size", "answer"),
    [(0, -errno.EINVAL), (13, -errno.EINVAL), (1515, -errno.EMSGSIZE), (65536, -errno.EMSGSIZE)],
)
def test_a_frame_of_a_wrong_size_is_refused(ends: tuple[Pair, Pair], size: int, answer: int) -> None:
    assert ends[0].send(bytes(size)) == answer
    assert ends[1].receive(0) == b""


def test_frames_of_strangers_do_not_get_in(tmp_path: Path, ends: tuple[Pair, Pair]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(FRAME, str(tmp_path / "cable.a"))
        stranger.bind(str(tmp_path / "stranger"))
        stranger.sendto(FRAME, str(tmp_path / "cable.a"))
    ends[1].send(FRAME + b"right")
    assert ends[0].receive(1000) == FRAME + b"right"
    assert ends[0].receive(0) == b""


def test_only_the_owner_may_send_to_a_socket(tmp_path: Path, ends: tuple[Pair, Pair]) -> None:
    assert {(tmp_path / f"cable.{end}").stat().st_mode & 0o777 for end in "ab"} == {0o600}


def test_without_anybody_at_the_other_end_frames_are_lost(tmp_path: Path) -> None:
    end = Pair(tmp_path / "cable")
    assert end.send(FRAME) == len(FRAME)
    other = Pair(tmp_path / "cable")
    assert other.receive(0) == b""
    other.close()
    assert end.send(FRAME) == len(FRAME)
    end.close()


def test_a_peer_that_does_not_read_holds_a_bounded_number(ends: tuple[Pair, Pair]) -> None:
    in_kernel = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 2
    for number in range(in_kernel + 20):
        assert ends[0].send(FRAME + number.to_bytes(4)) == len(FRAME) + 4
    got = []
    while frame := ends[1].receive(0):
        got.append(int.from_bytes(frame[-4:]))
    assert got == list(range(len(got))), "the last are lost, not the first"
    assert 0 < len(got) <= in_kernel


def test_two_ends_that_only_send_get_on(ends: tuple[Pair, Pair]) -> None:
    def send(end: Pair) -> None:
        for number in range(200):
            end.send(FRAME + number.to_bytes(4))

    threads = [threading.Thread(target=send, args=(end,), daemon=True) for end in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for end in ends:
        count = 0
        while end.receive(0):
            count += 1
        assert 0 < count <= 200
        assert len(end._waiting) <= pairs.QUEUED_MOST


def test_a_wait_ends_when_the_link_is_closed(ends: tuple[Pair, Pair]) -> None:
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(ends[0].receive(1000)))
    thread.start()
    ends[0].close()
    thread.join(30)
    assert got == [b""]
    assert ends[0].receive(1000) == b""
    assert ends[0].send(FRAME) == len(FRAME)
    ends[0].close()


def test_a_wait_is_bounded_however_long_is_asked_for(
    ends: tuple[Pair, Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ethernet, "WAIT_MOST", 5)
    assert ends[0].receive(1 << 31) == b""
    assert ends[0].receive(-1) == b""


# TAP interfaces.


@pytest.fixture
def tap_name() -> str:
    """A name that is free; skips where interfaces cannot be made."""
    name = f"nx{os.getpid()}"[:15]
    try:
        opened(f"tun:{name}").close()
    except MissingPartError as error:
        pytest.skip(f"no TAP interfaces here: {error}")
    return name


def interfaces() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def test_an_interface_lives_as_long_as_its_link(tap_name: str) -> None:
    link = opened(f"tun:{tap_name}")
    try:
        assert tap_name in interfaces()
        _mac, mtu, address, mask, gateway = abi.NET_INFO.unpack(link.info())
        assert address[:2] == bytes((10, 77))
        assert address[3] == 2
        assert gateway == address[:3] + b"\1"
        assert (mtu, mask) == (1500, bytes((255, 255, 255, 0)))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((str(link.address.ip - 1), 0))  # the host has the first address
    finally:
        link.close()
    assert tap_name not in interfaces()


def test_two_interfaces_have_networks_of_their_own(tap_name: str) -> None:
    first, second = opened(f"tun:{tap_name[:13]}.1"), opened(f"tun:{tap_name[:13]}.2")
    try:
        assert first.address.network != second.address.network
    finally:
        first.close()
        second.close()


def test_an_interface_in_use_is_refused(tap_name: str) -> None:
    link = opened(f"tun:{tap_name}")
    try:
        with pytest.raises(BusyError, match=tap_name):
            opened(f"tun:{tap_name}")
    finally:
        link.close()


def test_an_interface_that_is_no_tap_is_refused(tap_name: str) -> None:
    with pytest.raises(MissingPartError, match="lo"):
        opened("tun:lo")


def test_what_the_host_sends_comes_out_and_what_goes_in_reaches_the_host(tap_name: str) -> None:
    link = opened(f"tun:{tap_name}")
    try:
        host, guest = link.address.ip - 1, link.address.ip
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(b"x", (str(guest), 9))
            ask = until(link, lambda frame: frame[12:14] == b"\x08\x06")
        assert ask[38:42] == guest.packed
        mac = link.info()[:6]
        answer = ask[6:12] + mac + ask[12:20] + b"\0\2" + mac + guest.packed + ask[22:28] + host.packed
        assert link.send(answer) == len(answer)
        packet = until(link, lambda frame: frame[12:14] == b"\x08\x00" and frame[23] == 17)
        assert packet[:6] == mac
        assert packet[-1:] == b"x"
    finally:
        link.close()


def until(link: Link, wanted: object) -> bytes:
    """The first frame that is wanted, among what a host says of its own accord."""
    assert callable(wanted)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        frame = link.receive(1000)
        if frame and wanted(frame):
            return frame
    raise AssertionError("the frame did not come")


def test_an_interface_that_vanishes_is_a_dead_link(tap_name: str) -> None:
    link = opened(f"tun:{tap_name}")
    try:
        done = subprocess.run(["ip", "link", "delete", tap_name], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"ip link delete does not work here: {done.stderr.decode()}")
        assert link.receive(5) == b""
        assert link.send(FRAME) == len(FRAME)
    finally:
        link.close()


def test_without_the_right_to_make_one_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path(taps._TUN).exists():
        pytest.skip(f"this machine has no {taps._TUN}")

    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(fcntl, "ioctl", refused)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(MissingPartError, match="CAP_NET_ADMIN") as caught:
        opened("tun:nexus0")
    assert "ip tuntap add dev nexus0" in caught.value.hint
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_machine_without_tap_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(taps, "_TUN", str(tmp_path / "tun"))
    with pytest.raises(MissingPartError, match="has no") as caught:
        opened("tun:nexus0")
    assert caught.value.hint == "modprobe tun"

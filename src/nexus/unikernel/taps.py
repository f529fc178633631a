"""A TAP interface of this machine as a guest's link: Ethernet with the host.

The host has the first address of a network 10.77.N.0/24, the guest the second. Knows nothing of what frames
say. Invariant: an interface that was there before has the address, and is up or not, as its owner set it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import struct
from ipaddress import IPv4Address, IPv4Interface

from nexus.core.errors import BusyError, InvalidInputError, MissingPartError
from nexus.unikernel.ethernet import MTU, Ethernet

_TUN = "/dev/net/tun"
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI, _IFF_UP = 0x400454CA, 0x0002, 0x1000, 0x0001
_GET_FLAGS, _SET_FLAGS, _GET_MTU = 0x8913, 0x8914, 0x8921
_GET_ADDRESS, _SET_ADDRESS, _GET_MASK, _SET_MASK = 0x8915, 0x8916, 0x891B, 0x891C
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")


class Tap(Ethernet):
    """An interface of this machine. One that is there already and has an address keeps both (and needs no
    privilege, where its owner is this user); otherwise it is made, and gone after `close`."""

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise InvalidInputError(
                f"interface name {name!r}", hint="1 to 15 letters, digits and _ . - as in tun:nexus0"
            )
        self.name = name
        self._claim: socket.socket | None = None
        fd = _attached(name)
        try:
            host, mtu = self._configured(name)
        except BaseException as error:
            self._unclaim()
            os.close(fd)
            if isinstance(error, OSError):
                raise _tap_error(name, error) from error
            raise
        guest = IPv4Interface(f"{host.ip + 1}/{host.network.prefixlen}")
        mac = bytes((2, 0x4E, 0x58)) + guest.ip.packed[1:]
        super().__init__(fd, guest, mac, host.ip, mtu)

    def _configured(self, name: str) -> tuple[IPv4Interface, int]:
        """The host's address on it, and its MTU."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
            try:
                address = _address(control, _GET_ADDRESS, name)
                host = IPv4Interface(f"{address}/{_address(control, _GET_MASK, name)}")
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                host = self._free_address()
                _set_address(control, _SET_ADDRESS, name, host.ip)
                _set_address(control, _SET_MASK, name, host.netmask)
            if host.ip + 1 not in host.network or host.ip + 1 == host.network.broadcast_address:
                raise InvalidInputError(
                    f"interface {name} has {host}, which leaves no address after it for the guest",
                    hint=f"give it another: ip addr add 10.77.0.1/24 dev {name}",
                )
            flags = _asked(control, _GET_FLAGS, name, "<H")
            if not flags & _IFF_UP:
                fcntl.ioctl(control, _SET_FLAGS, struct.pack("<16sH14x", name.encode(), flags | _IFF_UP))
            return host, min(_asked(control, _GET_MTU, name, "<i"), MTU)

    def _free_address(self) -> IPv4Interface:
        """10.77.N.1/24 for the first N that nobody on this machine has; claimed until `close`."""
        for n in range(256):
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            try:
                claim.bind(f"\0nexus-link-10.77.{n}")
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
                    probe.bind((f"10.77.{n}.1", 0))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    self._claim = claim
                    return IPv4Interface(f"10.77.{n}.1/24")
            claim.close()
        raise BusyError("all 256 networks 10.77.N.0/24 for TAP links are in use")

    def _unclaim(self) -> None:
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def _put(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # full, or not up: lost
            os.write(self._fd, frame)

    def _take(self) -> bytes:
        try:
            return os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return b""

    def _give_back(self) -> None:
        os.close(self._fd)
        self._unclaim()


def _attached(name: str) -> int:
    fd = -1
    try:
        fd = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("<16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    except OSError as error:
        if fd >= 0:
            os.close(fd)
        raise _tap_error(name, error) from error
    return fd


def _tap_error(name: str, error: OSError) -> Exception:
    if error.errno == errno.EBUSY:
        return BusyError(f"the interface {name} is in use by another program", hint="choose another name")
    if error.errno in (errno.EPERM, errno.EACCES):
        return MissingPartError(
            f"making the interface {name} needs root or CAP_NET_ADMIN",
            hint=f"as root, once: ip tuntap add dev {name} mode tap user $USER; "
            f"ip addr add 10.77.0.1/24 dev {name}; ip link set {name} up",
        )
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return MissingPartError(f"this machine has no {_TUN}", hint="modprobe tun")
    return MissingPartError(
        f"the interface {name} cannot be used: {error.strerror or error}",
        hint="it must be a TAP interface with one queue, or not be there yet",
    )


def _asked(control: socket.socket, request: int, name: str, form: str) -> int:
    answer = fcntl.ioctl(control, request, struct.pack("<16s24x", name.encode()))
    return int(struct.unpack_from(form, answer, 16)[0])


def _address(control: socket.socket, request: int, name: str) -> IPv4Address:
    return IPv4Address(fcntl.ioctl(control, request, struct.pack("<16s24x", name.encode()))[20:24])


def _set_address(control: socket.socket, request: int, name: str, address: IPv4Address) -> None:
    fcntl.ioctl(
        control, request, struct.pack("<16sHH4s16x", name.encode(), socket.AF_INET, 0, address.packed)
    )

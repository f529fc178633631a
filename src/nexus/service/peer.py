"""Which user a loopback connection comes from, as the kernel knows it.

The kernel is asked for the one connection (sock_diag, 30 microseconds). Where it does not know it that way,
its tables of all connections are read, which say the same and take 20 milliseconds. Does not know what
anybody may do. Invariant: an answer is about a connection that is open now; what cannot be known is None,
never a guess.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

Address = tuple[str, int]
_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
# Sockets in any other state may have lost their owner, and the tables then say root.
_ESTABLISHED = 1
# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST = 4, 20, 1
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_QUESTION = struct.Struct("=BBBBI")  # family, protocol, what else is wanted, padding, states
_PORTS = struct.Struct(">HH")
_SOCKET_BYTES = 48  # ports, two addresses of 16 bytes, interface, cookie
_ANY = struct.pack("=I", 0) + b"\xff" * 8  # interface, cookie
_UID = struct.Struct("=I")
_UID_AT = _HEADER.size + 4 + _SOCKET_BYTES + 12


def owner_uid(client: Address, server: Address) -> int | None:
    """The user who owns the client's end of a connection from `client` to `server`, both on this machine.

    None where the system cannot be asked (only Linux can) or the connection is not open.
    """
    with suppress(OSError, AttributeError):
        if (uid := uid_by_question(client, server)) is not None:
            return uid
    return uid_by_tables(client, server)


def uid_by_question(client: Address, server: Address) -> int | None:
    """The same, by asking for this connection. None where there is none or such questions are not known.

    Raises `OSError` or `AttributeError` where the system has no such questions.
    """
    ends = _plain(client), _plain(server)
    family = socket.AF_INET6 if ":" in ends[0][0] else socket.AF_INET
    addresses = (socket.inet_pton(family, host).ljust(16, b"\0") for host, _ in ends)
    told = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    told += _PORTS.pack(ends[0][1], ends[1][1]) + b"".join(addresses) + _ANY
    head = _HEADER.pack(_HEADER.size + len(told), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        kernel.send(head + told)
        said = kernel.recv(4096)
    if len(said) < _UID_AT + _UID.size or _HEADER.unpack_from(said)[1] != _SOCK_DIAG_BY_FAMILY:
        return None
    open_now = said[_HEADER.size + 1] == _ESTABLISHED
    return int(_UID.unpack_from(said, _UID_AT)[0]) if open_now else None


def uid_by_tables(client: Address, server: Address) -> int | None:
    """The same, by the tables of all connections."""
    wanted = (_plain(client), _plain(server))
    for local, remote, state, uid in _connections():
        if state == _ESTABLISHED and (local, remote) == wanted:
            return uid
    return None


def _connections() -> Iterator[tuple[Address, Address, int, int]]:
    for table in _TABLES:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            yield _address(words[1]), _address(words[2]), int(words[3], 16), int(words[7])


def _address(text: str) -> Address:
    """`0100007F:1F40` is 127.0.0.1 and 8000: words of 32 bits in the machine's own byte order."""
    host, _, port = text.partition(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return _plain((socket.inet_ntop(family, packed), int(port, 16)))


def _plain(address: Address) -> Address:
    """An IPv4 address that is written as IPv6 is that IPv4 address."""
    return _plain_host(address[0]), address[1]


@lru_cache(maxsize=64)
def _plain_host(text: str) -> str:
    host = ipaddress.ip_address(text)
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return str(mapped or host)

"""Which user a loopback connection comes from, as the kernel knows it.

Does not know what anybody may do. Invariant: an answer is about a connection that is open now; what cannot be
known is None, never a guess.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

Address = tuple[str, int]
_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
# Sockets in any other state may have lost their owner, and the tables then say root.
_ESTABLISHED = "01"


def owner_uid(client: Address, server: Address) -> int | None:
    """The user who owns the client's end of a connection from `client` to `server`, both on this machine.

    None where the system has no such tables (only Linux has) or the connection is not open.
    """
    wanted = (_plain(client), _plain(server))
    for local, remote, state, uid in _connections():
        if state == _ESTABLISHED and (local, remote) == wanted:
            return uid
    return None


def _connections() -> Iterator[tuple[Address, Address, str, int]]:
    for table in _TABLES:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            yield _address(words[1]), _address(words[2]), words[3], int(words[7])


def _address(text: str) -> Address:
    """`0100007F:1F40` is 127.0.0.1 and 8000: words of 32 bits in the machine's own byte order."""
    host, _, port = text.partition(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return _plain((socket.inet_ntop(family, packed), int(port, 16)))


def _plain(address: Address) -> Address:
    """An IPv4 address that is written as IPv6 is that IPv4 address."""
    host = ipaddress.ip_address(address[0])
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return str(mapped or host), address[1]

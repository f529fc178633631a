"""One grant of HTTP: which hosts and ports it covers, and which addresses are nobody's neighbours.

Knows nothing of requests. Invariant: a rule covers what its text says and nothing that only looks like it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TypeAlias

import httpx

from nexus.core.errors import InvalidInputError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]|\.(?!\.))*", re.ASCII)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Rule:
    """A granted host. `port` None: the standard port of the scheme. `literal`: an address, or "localhost"."""

    text: str
    host: str
    below: bool
    port: int | None
    literal: bool

    @classmethod
    def of(cls, text: str) -> Rule:
        """Reads "host", "host:port", "*.host", "[::1]:port". Raises `InvalidInputError`."""
        below = text.startswith("*.")
        try:
            url = httpx.URL(f"http://{text.removeprefix('*.')}")
            plain = url.raw_path == b"/" and not url.userinfo and not url.fragment and is_host(url)
        except httpx.InvalidURL:
            plain = False
        if not plain or "/" in text or text.endswith(":"):
            raise InvalidInputError(
                f"HTTP grant {text!r} is no host",
                hint="a host as in a URL, without its scheme: api.example.org, 127.0.0.1:8080, *.example.org",
            )
        address = _address(url.host)
        if below and address is not None:
            raise InvalidInputError(f"HTTP grant {text!r}: an address has nothing below it")
        # httpx drops the port 80 of "http:"; it was asked for by number all the same.
        port = 80 if url.port is None and text.endswith(":80") else url.port
        host = str(address) if address is not None else url.host.rstrip(".")
        return cls(text, host, below, port, address is not None or (host == "localhost" and not below))

    def covers(self, host: str, port: int, standard: int) -> bool:
        """Whether a URL's host (lower case, as httpx gives it) and port are granted."""
        if port != (standard if self.port is None else self.port):
            return False
        address = _address(host)
        name = str(address) if address is not None else host.rstrip(".")
        return name.endswith("." + self.host) if self.below else name == self.host

    def means(self, address: Address) -> bool:
        """Whether the grant itself named this address, or "localhost" and it is one of this machine."""
        if not self.literal:
            return False
        return address.is_loopback if self.host == "localhost" else str(address) == self.host


def is_host(url: httpx.URL) -> bool:
    """Whether a URL has a host that is a name or an address, and a port that can be."""
    host = url.raw_host.decode("ascii", "replace")
    return (bool(_NAME.fullmatch(host)) or _address(host) is not None) and 0 < (url.port or 1) < 65536


def is_public(address: Address) -> bool:
    """Whether an address is of the public network, also where it holds one of the older kind inside."""
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        inside = address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
        if inside is None and address in _NAT64:
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(inside)
    return address.is_global and not address.is_multicast


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None

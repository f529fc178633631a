"""Network links of guests: what answers NX_OP_NET_* on the host.

`opened("tun:NAME")` is a TAP interface of this machine (taps.py), `opened("pair:PATH")` an end of a cable
between two guests (pairs.py). Knows nothing of guests or of what is in a frame: frames go to the interface or
the peer as they are, and nothing here reads them. Invariant: no queue grows without bound; what does not fit
is lost, as on a cable.
"""

from __future__ import annotations

from ipaddress import IPv4Interface
from pathlib import Path
from typing import Protocol

from nexus.core.errors import InvalidInputError
from nexus.unikernel.pairs import Pair
from nexus.unikernel.taps import Tap


class Link(Protocol):
    """One link of one guest. Safe to close from another thread."""

    address: IPv4Interface  # the guest's

    def info(self) -> bytes:
        """struct nx_net_info."""
        ...

    def send(self, frame: bytes) -> int:
        """A frame of the guest; gives its size, also where it is lost; -EMSGSIZE or -EINVAL: a wrong size."""
        ...

    def receive(self, timeout_ms: int) -> bytes:
        """A frame for the guest; b"": none within the time (at most ethernet.WAIT_MOST), or closed."""
        ...

    def close(self) -> None:
        """Wake who waits and give everything back. More than once is once."""
        ...


def opened(grant: str) -> Link:
    """The link that a grant names.

    Raises `InvalidInputError` for a grant that is neither kind, `MissingPartError` where this machine or this
    user cannot have a TAP interface, `BusyError` where it is taken, `NotFoundError` and `StorageError` for a
    path that cannot be used.
    """
    kind, _, rest = grant.partition(":")
    if kind == "tun":
        return Tap(rest)
    if kind == "pair":
        return Pair(Path(rest))
    raise InvalidInputError(f"link {grant!r} is of no known kind", hint="tun:NAME or pair:PATH")

"""What a run is allowed of the world. Nothing, unless named here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Called with the guest's keyword arguments (JSON values); gives a JSON value. May raise: the guest sees it.
HostFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Grants:
    """Capabilities of one run.

    `http`: hosts ("api.example.org", "127.0.0.1:8080", "*.example.org") that the guest may ask over HTTP(S).
    `files`: files and folders it may read, by their path on the host. `functions`: host functions by name.
    `blocks`: files used as disks, and whether they may be written. `links`: network links ("tun:NAME" or
    "pair:PATH", a Unix datagram socket) for guests that bring a network stack.
    """

    http: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    functions: Mapping[str, HostFunction] = field(default_factory=dict)
    blocks: tuple[tuple[Path, bool], ...] = ()
    links: tuple[str, ...] = ()

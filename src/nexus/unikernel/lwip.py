"""The network of images: lwIP and the sockets of nx.h over it, as one archive for the linker.

An image has it only if its application calls one of `CALLS`; then it is what is linked of `archive`. Which of
lwIP's files those sockets need is the table here, how lwIP is cut down is native/libos/net/lwipopts.h. Knows
nothing of images or caches. Invariant: equal sources give an equal archive.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nexus.unikernel import sources
from nexus.unikernel.toolchain import Toolchain, libos

# The functions of nx.h that need a network. An application that calls none of them has none.
CALLS = frozenset({"nx_listen", "nx_accept", "nx_connect", "nx_send", "nx_receive", "nx_close"})
ARCHIVE = "libnet.a"
PREFIX = "lwip_"  # of the names of lwIP's members in the archive; the others are ours

_LWIP = (
    "core/def.c",
    "core/inet_chksum.c",
    "core/init.c",
    "core/ip.c",
    "core/ipv4/etharp.c",
    "core/ipv4/icmp.c",
    "core/ipv4/ip4.c",
    "core/ipv4/ip4_addr.c",
    "core/mem.c",
    "core/memp.c",
    "core/netif.c",
    "core/pbuf.c",
    "core/tcp.c",
    "core/tcp_in.c",
    "core/tcp_out.c",
    "core/timeouts.c",
    "netif/ethernet.c",
)


def needed(undefined: Iterable[str]) -> bool:
    """Whether an application with these undefined symbols needs the network."""
    return not CALLS.isdisjoint(undefined)


def port() -> tuple[Path, ...]:
    """Our own files, headers included, sorted: with lwIP's pinned archive all that decides what is built."""
    return tuple(sorted(path for path in (libos() / "net").rglob("*") if path.suffix in (".c", ".h")))


def foreign(lwip: Path) -> tuple[Path, ...]:
    """The files of an unpacked lwIP to compile."""
    return tuple(lwip / "src" / name for name in _LWIP)


def include(lwip: Path) -> tuple[str, ...]:
    """The compiler's options that find the headers of an unpacked lwIP and our settings of it."""
    net = libos() / "net"
    return (f"-I{net}", "-isystem", str(net / "libc"), "-isystem", str(lwip / "src" / "include"))


def archive(toolchain: Toolchain, folder: Path) -> Path:
    """Compile all of it into `folder`/libnet.a: a member for each source file.

    Raises what `sources.unpacked` raises where lwIP's source cannot be had, and `BuildError`.
    """
    lwip = sources.unpacked("lwip")
    found = include(lwip)
    folder.mkdir(parents=True, exist_ok=True)
    objects = [
        toolchain.compile(path, folder / f"{path.name}.o", "-Wall", "-Wextra", "-Werror", *found)
        for path in port()
        if path.suffix == ".c"
    ]
    objects += [toolchain.compile(path, folder / f"{PREFIX}{path.name}.o", *found) for path in foreign(lwip)]
    return toolchain.archive(objects, folder / ARCHIVE)

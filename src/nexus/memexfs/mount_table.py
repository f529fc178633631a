"""What is mounted where, and who uses it, as /proc tells.

Nothing in here asks a mount itself, so one that does not answer holds nobody up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

KIND: Final = "fuse.memex"
_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")


class Mounted(NamedTuple):
    """One mount: its folder, the number of its connection in /sys/fs/fuse, its kind as `ext4`, its source."""

    point: bytes
    connection: int
    kind: str
    source: str

    @property
    def ours(self) -> bool:
        """Whether MemexFS is mounted there."""
        return self.kind == KIND


class Holder(NamedTuple):
    """A process that uses a mount; `what` is the path that it has open, works in or has mapped."""

    pid: int
    name: str
    what: str


def parse(table: bytes) -> list[Mounted]:
    """The mounts in the text of /proc/PID/mountinfo, oldest first; lines that are none are passed over."""
    found = []
    for line in table.split(b"\n"):
        fields, dash, rest = line.partition(b" - ")
        left, right = fields.split(b" "), rest.split(b" ")
        if not dash or len(left) < 6 or len(right) < 2:
            continue
        device = left[2].partition(b":")[2]
        if not (device.isdigit() and device.isascii()):
            continue
        kind, source = (_plain(field).decode(errors="replace") for field in right[:2])
        found.append(Mounted(_plain(left[4]), int(device), kind, source))
    return found


def _plain(field: bytes) -> bytes:
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 8) & 255]), field)


def mounts() -> list[Mounted]:
    """All that this process sees."""
    return parse(Path("/proc/self/mountinfo").read_bytes())


def place(point: Path) -> Path:
    """The folder's one true name; the folder itself, which may not answer, is not looked at."""
    absolute = Path(os.path.abspath(point))  # noqa: PTH100 (not Path.absolute: it keeps `..`)
    try:
        known = {mounted.point for mounted in mounts()}
    except OSError:  # no /proc
        known = set()
    if os.fsencode(absolute) in known:
        return absolute
    parent = Path(os.path.realpath(absolute.parent)) / absolute.name
    return parent if os.fsencode(parent) in known else Path(os.path.realpath(absolute))


def mounted_at(point: Path) -> Mounted | None:
    """What is on top at `point`, or None where no mount begins there."""
    wanted = os.fsencode(place(point))
    for mounted in reversed(mounts()):
        if mounted.point == wanted:
            return mounted
    return None


def holders(point: Path) -> list[Holder]:
    """Who keeps the mount at `point` busy, as far as this user may see, one line a process."""
    top = os.fsencode(place(point))
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        what = next((path for path in _used(entry) if path == top or path.startswith(top + b"/")), None)
        if what is not None:
            found.append(Holder(int(entry.name), _name(entry), what.decode(errors="replace")))
    return sorted(found)


def _used(process: Path) -> Iterator[bytes]:
    """Paths that a process holds; those that end meanwhile or belong to others have none."""
    links = [process / "cwd", process / "root"]
    with suppress(OSError):
        links.extend((process / "fd").iterdir())
    for link in links:
        try:
            yield os.fsencode(link.readlink())
        except OSError:
            continue
    try:
        maps = (process / "maps").read_bytes()
    except OSError:
        return
    for line in maps.split(b"\n"):
        fields = line.split(None, 5)
        if len(fields) == 6:
            yield fields[5]


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "?"

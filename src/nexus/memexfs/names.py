"""Names for what a view lists, and which names nobody ever means as a question.

Knows only bytes. Invariant: names that are given out together are distinct, 1 to 255 bytes long, and the
same files in the same order always get the same names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

LONGEST = 255  # bytes, of one name

# What shells, file managers and servers look for in any folder by themselves. Those with a leading dot or
# tilde are recognised by that.
_PROBED = {
    *("desktop.ini", "autorun.inf", "thumbs.db", "ehthumbs.db", "folder.jpg", "folder.gif", "albumart.jpg"),
    *("system volume information", "$recycle.bin", "recycler", "recycled", "lost+found"),
    *("network trash folder", "temporary items", "thevolumesettingsfolder", "desktop db", "desktop df"),
    *("desktop folder", "backups.backupdb", "mach_kernel", "web-inf", "cvs", "_darcs", "rcs", "sccs", "4913"),
}
_BACKUP = re.compile(rb".*~|#.*#|\.#.*|\..*\.sw[a-z]|\.~lock\..*|~\$.*|4913", re.DOTALL)
_TEMPORARY = re.compile(
    rb".*\.(?:tmp|temp|part|partial|crdownload|download)|\.goutputstream-.*|sed(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{6}",
    re.DOTALL,
)
_UNNAMED = re.compile(r"(new|untitled) folder( \(?\d+\)?)?")


def probed(name: bytes) -> bool:
    """Is this a name that programs try by themselves, or one that no one can have typed?"""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return True
    if text[:1] in ".~#" or text.endswith(("~", "#")) or not text.isprintable():
        return True
    return text.casefold() in _PROBED or unnamed(name)


def unnamed(name: bytes) -> bool:
    """Is this what a file manager calls a folder until its user has typed a name?"""
    return bool(_UNNAMED.fullmatch(name.decode("utf-8", "replace").casefold()))


def backup(name: bytes) -> bool:
    """Does an editor put the file itself, its lock or its swap file under this name while it saves? Where it
    may not, it writes into the file as it lies, or keeps such things elsewhere."""
    return bool(_BACKUP.fullmatch(name))


def temporary(name: bytes) -> bool:
    """Is this what programs write before they rename it over the file that they save?"""
    return bool(_TEMPORARY.fullmatch(name))


def base(path: bytes) -> bytes:
    """The last part of a path."""
    return path[path.rfind(b"/") + 1 :]


def cut(name: bytes, longest: int) -> bytes:
    """The beginning of a name, at most `longest` bytes, no UTF-8 character cut through."""
    if len(name) <= longest:
        return name
    end = longest
    while end > max(0, longest - 3) and name[end] & 0xC0 == 0x80:
        end -= 1
    return name[:end]


def fitting(before: bytes, name: bytes, after: bytes = b"") -> bytes:
    """`before` and `after` around the stem of `name`, its extension kept; the stem is cut where need be."""
    dot = name.rfind(b".")
    stem, extension = (name[:dot], name[dot:]) if dot > 0 and len(name) - dot <= 16 else (name, b"")
    room = LONGEST - len(before) - len(after) - len(extension)
    return before + cut(stem, room) + after + extension


def distinct(names: Iterable[bytes], taken: Iterable[bytes] = ()) -> list[bytes]:
    """Each name, or with ` (2)`, ` (3)` ... before its extension where it was taken before."""
    used = set(taken)
    counts: dict[bytes, int] = {}
    found = []
    for name in names:
        shown = name
        while shown in used:
            counts[name] = counts.get(name, 1) + 1
            shown = fitting(b"", name, b" (%d)" % counts[name])
        used.add(shown)
        found.append(shown)
    return found


def ranked(names: Sequence[bytes]) -> list[bytes]:
    """`01 name.ext`, `02 ...`: sorting them keeps their order."""
    width = max(2, len(str(len(names))))
    return [fitting(b"%0*d " % (width, place), name) for place, name in enumerate(names, 1)]


def shown(values: Sequence[str]) -> list[bytes]:
    """Free text as names of folders: no slash, no control character, no leading dot."""
    made = []
    for value in values:
        text = "".join(c if c.isprintable() else " " for c in value).replace("/", "∕").strip()
        if text.startswith("."):
            text = "_" + text
        made.append(cut(text.encode("utf-8", "replace"), 200) or b"_")
    return distinct(made)

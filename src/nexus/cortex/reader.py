"""Walks folders and reads files for the index, one outcome for each.

Nothing found on disk makes it raise: what cannot be used is reported with a reason and, where there
is one, a remedy. It never opens anything but a regular file, holds one file at a time and at most
`ReadLimits.max_bytes` of it, and never hands out a credential: what is found is blacked out of the whole
text, and a file that is mostly credentials is refused (docs/decisions/0004).
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import io
import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nexus.cortex import secrets
from nexus.cortex.chunker import Kind, kind_of
from nexus.cortex.ignore import Ignore, plain
from nexus.cortex.outline import line_spans

_IGNORED = {
    ".git", ".hg", ".svn", ".bzr", ".jj", "node_modules", "bower_components", "__pycache__",
    ".venv", "venv", ".tox", ".nox", ".eggs", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis",
    ".ipynb_checkpoints", ".gradle", ".terraform", ".next", ".nuxt", ".svelte-kit", ".parcel-cache",
    ".cache", ".cortex", ".idea", ".DS_Store", "Thumbs.db", ".Trash",
}  # fmt: skip
# Only next to the file that says so is such a folder made by a tool: `build` may be a chapter.
_OUTPUTS = {
    "target": ("Cargo.toml", "pom.xml", "build.sbt"),
    "build": (
        "pyproject.toml",
        "setup.py",
        "package.json",
        "CMakeLists.txt",
        "build.gradle",
        "Makefile",
    ),
    "dist": ("pyproject.toml", "setup.py", "package.json"),
}
_MAGIC = (
    (b"\x7fELF", "program"), (b"\xca\xfe\xba\xbe", "program"), (b"%PDF-", "PDF"),
    (b"\x89PNG", "PNG image"), (b"\xff\xd8\xff", "JPEG image"), (b"GIF8", "GIF image"),
    (b"PK\x03\x04", "ZIP archive"), (b"\x1f\x8b", "gzip archive"), (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ", "xz archive"), (b"\x28\xb5\x2f\xfd", "zstd archive"), (b"7z\xbc\xaf", "7z archive"),
    (b"SQLite format 3\0", "SQLite database"), (b"GGUF\x03\0", "model"),
    (b"OggS\0", "audio"), (b"ID3\x03\0", "audio"), (b"ID3\x04\0", "audio"), (b"fLaC\0", "audio"),
)  # fmt: skip
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_HEAD = 8192
# A file is a store of credentials when they are so much of it, or so many on so many of its lines: then
# more may stand there than the rules know.
_MOST = 0.5
_MANY, _OF_LINES = 10, 1 / 3
# So many places are named in a report.
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why a file or folder was not read. `path` is safe to print and to encode."""

    path: Path
    status: Literal["read", "skipped", "failed"]
    reason: str = ""
    hint: str = ""

    @property
    def ignored(self) -> bool:
        """Whether a rule left it out: one of the project's, or one for what tools make."""
        return self.reason.startswith("ignored by ")


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text without credentials; `redacted` says what was taken out and where.

    `sha256` and `size` are of the bytes on disk.
    """

    path: Path
    text: str
    sha256: str
    size: int
    mtime_ns: int
    kind: Kind
    redacted: tuple[secrets.Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What is too large: a file in bytes, a line in characters."""

    max_bytes: int = 20 * 2**20
    max_line_chars: int = 200_000


def display(path: Path | str) -> str:
    """A name that can be printed and encoded: bytes that are not UTF-8 and controls are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# ---- walking -----------------------------------------------------------------------------------


def walk(root: Path) -> Iterator[Path | Outcome]:
    """Every regular file at or below `root`, sorted by name; what is left out comes as an outcome.

    What `.gitignore` and `.cortex/ignore` name is left out; `root` itself never is. Links to folders
    are reported and not followed, so a loop ends at its link. A link to a file is given when its target
    lies inside `root`.
    """
    try:
        mode = root.stat().st_mode
    except OSError as error:
        yield _unreadable(root, error)
        return
    if not stat.S_ISDIR(mode):
        yield root if stat.S_ISREG(mode) else _special(root, mode)
        return
    inside = Path(os.path.realpath(root))
    above = Ignore.above(root)
    yield from _not_followed(above)
    waiting: list[tuple[Path | os.DirEntry[str], Ignore]] = [(root, above)]
    while waiting:
        item, rules = waiting.pop()
        if isinstance(item, os.DirEntry):
            outcome = _judge(item, inside, rules)
            if outcome is not None:
                yield outcome
                continue
            item = Path(item.path)
        try:
            with os.scandir(item) as found:
                entries = sorted(found, key=lambda e: os.fsencode(e.name), reverse=True)
        except OSError as error:
            yield _unreadable(item, error)
            continue
        rules = rules.inside(item, [entry.name for entry in entries])
        yield from _not_followed(rules)
        waiting.extend((entry, rules) for entry in entries)


def _not_followed(rules: Ignore) -> Iterator[Outcome]:
    return (Outcome(path, "failed", reason) for path, reason in rules.problems)


def _judge(entry: os.DirEntry[str], inside: Path, rules: Ignore) -> Path | Outcome | None:
    """What to give for an entry; None for a folder to go into."""
    path = Path(entry.path)
    if any(0xDC80 <= ord(c) <= 0xDCFF for c in entry.name):
        return Outcome(
            Path(display(path)),
            "failed",
            f"the name is not UTF-8: {display(entry.name)}",
            "rename it",
        )
    rule = _ignored(entry)
    if rule:
        return Outcome(path, "skipped", rule)
    try:
        mode = entry.stat(follow_symlinks=False).st_mode
        rule = rules.why(plain(path), folder=stat.S_ISDIR(mode))
        if rule:
            return Outcome(path, "skipped", f"ignored by {display(rule)}")
        if stat.S_ISLNK(mode):
            return _link(path, inside)
    except OSError as error:
        return _unreadable(path, error)
    if stat.S_ISDIR(mode):
        return None
    return path if stat.S_ISREG(mode) else _special(path, mode)


def _ignored(entry: os.DirEntry[str]) -> str:
    if entry.name in _IGNORED or entry.name.endswith(".egg-info"):
        return f"ignored by rule: {entry.name}"
    parent = Path(entry.path).parent
    for sign in _OUTPUTS.get(entry.name, ()):
        if (parent / sign).is_file():
            return f"ignored by rule: {entry.name} next to {sign}"
    return ""


def _link(path: Path, inside: Path) -> Path | Outcome:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            return Outcome(path, "skipped", "symbolic link that leads back to itself")
        return Outcome(path, "skipped", "symbolic link to nothing")
    if stat.S_ISDIR(mode):
        return Outcome(path, "skipped", "symbolic link to a folder, not followed")
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(inside):
        return Outcome(path, "skipped", f"symbolic link to a file outside: {display(target)}")
    return path if stat.S_ISREG(mode) else _special(path, mode)


def _special(path: Path, mode: int) -> Outcome:
    for test, what in (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISDIR, "a folder"),
    ):
        if test(mode):
            return Outcome(path, "skipped", f"{what}, not a file")
    return Outcome(path, "skipped", "not a regular file")


def _unreadable(path: Path, error: OSError) -> Outcome:
    safe = Path(display(path)) if display(path) != str(path) else path
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Outcome(safe, "failed", "it does not exist (any more)")
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = f"allow it: chmod u+rX {shlex.quote(display(path))}"
        return Outcome(safe, "failed", "permission denied", hint)
    return Outcome(safe, "failed", f"cannot be read: {error.strerror or error}")


# ---- reading -----------------------------------------------------------------------------------


class _ChangedError(Exception):
    """The file was written, replaced or deleted between opening and the last byte."""


def read(path: Path, limits: ReadLimits) -> Document | Outcome:
    """The text of one file, or why not. A file that changes meanwhile is read once more."""
    name = _by_name(path) or (_by_name(Path(os.path.realpath(path))) if path.is_symlink() else "")
    if name:
        return Outcome(path, "skipped", name)
    for _ in range(2):
        try:
            loaded = _load(path, limits)
        except _ChangedError:
            continue
        except OSError as error:
            return _unreadable(path, error)
        return loaded if isinstance(loaded, Outcome) else _document(path, *loaded, limits)
    hint = "add it again when nothing writes to it"
    return Outcome(path, "failed", "it changed while it was being read", hint)


def places(findings: Sequence[secrets.Finding]) -> str:
    """What was found and where, for a report: kinds and lines, never a value."""
    named = ", ".join(f"{finding.kind} in line {finding.line}" for finding in findings[:_NAMED])
    return f"{named} and {len(findings) - _NAMED} more" if len(findings) > _NAMED else named


def _by_name(path: Path) -> str:
    """Why a file of this name is not opened, or nothing. Names are stored: they hold no credential either."""
    sure = [finding.kind for finding in secrets.find(str(path)) if finding.confidence == "high"]
    return secrets.refused_name(path) or (f"its path holds a secret: {sure[0]}" if sure else "")


def _load(path: Path, limits: ReadLimits) -> tuple[bytes, os.stat_result] | Outcome:
    real = os.path.realpath(path)
    mode = Path(real).stat().st_mode
    if not stat.S_ISREG(mode):  # before opening: to open a device may be to use it
        return _special(path, mode)
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return _special(path, before.st_mode)
        refusal = _by_size(path, before.st_size, limits) or _by_head(path, file.read(_HEAD))
        if refusal:
            return refusal
        file.seek(0)
        data = _read_at_most(file, before.st_size + 1)
        after = os.fstat(descriptor)
        same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if not same or len(data) != before.st_size or after.st_nlink == 0:
            raise _ChangedError
    return data, before


def _read_at_most(file: io.FileIO, limit: int) -> bytes:
    parts: list[bytes] = []
    while limit > 0 and (part := file.read(min(limit, 2**20))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _by_size(path: Path, size: int, limits: ReadLimits) -> Outcome | None:
    if size == 0:
        return Outcome(path, "skipped", "empty")
    if size > limits.max_bytes:
        reason = f"too large: {size / 2**20:.1f} MB, the limit is {limits.max_bytes / 2**20:g} MB"
        return Outcome(path, "skipped", reason, "raise the setting cortex.max_file_mb")
    return None


def _by_head(path: Path, head: bytes) -> Outcome | None:
    for magic, what in _MAGIC:
        if head.startswith(magic):
            hint = "convert it to text first" if what == "PDF" else ""
            return Outcome(path, "skipped", f"binary: {what}", hint)
    if b"\0" in head and not head.startswith(tuple(bom for bom, _ in _BOMS)):
        return Outcome(path, "skipped", "binary")
    return None


def _document(path: Path, data: bytes, status: os.stat_result, limits: ReadLimits) -> Document | Outcome:
    text = _decode(path, data)
    if isinstance(text, Outcome):
        return text
    if not text.strip():
        return Outcome(path, "skipped", "empty: only blanks")
    line = _long_line(text, limits.max_line_chars)
    if line:
        reason = f"line {line} is longer than {limits.max_line_chars} characters"
        return Outcome(path, "skipped", reason, "break the line, or leave the file out")
    findings = secrets.find(text)
    if mostly_secrets(text, findings):
        reason = f"mostly secrets: {places(findings)}"
        return Outcome(path, "skipped", reason, "take them out of the file, then add it again")
    text = secrets.redact(text, findings)
    digest = hashlib.sha256(data).hexdigest()
    kind = kind_of(path)
    return Document(path, text, digest, status.st_size, status.st_mtime_ns, kind, tuple(findings))


def _decode(path: Path, data: bytes) -> str | Outcome:
    encoding, skip = "utf-8", 0
    for bom, name in _BOMS:
        if data.startswith(bom):
            encoding, skip = name, len(bom)
            break
    try:
        text = str(memoryview(data)[skip:], encoding)
    except UnicodeDecodeError as error:
        at = skip + error.start
        quoted = shlex.quote(display(path))
        reason = f"not {encoding.upper()}: byte 0x{data[at]:02x} at offset {at}"
        if encoding == "utf-8":
            reason += f", line {data.count(10, 0, at) + 1}"
            hint = f"iconv -f ISO-8859-1 -t UTF-8 {quoted} -o {shlex.quote(display(path) + '.utf8')}"
            return Outcome(path, "failed", reason, hint)
        return Outcome(path, "failed", reason, "save it as UTF-8")
    if "\0" in text:
        return Outcome(path, "skipped", "binary")
    return text


def _long_line(text: str, limit: int) -> int:
    """The number of the first line over `limit` characters, or 0."""
    start = 0
    while len(text) - start > limit:
        # The last line end within reach: every line before it is short enough.
        end = max(text.rfind("\n", start, start + limit + 1), text.rfind("\r", start, start + limit + 1))
        if end < 0:
            return len(line_spans(text[:start]))
        start = end + 1
    return 0


def mostly_secrets(text: str, findings: Sequence[secrets.Finding]) -> bool:
    """Whether a text with these credentials is a store of them, to be refused as a whole."""
    if not findings:
        return False
    taken = sum(_solid(text[finding.start : finding.end]) for finding in findings)
    if taken >= _MOST * _solid(text):
        return True
    lines = sum(1 for line in text.splitlines() if line.strip())
    return len(findings) >= _MANY and len({finding.line for finding in findings}) >= _OF_LINES * lines


def _solid(text: str) -> int:
    """How many characters are not blank."""
    return sum(map(len, text.split()))

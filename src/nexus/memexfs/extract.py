"""What a file says, for the index: its kind, title, author, first words and text, without credentials.

Text, Markdown and code are read here, documents in a process of their own (`extract_process`). Knows no
index, no queue and no tree. Invariants: nothing in a file makes it raise but that it cannot be opened or
read; memory is bounded whatever its size; whatever is left out is said in `problem`; no credential comes out.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Literal

from nexus.cortex import secrets
from nexus.cortex.chunker import Kind
from nexus.cortex.reader import display, mostly_secrets, places
from nexus.memexfs import texts
from nexus.memexfs.extract_process import ExtractProcess, shared
from nexus.memexfs.kinds import HEAD, FileKind, Recognised, recognise
from nexus.memexfs.node import failure

WHOLE = 2 * 2**20
"""Bytes of a text file that are read whole; of a larger one `FIRST` and `LAST`."""

FIRST, LAST = 3 * WHOLE // 4, WHOLE // 4

DOCUMENT = 256 * 2**20
"""Bytes of a document, at most: it cannot be read in part."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """`language` is the programming language of code, the declared one of a document. `problem` is for the
    user: what was guessed or left out of what is `indexed`, or why nothing was read. `pages` is 0 where there
    are none. A picture is `indexed` with no text: it is found by its name.
    """

    kind: FileKind
    mime: str
    title: str = ""
    text: str = ""
    lead: str = ""
    author: str = ""
    language: str = ""
    pages: int = 0
    problem: str = ""
    state: Literal["indexed", "unreadable", "secret", "large"] = "indexed"

    @property
    def form(self) -> Kind:
        """How its text is to be cut into passages."""
        if self.kind == "code" and self.mime != "application/x-ipynb+json":
            return "code"
        return "text" if self.kind in ("text", "pdf") else "markdown"


def extract(
    source: Path | bytes | int, name: bytes, size: int | None = None, *, process: ExtractProcess | None = None
) -> Extracted:
    """What the file says. `source` is where it lies, or a descriptor open for reading, whose position stays
    and which stays open; `name` is its path under files/, by which its kind is guessed and secrets are
    refused; `size` is asked of the file where it is not given.

    Raises `OSError` where the file cannot be opened or read, or is no regular file.
    """
    pure = PurePath(os.fsdecode(name))
    refused = _refused(pure)
    descriptor = _opened(source)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise failure(errno.EINVAL, display(str(pure)))
        size = status.st_size if size is None else size
        found = recognise(name, os.pread(descriptor, HEAD, 0))
        if refused:
            return Extracted(found.kind, found.mime, problem=refused, state="secret")
        if not found.reader:
            state: Literal["indexed", "unreadable"] = "unreadable" if found.problem else "indexed"
            return Extracted(found.kind, found.mime, problem=found.problem, state=state)
        if found.reader == "text":
            return _text(descriptor, size, found)
        return _document(descriptor, size, found, process or shared())
    finally:
        os.close(descriptor)


def _refused(path: PurePath) -> str:
    """Why a file of this name is never read, or nothing. Names are stored: they hold no credential either."""
    sure = [finding.kind for finding in secrets.find(display(str(path))) if finding.confidence == "high"]
    return secrets.refused_name(path) or (f"its path holds a secret: {sure[0]}" if sure else "")


def _opened(source: Path | bytes | int) -> int:
    """A descriptor of our own, with a position of its own where the system can give one."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    if not isinstance(source, int):
        if not stat.S_ISREG(os.lstat(source).st_mode):  # before opening: to open a device may be to use it
            raise failure(errno.EINVAL, display(os.fsdecode(source)))
        return os.open(source, flags | os.O_NOFOLLOW)
    try:
        return os.open(f"/proc/self/fd/{source}", flags)
    except OSError:  # no /proc, or a file that this user may only read through this descriptor
        return os.dup(source)


# ---- text --------------------------------------------------------------------------------------


def _text(descriptor: int, size: int, found: Recognised) -> Extracted:
    if size <= WHOLE:
        text, problem = texts.decode(_pread(descriptor, WHOLE, 0))
    else:
        text, problem = _ends(descriptor, size)
    if "\0" in text[:HEAD]:
        return Extracted("other", "application/octet-stream")
    return _judged(Extracted(found.kind, found.mime, text=text, language=found.language, problem=problem))


def _ends(descriptor: int, size: int) -> texts.Decoded:
    """The beginning and the end of a text that is larger than `WHOLE`."""
    data = _pread(descriptor, FIRST, 0)
    form = texts.encoding(data)
    width = {"utf-32": 4, "utf-16": 2}.get(form[:6], 1)
    first, problem = texts.decode(data if width > 1 else _whole_lines(data, last=True))
    at = (size - LAST) // width * width
    tail = _pread(descriptor, size - at, at)
    last = texts.decode(tail if width > 1 else _whole_lines(tail, last=False), form).text
    # A key that began before has lost the line that betrays it.
    end = last.find("-----END ")
    if end >= 0 and "-----BEGIN " not in last[:end]:
        last = last[end:].partition("\n")[2]
    read = f"{FIRST:,} bytes at its beginning and {LAST:,} at its end were read"
    problem = f"of {size:,} bytes {read}" + (f"; {problem}" if problem else "")
    return texts.Decoded(f"{first}\n[{at - FIRST:,} bytes are left out here]\n{last}", problem)


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    data = bytearray()
    while len(data) < size and (
        part := os.pread(descriptor, min(size - len(data), 2**20), offset + len(data))
    ):
        data += part
    return bytes(data)


def _whole_lines(data: bytes, *, last: bool) -> bytes:
    """Without the line that the cut goes through, or the word where there are no lines: half a credential is
    known to no rule, and half a character is none."""
    for blanks in (b"\n", b"\r", b" "):
        at = data.rfind(blanks) if last else data.find(blanks)
        if at >= 0:
            return data[: at + 1] if last else data[at + 1 :]
    return data


# ---- documents ---------------------------------------------------------------------------------


def _document(descriptor: int, size: int, found: Recognised, process: ExtractProcess) -> Extracted:
    if size > DOCUMENT:
        problem = f"too large: {size / 2**20:,.0f} MB, the limit is {DOCUMENT >> 20} MB"
        return Extracted(found.kind, found.mime, problem=problem, state="large")
    read = process.read(descriptor, found.reader)
    known = Extracted(
        found.kind,
        found.mime,
        title=secrets.blacked_out(read.title),
        text=read.text,
        author=secrets.blacked_out(read.author),
        language=read.language or found.language,
        pages=read.pages,
        problem=read.problem,
    )
    return _judged(known) if read.text else replace(known, state="unreadable")


# ---- both --------------------------------------------------------------------------------------


def _judged(known: Extracted) -> Extracted:
    """Without credentials, and with what the text says of itself; refused where it is mostly credentials."""
    findings = secrets.find(known.text)
    if mostly_secrets(known.text, findings):
        problem = f"mostly secrets: {places(findings)}"
        return Extracted(known.kind, known.mime, problem=problem, state="secret")
    text = secrets.redact(known.text, findings)
    problem = known.problem
    if findings:
        problem = "; ".join(part for part in (problem, f"not indexed: {places(findings)}") if part)
    if known.form == "code":
        said = texts.of_code(text)
    elif known.form == "markdown":
        said = texts.of_markdown(text)
    else:
        said = texts.of_text(text)
    title, author = known.title or said.title, known.author or said.author
    return replace(known, title=title, text=text, lead=said.lead, author=author, problem=problem)

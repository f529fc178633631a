"""What kind of file it is, by its first bytes and its name.

Opens nothing. Invariant: where bytes and name disagree the bytes decide, so that a program called
`letter.pdf` is no document and a letter called `x.bin` is text.
"""

from __future__ import annotations

import codecs
import mimetypes
import os
from pathlib import PurePath
from typing import Literal, NamedTuple

from nexus.cortex.chunker import kind_of

FileKind = Literal["text", "markdown", "code", "pdf", "office", "html", "image", "other"]
Reader = Literal["text", "pdf", "docx", "pptx", "xlsx", "odf", "epub", "html", "notebook", ""]

HEAD = 65_536
"""So many bytes are looked at."""

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Recognised(NamedTuple):
    """`reader` is empty where there is no text to read; `problem` says why where one would expect some."""

    kind: FileKind
    mime: str
    reader: Reader
    language: str = ""
    problem: str = ""


_OFFICE = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
_EPUB = "application/epub+zip"
# Suffix, and what stands near the beginning of the archive.
_ZIPPED: tuple[tuple[str, bytes, Reader, FileKind, str], ...] = (
    (".docx", b"word/", "docx", "office", _OFFICE + "wordprocessingml.document"),
    (".docm", b"word/", "docx", "office", "application/vnd.ms-word.document.macroEnabled.12"),
    (".pptx", b"ppt/", "pptx", "office", _OFFICE + "presentationml.presentation"),
    (".xlsx", b"xl/", "xlsx", "office", _OFFICE + "spreadsheetml.sheet"),
    (".xlsm", b"xl/", "xlsx", "office", "application/vnd.ms-excel.sheet.macroEnabled.12"),
    (".odt", (_ODF + "text").encode(), "odf", "office", _ODF + "text"),
    (".ods", (_ODF + "spreadsheet").encode(), "odf", "office", _ODF + "spreadsheet"),
    (".odp", (_ODF + "presentation").encode(), "odf", "office", _ODF + "presentation"),
    (".epub", _EPUB.encode(), "epub", "html", _EPUB),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"), (b"II*\0", "image/tiff"), (b"MM\0*", "image/tiff"),
)  # fmt: skip
_BINARY = (
    (b"\x7fELF", "application/x-executable"), (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"PK\x03\x04", "application/zip"), (b"\x1f\x8b", "application/gzip"), (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"), (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"), (b"Rar!", "application/vnd.rar"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"), (b"GGUF", "application/octet-stream"),
    (b"OggS", "audio/ogg"), (b"ID3", "audio/mpeg"), (b"fLaC", "audio/flac"),
    (_OLE, "application/x-ole-storage"),
    (b"\xca\xfe\xba\xbe", "application/java-vm"), (b"wOFF", "font/woff"), (b"wOF2", "font/woff2"),
)  # fmt: skip
_LANGUAGES = {
    ".py": "python", ".pyi": "python", ".pyw": "python", ".rs": "rust", ".go": "go", ".c": "c", ".h": "c",
    ".cc": "c++", ".cpp": "c++", ".cxx": "c++", ".hpp": "c++", ".hh": "c++", ".cu": "cuda", ".cuh": "cuda",
    ".java": "java", ".kt": "kotlin", ".kts": "kotlin", ".scala": "scala", ".js": "javascript",
    ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascript", ".ts": "typescript",
    ".tsx": "typescript", ".vue": "vue", ".svelte": "svelte", ".rb": "ruby", ".php": "php", ".pl": "perl",
    ".pm": "perl", ".lua": "lua", ".r": "r", ".jl": "julia", ".swift": "swift", ".m": "objective-c",
    ".mm": "objective-c", ".cs": "c#", ".fs": "f#", ".hs": "haskell", ".ml": "ocaml", ".mli": "ocaml",
    ".ex": "elixir", ".exs": "elixir", ".erl": "erlang", ".clj": "clojure", ".dart": "dart", ".zig": "zig",
    ".nim": "nim", ".d": "d", ".sh": "shell", ".bash": "shell", ".zsh": "shell", ".fish": "shell",
    ".ps1": "powershell", ".bat": "batch", ".sql": "sql", ".proto": "protobuf", ".graphql": "graphql",
    ".cmake": "cmake", ".gradle": "gradle", ".tf": "terraform", ".toml": "toml", ".yaml": "yaml",
    ".yml": "yaml", ".json": "json", ".jsonc": "json", ".ini": "ini", ".cfg": "ini", ".conf": "ini",
    ".css": "css", ".scss": "scss", ".less": "less", ".xml": "xml", ".asm": "assembly", ".s": "assembly",
}  # fmt: skip
_LANGUAGE_NAMES = {
    "makefile": "make", "dockerfile": "docker", "containerfile": "docker", "cmakelists.txt": "cmake",
    "justfile": "just", "rakefile": "ruby",
}  # fmt: skip
_SHEBANGS = ((b"python", "python"), (b"bash", "shell"), (b"sh", "shell"), (b"node", "javascript"))
_TEXT_MIMES = {"markdown": "text/markdown", "code": "text/plain", "text": "text/plain"}
# The list of the machine is not asked: the same file is the same kind everywhere.
_MIMES = mimetypes.MimeTypes()
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b")) + b"\x7f"


def recognise(name: bytes, head: bytes) -> Recognised:
    """The kind of the file `name` that begins with `head` (at least `HEAD` bytes of it, or all)."""
    pure = PurePath(os.fsdecode(name))
    suffix = pure.suffix.lower()
    if b"%PDF-" in head[:1024]:
        return Recognised("pdf", "application/pdf", "pdf")
    if head.startswith(b"PK\x03\x04"):
        return _zipped(suffix, head)
    if head.startswith(_OLE) and any(suffix == known for known, *_ in _ZIPPED):
        return Recognised("office", "application/x-ole-storage", "", problem="protected by a password")
    if head.startswith(_OLE) and suffix in (".doc", ".xls", ".ppt"):
        problem = f"the old Office format {suffix[1:]} cannot be read; save it as {suffix[1:]}x"
        return Recognised("office", _named(pure), "", problem=problem)
    for magic, mime in _IMAGES:
        if head.startswith(magic):
            return Recognised("image", mime, "")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Recognised("image", "image/webp", "")
    if head[4:8] == b"ftyp":
        still = head[8:12] in (b"heic", b"heix", b"avif", b"mif1")
        return Recognised("image", "image/heif", "") if still else Recognised("other", "video/mp4", "")
    if any(head.startswith(magic) for magic, _ in _BINARY if magic != b"MZ") or not is_text(head):
        mime = next((mime for magic, mime in _BINARY if head.startswith(magic)), _named(pure))
        return Recognised("other", mime, "")
    return _text(pure, suffix, head)


def is_text(head: bytes) -> bool:
    """Whether these first bytes are of a text: a byte order mark, or hardly any controls and no NUL."""
    if head.startswith(tuple(bom for bom, _ in BOMS)) or wide(head):
        return True
    if b"\0" in head:
        return False
    return len(head.translate(None, _CONTROLS)) >= 0.98 * len(head)


def wide(head: bytes) -> str:
    """The form of UTF-16 that has no mark and is mostly ASCII, or nothing."""
    even, odd = head[0:4096:2], head[1:4096:2]
    if len(odd) < 8:
        return ""
    for form, nuls, letters in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        plain = len(letters.translate(None, _CONTROLS))
        if nuls.count(0) > 0.7 * len(nuls) and plain == len(letters):
            return form
    return ""


def _zipped(suffix: str, head: bytes) -> Recognised:
    for known, _, reader, kind, mime in _ZIPPED:
        if suffix == known:
            return Recognised(kind, mime, reader)
    # A document under another name says so within the names or the first member of its archive.
    for _, sign, reader, kind, mime in _ZIPPED:
        if sign in head and (b"[Content_Types].xml" in head or head[30:38] == b"mimetype"):
            return Recognised(kind, mime, reader)
    return Recognised("other", "application/zip", "")


def _text(pure: PurePath, suffix: str, head: bytes) -> Recognised:
    start = head[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if suffix in (".html", ".htm", ".xhtml") or start.startswith((b"<!doctype html", b"<html")):
        return Recognised("html", "text/html", "html")
    if suffix == ".ipynb" and start.startswith(b"{"):
        return Recognised("code", "application/x-ipynb+json", "notebook", "python")
    if suffix == ".svg" and b"<svg" in head:
        return Recognised("image", "image/svg+xml", "")
    kind: FileKind = kind_of(pure)
    language = _LANGUAGES.get(suffix) or _LANGUAGE_NAMES.get(pure.name.lower(), "")
    if not suffix and head.startswith(b"#!"):
        line = head[:200].split(b"\n")[0]
        found = next((language for sign, language in _SHEBANGS if sign in line), "")
        kind, language = ("code", found) if found else (kind, language)
    mime = _named(pure)
    if not mime.startswith("text/") and kind != "code":
        mime = _TEXT_MIMES[kind]
    return Recognised(kind, mime if mime != "application/octet-stream" else "text/plain", "text", language)


def _named(pure: PurePath) -> str:
    return _MIMES.guess_type("x" + pure.suffix.lower())[0] or "application/octet-stream"

"""Reads what is an archive of XML: Word, PowerPoint, Excel, OpenDocument, EPUB. For the limited process only.

Knows no PDF and no pages. Invariant: no archive unfolds to more than `UNPACKED` bytes, whatever it claims.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import IO, Any, BinaryIO
from xml.etree import ElementTree

from nexus.memexfs.budget import Budget, Read, UnreadableError

UNPACKED = 128 * 2**20
"""Bytes that the texts of one archive may unfold to."""

_PICTURES = ("media/", "embeddings/", "thumbnails/", "pictures/", "fonts/", "images/")
_PICTURE_ENDS = (
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".mp3", ".mp4", ".ttf", ".otf", ".woff", ".emf", ".wmf",
)  # fmt: skip
_DC = "{http://purl.org/dc/elements/1.1/}"


def _slim(file: BinaryIO) -> io.BytesIO:
    """The archive without its pictures, which the libraries would load: their names stay.

    What a member claims to hold is also all that `zipfile` unpacks of it.
    """
    slim = io.BytesIO()
    left = UNPACKED
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(slim, "w", zipfile.ZIP_STORED) as target:
        members = source.infolist()
        if len(members) > 20_000:
            raise UnreadableError(f"its archive has {len(members):,} members")
        for member in members:
            name = member.filename.lower()
            if any(folder in name for folder in _PICTURES) or name.endswith(_PICTURE_ENDS):
                target.writestr(member.filename, b"")
                continue
            left -= member.file_size
            if left < 0:
                raise UnreadableError(f"it unfolds to more than {UNPACKED >> 20} MB")
            if member.flag_bits & 1:
                raise UnreadableError("protected by a password")
            with source.open(member) as content:  # `ZipFile.read` unpacks first and counts then
                target.writestr(member.filename, content.read(member.file_size))
    slim.seek(0)
    return slim


def _properties(archive: BinaryIO, member: str = "docProps/core.xml") -> Read:
    """Title, author and language, as far as they are there and whole: a document may well be without."""
    found = Read()
    with zipfile.ZipFile(archive) as source:
        try:
            root = ElementTree.fromstring(source.read(member))  # noqa: S314 - in the limited process
        except (KeyError, ElementTree.ParseError):
            root = ElementTree.Element("none")
    found.title, found.author = (root.findtext(f".//{_DC}{name}") or "" for name in ("title", "creator"))
    found.language = root.findtext(f".//{_DC}language") or ""
    archive.seek(0)
    return found


def converted(name: str, stream: BinaryIO, suffix: str) -> tuple[str, str]:
    """Markdown and title by markitdown's converter of this name."""
    from markitdown import StreamInfo, converters

    result = getattr(converters, name)().convert(stream, StreamInfo(extension=suffix))
    return _UNLINKED.sub("", result.markdown), result.title or ""


_UNLINKED = re.compile(r"!\[[^\]\n]*\]\(data:[^)\n]*\)|<!-- Slide number: \d+ -->\n?")


def docx(file: BinaryIO, budget: Budget) -> Read:
    """A text of Word."""
    archive = _slim(file)
    found = _properties(archive)
    with zipfile.ZipFile(archive) as source:
        names = source.namelist()
        if _WORDS not in names:
            raise UnreadableError(f"broken: its archive has no {_WORDS}")
        if source.getinfo(_WORDS).file_size > _LONG:
            with source.open(_WORDS) as content:
                found.text = "\n".join(_paragraphs(content, "tr"))
            return found
    archive.seek(0)
    found.text = converted("DocxConverter", archive, ".docx")[0]
    return found


_WORDS = "word/document.xml"
_LONG = 8 * 2**20
"""Bytes of a document in Word above which headings are given up: markitdown takes seconds a megabyte."""


def pptx(file: BinaryIO, budget: Budget) -> Read:
    """Slides of PowerPoint."""
    archive = _slim(file)
    found = _properties(archive)
    with zipfile.ZipFile(archive) as source:
        found.pages = sum(1 for name in source.namelist() if re.fullmatch(r"ppt/slides/slide\d+\.xml", name))
    archive.seek(0)
    found.text = converted("PptxConverter", archive, ".pptx")[0]
    return found


def xlsx(file: BinaryIO, budget: Budget) -> Read:
    """Row by row: markitdown would hold the whole sheet three times."""
    import openpyxl

    archive = _slim(file)
    found = _properties(archive)
    book = openpyxl.load_workbook(archive, read_only=True, data_only=True)
    parts: list[str] = []
    size = 0
    found.pages = len(book.worksheets)
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # what a file says of them is often wrong
        parts.append(f"\n## {sheet.title}\n")
        for row in _rows(sheet):
            parts.append(row)
            size += len(row)
            found.problem = budget.spent(size)
            if found.problem:
                found.text = "\n".join(parts)
                return found
    found.text = "\n".join(parts) if size else ""
    return found


def _rows(sheet: Any) -> Iterator[str]:
    """The rows of a sheet as those of a table in Markdown, the first as its head."""
    first = True
    for row in sheet.iter_rows(values_only=True):
        cells = [" ".join(str(cell).split()) if cell is not None else "" for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield "| " + " | ".join(cells) + " |"
            if first:
                yield "|" + " --- |" * len(cells)
            first = False
    # Without this an empty line would not end the table.
    yield ""


def odf(file: BinaryIO, budget: Budget) -> Read:
    """A text, table or presentation of OpenDocument."""
    archive = _slim(file)
    found = _properties(archive, "meta.xml")
    with zipfile.ZipFile(archive) as source:
        if "content.xml" not in source.namelist():
            raise UnreadableError("broken: its archive has no content.xml")
        with source.open("content.xml") as content:
            found.text = "\n".join(_paragraphs(content, "table-row"))
    return found


def _paragraphs(content: IO[bytes], rows: str) -> Iterator[str]:
    """Headings and paragraphs of Word or OpenDocument; the cells of a row, an element `rows`, as one line."""
    row: list[str] | None = None
    for event, element in ElementTree.iterparse(content, ("start", "end")):  # noqa: S314 - limited process
        name = element.tag.rpartition("}")[2]
        if event == "start":
            row = [] if name == rows else row
        elif name in ("h", "p"):
            words = " ".join("".join(element.itertext()).split())
            element.clear()
            if words and row is not None:
                row.append(words)
            elif words:
                yield f"\n# {words}\n" if name == "h" else words
        elif name == rows:
            if row:
                yield " | ".join(row)
            row = None
            element.clear()


def epub(file: BinaryIO, budget: Budget) -> Read:
    """A book."""
    archive = _slim(file)
    with zipfile.ZipFile(archive) as source:
        package = next((name for name in source.namelist() if name.endswith(".opf")), "")
    archive.seek(0)
    found = _properties(archive, package)
    # What comes first is the title and so on once more.
    found.text = converted("EpubConverter", archive, ".epub")[0].partition("\n\n")[2]
    return found

"""Documents made byte for byte by the tests: PDF, Word, PowerPoint, Excel, OpenDocument, EPUB.

The same arguments give the same bytes, on every machine and day.
"""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.sax.saxutils import escape

_DAY = (2026, 1, 2, 3, 4, 6)
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def archive(members: Mapping[str, bytes | str]) -> bytes:
    """A ZIP archive with these members, in this order."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            target.writestr(zipfile.ZipInfo(name, _DAY), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def pdf(
    pages: Sequence[str], *, title: str = "", author: str = "", encrypt: bytes = b"", heading: str = ""
) -> bytes:
    """A PDF with the lines of each page in Helvetica, below `heading` in large letters; Latin-1 only."""
    objects: list[bytes] = []

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    add(b"<< /Type /Catalog /Pages 2 0 R >>")
    add(b"")  # the pages, when they are known
    font = add(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    kids = []
    for text in pages:
        lines = b"".join(b"(" + _literal(line) + b") ' " for line in text.split("\n"))
        large = b"/F1 22 Tf (" + _literal(heading) + b") ' " if heading else b""
        stream = b"BT 24 TL 50 800 Td " + large + b"/F1 11 Tf 14 TL " + lines + b"ET"
        packed = zlib.compress(stream)
        content = add(b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(packed), packed))
        page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
        kids.append(add(page % content + b" /Resources << /Font << /F1 %d 0 R >> >> >>" % font))
    listed = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[1] = b"<< /Type /Pages /Kids [" + listed + b"] /Count %d >>" % len(kids)
    info = add(b"<< /Title (" + _literal(title) + b") /Author (" + _literal(author) + b") >>")
    return _written(objects, b"/Root 1 0 R /Info %d 0 R " % info + encrypt)


def _literal(text: str) -> bytes:
    data = text.encode("cp1252", "replace")
    return data.replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")


def _written(objects: Sequence[bytes], trailer: bytes) -> bytes:
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d %s>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return bytes(out)


LOCKED = (
    b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -44 /O <" + b"41" * 32 + b"> /U <" + b"42" * 32 + b"> >> "
    b"/ID [<" + b"43" * 16 + b"> <" + b"43" * 16 + b">] "
)
"""For `pdf(encrypt=...)`: nobody knows the password."""


def docx(paragraphs: Sequence[str], *, title: str = "", author: str = "", media: bytes = b"") -> bytes:
    """A Word document. A paragraph that begins with `# ` is a heading; `media` is a picture nothing shows."""
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    body = "".join(_paragraph(text) for text in paragraphs)
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    members: dict[str, bytes | str] = {
        "[Content_Types].xml": _types(
            ("/word/document.xml", main + ".document.main+xml"), ("/word/styles.xml", main + ".styles+xml")
        ),
        "_rels/.rels": _relations(("officeDocument", "word/document.xml")),
        "word/_rels/document.xml.rels": _relations(("styles", "styles.xml")),
        "word/document.xml": f'{_XML}<w:document xmlns:w="{word}"><w:body>{body}</w:body></w:document>',
        "word/styles.xml": f'{_XML}<w:styles xmlns:w="{word}"><w:style w:type="paragraph" '
        'w:styleId="Heading1"><w:name w:val="heading 1"/></w:style></w:styles>',
        "docProps/core.xml": _core(title, author),
    }
    if media:
        members["word/media/image1.png"] = media
    return archive(members)


def _paragraph(text: str) -> str:
    style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>' if text.startswith("# ") else ""
    return f'<w:p>{style}<w:r><w:t xml:space="preserve">{escape(text.removeprefix("# "))}</w:t></w:r></w:p>'


def _types(*parts: tuple[str, str]) -> str:
    package = "application/vnd.openxmlformats-package"
    overrides = (*parts, ("/docProps/core.xml", package + ".core-properties+xml"))
    listed = "".join(f'<Override PartName="{name}" ContentType="{kind}"/>' for name, kind in overrides)
    return (
        f'{_XML}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Default Extension="rels" ContentType="{package}.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{listed}</Types>'
    )


def _relations(*targets: tuple[str, str]) -> str:
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
    listed = "".join(
        f'<Relationship Id="rId{number}" Type="{office}{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'{_XML}<Relationships xmlns="{package}">{listed}</Relationships>'


def _core(title: str, author: str) -> str:
    return (
        f'{_XML}<cp:coreProperties xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties">'
        f"<dc:title>{escape(title)}</dc:title><dc:creator>{escape(author)}</dc:creator></cp:coreProperties>"
    )


def pptx(slides: Sequence[tuple[str, str]], *, title: str = "", author: str = "") -> bytes:
    """A PowerPoint presentation: a title and a text for each slide."""
    import pptx as library

    show = library.Presentation()
    show.core_properties.title, show.core_properties.author = title, author
    show.core_properties.modified = show.core_properties.created = datetime(*_DAY)
    for heading, text in slides:
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = heading
        slide.placeholders[1].text = text
    out = io.BytesIO()
    show.save(out)
    return _undated(out)


def xlsx(sheets: Mapping[str, Sequence[Sequence[object]]], *, title: str = "", author: str = "") -> bytes:
    """An Excel workbook: rows of cells for each sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.properties.title, book.properties.creator = title, author
    book.properties.created = datetime(*_DAY)
    out = io.BytesIO()
    book.save(out)
    return _undated(out, {"docProps/core.xml": _core(title, author)})


def _undated(written: io.BytesIO, instead: Mapping[str, str] | None = None) -> bytes:
    with zipfile.ZipFile(written) as source:
        members: dict[str, bytes | str] = {name: source.read(name) for name in source.namelist()}
    return archive({**members, **(instead or {})})


def odt(paragraphs: Sequence[str], *, title: str = "", author: str = "") -> bytes:
    """An OpenDocument text. A paragraph that begins with `# ` is a heading."""
    base = "urn:oasis:names:tc:opendocument:xmlns:"
    names = f'xmlns:office="{base}office:1.0" xmlns:text="{base}text:1.0"'
    body = "".join(
        f"<text:h>{escape(text[2:])}</text:h>"
        if text.startswith("# ")
        else f"<text:p>{escape(text)}</text:p>"
        for text in paragraphs
    )
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"{_XML}<office:document-content {names}><office:body><office:text>{body}"
            "</office:text></office:body></office:document-content>",
            "meta.xml": f'{_XML}<office:document-meta {names} xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<office:meta><dc:title>{escape(title)}</dc:title><dc:creator>{escape(author)}</dc:creator>"
            "</office:meta></office:document-meta>",
        }
    )


def epub(chapters: Sequence[tuple[str, str]], *, title: str = "", author: str = "") -> bytes:
    """A book: a heading and a text for each chapter."""
    container = "urn:oasis:names:tc:opendocument:xmlns:container"
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": f'{_XML}<container xmlns="{container}"><rootfiles>'
            '<rootfile full-path="book/content.opf" media-type="application/oebps-package+xml"/></rootfiles>'
            "</container>",
            "book/content.opf": f'{_XML}<package xmlns="http://www.idpf.org/2007/opf" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
            f"<dc:title>{escape(title)}</dc:title><dc:creator>{escape(author)}</dc:creator>"
            f"<dc:language>en</dc:language></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>",
            **{
                f"book/c{number}.xhtml": f"{_XML}<html xmlns='http://www.w3.org/1999/xhtml'><body>"
                f"<h1>{escape(heading)}</h1><p>{escape(text)}</p></body></html>"
                for number, (heading, text) in enumerate(chapters)
            },
        }
    )


def mutated(data: bytes, seed: random.Random) -> bytes:
    """The bytes with a few of them changed, cut, doubled or moved."""
    out = bytearray(data)
    for _ in range(seed.choice((1, 1, 2, 5, 20))):
        at = seed.randrange(len(out) + 1)
        length = seed.choice((1, 2, 8, 100))
        match seed.randrange(5):
            case 0:
                out[at : at + length] = seed.randbytes(length)
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = out[max(0, at - length) : at] * seed.choice((1, 3))
            case 3:
                out[at : at + 1] = seed.choice((b"\0", b"\xff", b"<", b"999999999", b"-1"))
            case _:
                out = out[: max(at, 9)]
    return bytes(out)

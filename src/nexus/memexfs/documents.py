"""Reads a document as text, whatever its kind. For the limited process only.

The libraries behind it are large, and their input is foreign: nothing outside `extract_process` calls this.
Knows neither names nor paths. Invariant: never more than `most` characters, however the file unfolds; what
is not read is said in `problem`.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import BinaryIO

from nexus.memexfs import archives
from nexus.memexfs.archives import UNPACKED, converted
from nexus.memexfs.budget import Budget, Read, UnreadableError
from nexus.memexfs.pdf import pdf
from nexus.memexfs.texts import clean, line, usable

_HTML = 4 * 2**20
"""Bytes of a page that are looked at: a second each megabyte."""


def read(reader: str, file: BinaryIO, budget: Budget) -> Read:
    """The document in `file` (seekable). Never raises but for memory that runs out inside the interpreter."""
    try:
        found = _READERS[reader](file, budget)
    except UnreadableError as error:
        found = Read(problem=str(error))
    except MemoryError:
        found = Read(problem="reading it needs more memory than is allowed")
    except RecursionError:
        found = Read(problem="it is nested too deeply")
    except zipfile.BadZipFile as error:
        found = Read(problem=f"broken: {error}")
    except Exception as error:  # any of a dozen libraries, on foreign bytes
        found = Read(problem=f"broken: {type(error).__name__}: {error}")
    if len(found.text) > budget.most:
        found.text = _cut(found.text, budget.most)
        found.problem = found.problem or budget.spent(budget.most)
    found.text = clean(found.text).strip()
    found.title, found.author = usable(line(clean(found.title))), line(clean(found.author))
    found.language, found.problem = line(clean(found.language), 35), line(clean(found.problem), 300)
    if not found.text and not found.problem:
        found.problem = "there is no text in it"
    return found


def _cut(text: str, most: int) -> str:
    """At most so many characters, up to a blank where one is near: half a credential is known to no rule."""
    blank = re.compile(r"\s\S{0,4000}\Z").search(text, max(0, most - 4001), most)
    return text[: blank.start() if blank else most]


# ---- pages and notebooks -----------------------------------------------------------------------

_META = re.compile(rb"<meta\s[^>]{0,300}>", re.IGNORECASE)
_CONTENT = re.compile(rb"content\s*=\s*[\"']([^\"'<>]{1,200})", re.IGNORECASE)
_LANG = re.compile(rb"<html\s[^>]{0,300}?\blang\s*=\s*[\"']?([A-Za-z-]{2,20})", re.IGNORECASE)


def _html(file: BinaryIO, budget: Budget) -> Read:
    data = file.read(_HTML)
    found = Read()
    if file.read(1):
        found.problem = f"the first {_HTML >> 20} MB were read"
    for tag in _META.findall(data[:65_536]):
        content = _CONTENT.search(tag)
        if content and re.search(rb"name\s*=\s*[\"']?author", tag, re.IGNORECASE):
            found.author = content[1].decode("utf-8", "replace")
    language = _LANG.search(data[:65_536])
    found.language = language[1].decode() if language else ""
    found.text, found.title = converted("HtmlConverter", io.BytesIO(data), ".html")
    return found


def _notebook(file: BinaryIO, budget: Budget) -> Read:
    data = file.read(UNPACKED + 1)
    if len(data) > UNPACKED:
        raise UnreadableError(f"it is larger than {UNPACKED >> 20} MB")
    parts = []
    for cell in json.loads(data)["cells"]:
        source = cell.get("source", "")
        words = source if isinstance(source, str) else "".join(source)
        if words.strip():
            parts.append(words if cell.get("cell_type") != "code" else f"```python\n{words}\n```")
    return Read("\n\n".join(parts), language="python")


_READERS = {
    "pdf": pdf, "docx": archives.docx, "pptx": archives.pptx, "xlsx": archives.xlsx, "odf": archives.odf,
    "epub": archives.epub, "html": _html, "notebook": _notebook,
}  # fmt: skip

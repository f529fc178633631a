"""Reads PDF by pdfium, page by page. For the limited process only (`extract_process`).

Invariant: it stops between two pages when its budget is spent, and says where.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import statistics
from typing import Any, BinaryIO

from nexus.memexfs.budget import Budget, Read, UnreadableError
from nexus.memexfs.texts import line, usable


def pdf(file: BinaryIO, budget: Budget) -> Read:
    """The text of a PDF, page by page."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(_mapped(file))
    except pypdfium2.PdfiumError as error:
        if error.err_code == 4:  # FPDF_ERR_PASSWORD
            raise UnreadableError("protected by a password") from None
        raise UnreadableError(f"broken: {error}") from None
    pages = len(document)
    known = document.get_metadata_dict(skip_empty=True)
    found = Read(title=known.get("Title", ""), author=known.get("Author", ""), pages=pages)
    parts: list[str] = []
    size, broken = 0, 0
    for number in range(pages):
        stopped = budget.spent(size)
        if stopped:
            found.problem = f"{stopped}: {number} of {pages} pages"
            break
        try:
            page = document[number]
            words = page.get_textpage()
            parts.append(_page(words.get_text_bounded()))
            if number == 0 and not usable(line(found.title)):
                found.title = _largest(words)
            words.close()
            page.close()
        except pypdfium2.PdfiumError:
            broken += 1
            continue
        size += len(parts[-1])
    found.text = "\n\n".join(part for part in parts if part)
    if broken and not found.problem:
        found.problem = f"{broken} of {pages} pages are broken"
    if not found.text and not found.problem:
        found.problem = f"there is no text on its {pages} pages, only pictures"
    return found


def _mapped(file: BinaryIO) -> Any:
    """The file's bytes where pdfium reads them by itself. Handed over as a stream they would have to be asked
    of Python, by a call that is put together in memory, which a service confined by systemd may not run."""
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise UnreadableError("empty")
    return (ctypes.c_ubyte * size).from_buffer(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY))


def _largest(words: Any) -> str:
    """The first words of a page in its largest letters, which one takes for its title; empty where all are of
    one size."""
    from pypdfium2 import raw

    sizes: dict[int, float] = {}
    letters: dict[int, str] = {}
    for index in range(min(words.count_chars(), 4000)):
        letters[index] = chr(raw.FPDFText_GetUnicode(words, index))
        if letters[index].isalnum():
            sizes[index] = raw.FPDFText_GetFontSize(words, index)
    if not sizes:
        return ""
    usual, largest = statistics.median(sizes.values()), max(sizes.values())
    if largest < 1.15 * usual:
        return ""
    start = next(index for index, size in sizes.items() if size > largest - 0.5)
    end = next(
        (index for index, size in sizes.items() if index > start and size <= largest - 0.5), len(letters)
    )
    found = line("".join(letters[index] for index in range(start, end)))
    return found if len(found) >= 4 else ""


def _page(text: str) -> str:
    """U+FFFE and U+0002 stand where a word was divided at the end of a line."""
    return re.sub("[\ufffe\u0002]\r?\n?", "", text).replace("\r\n", "\n").strip()

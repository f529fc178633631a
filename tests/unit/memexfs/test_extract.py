"""What a file says: kinds, encodings, titles, limits, credentials. Real files, really read."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.memexfs import texts
from nexus.memexfs.extract import FIRST, LAST, WHOLE, Extracted, extract
from nexus.memexfs.extract_process import ExtractProcess
from nexus.memexfs.kinds import recognise, wide
from tests import memex_files as made

Said = Callable[[str, bytes], Extracted]
_KEY = "AKIA" + "Q7RZ3NVYLXW2KPTD"
_SECRET = "wJalrXUtnFEMI" + "K7MDENGbPxRfiCYzq9Vt4Ls2Np"


@pytest.fixture(scope="module")
def process() -> Iterator[ExtractProcess]:
    shared = ExtractProcess()
    yield shared
    shared.close()


@pytest.fixture
def said(tmp_path: Path, process: ExtractProcess) -> Said:
    def of(name: str, data: bytes) -> Extracted:
        path = tmp_path / "file"
        path.write_bytes(data)
        return extract(path, os.fsencode(name), process=process)

    return of


# ---- kinds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "head", "kind", "language"),
    [
        ("a.md", b"# Tea\n", "markdown", ""),
        ("a.py", b"import os\n", "code", "python"),
        ("deep/Makefile", b"all:\n\ttrue\n", "code", "make"),
        ("run", b"#!/usr/bin/env python3\n", "code", "python"),
        ("run", b"#!/bin/sh\n", "code", "shell"),
        ("notes", b"Buy milk\n", "text", ""),
        ("a.csv", b"a,b\n1,2\n", "text", ""),
        ("MZ.txt", b"MZ is how it begins\n", "text", ""),
        ("letter.pdf", b"\x7fELF\x02\x01\x01", "other", ""),
        ("letter.pdf", b"Dear all,\n", "text", ""),
        ("scan.bin", b"\n%PDF-1.7\n", "pdf", ""),
        ("page", b"<!DOCTYPE html><p>x", "html", ""),
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "image", ""),
        ("a.svg", b"<svg xmlns='x'/>", "image", ""),
        ("a.zip", b"PK\x03\x04" + b"\0" * 26 + b"a.txt", "other", ""),
        ("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 9, "office", ""),
        ("hole.log", b"\0" * 4096, "other", ""),
        ("empty.txt", b"", "text", ""),
        ("caf\udce9.md", b"x", "markdown", ""),
    ],
)
def test_bytes_decide_the_kind_and_names_what_bytes_leave_open(
    name: str, head: bytes, kind: str, language: str
) -> None:
    found = recognise(os.fsencode(name), head)
    assert (found.kind, found.language) == (kind, language)


def test_a_document_under_another_name_is_read_as_what_it_is(said: Said) -> None:
    found = said("renamed.bin", made.docx(["# Roof", "The tiles come in May."]))
    assert found.kind == "office"
    assert "The tiles come in May." in found.text


def test_a_program_or_picture_is_indexed_without_text(said: Said) -> None:
    for data in (b"\x7fELF" + bytes(range(256)), b"\x89PNG\r\n\x1a\n" + b"\0" * 99):
        found = said("thing", data)
        assert (found.state, found.text, found.problem) == ("indexed", "", "")


# ---- text --------------------------------------------------------------------------------------

_GERMAN = "Müller isst Äpfel für 3 €.\n"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (_GERMAN.encode(), ""),
        (b"\xef\xbb\xbf" + _GERMAN.encode(), ""),
        (b"\xff\xfe" + _GERMAN.encode("utf-16-le"), ""),
        (b"\xfe\xff" + _GERMAN.encode("utf-16-be"), ""),
        (b"\xff\xfe\0\0" + _GERMAN.encode("utf-32-le"), ""),
        (_GERMAN.encode("cp1252"), "not UTF-8: read as Windows-1252"),
    ],
)
def test_text_is_read_in_its_encoding_and_a_guess_is_said(said: Said, data: bytes, problem: str) -> None:
    found = said("a.txt", data)
    assert (found.text, found.problem) == (_GERMAN, problem)


def test_wide_text_without_a_mark_is_text(said: Said) -> None:
    data = "Plain words\r\nof Windows\r\n".encode("utf-16-le")
    assert said("a.txt", data).text == "Plain words\nof Windows\n"


def test_a_few_wrong_bytes_do_not_make_utf8_another_encoding(said: Said) -> None:
    found = said("a.log", _GERMAN.encode() * 20 + b"\xff broken\n")
    assert _GERMAN in found.text
    assert found.problem == "1 places are not UTF-8"


@given(st.binary(max_size=3000))
def test_every_byte_string_becomes_a_text_that_can_be_stored(data: bytes) -> None:
    text = texts.decode(data).text
    text.encode("utf-8")
    assert "\0" not in text
    for said_by in (texts.of_markdown, texts.of_text, texts.of_code):
        said = said_by(text)
        assert len(said.title) <= texts.TITLE
        assert len(said.lead) <= texts.LEAD
        assert said.title.isprintable()
    recognise(data[:40].replace(b"\0", b""), data)


@given(st.text())
def test_utf8_comes_back_as_it_was(text: str) -> None:
    plain = text.replace("\0", "").replace("\ufeff", "").replace("\r", "")
    data = plain.encode("utf-8", "replace")
    if not wide(data):
        assert texts.decode(data).text == data.decode()


# ---- titles and first words --------------------------------------------------------------------


def test_markdown_has_its_title_and_author_from_front_matter_and_prose_as_first_words() -> None:
    text = (
        '---\ntitle: "Giving money back"\nauthor: Ada Byron\n---\n# Other\n\n[![badge](x)](y)\n\n'
        "We give **money** back for [ten](http://x) days, in `NEXUS_HOME` too.\n\n```\ncode\n```\n"
    )
    said = texts.of_markdown(text)
    assert (said.title, said.author) == ("Giving money back", "Ada Byron")
    assert said.lead == "We give money back for ten days, in NEXUS_HOME too."


def test_the_first_heading_is_the_title_of_markdown_without_front_matter() -> None:
    assert texts.of_markdown("\n## The *roof* ##\n\nx\n").title == "The roof"
    assert texts.of_markdown("The roof\n========\n\nx\n").title == "The roof"


def test_a_line_that_stands_alone_is_the_title_of_a_text() -> None:
    assert texts.of_text("Minutes of Monday\n\nWe met.\n").title == "Minutes of Monday"
    assert texts.of_text("We met on Monday and\nspoke.\n").title == ""


def test_code_says_what_its_first_comment_says_without_the_licence() -> None:
    python = '#!/usr/bin/env python3\n"""Moves files by meaning.\n\nSlowly.\n"""\nimport os\nauthor = "x"\n'
    assert texts.of_code(python) == texts.Said(
        "Moves files by meaning.", "", "Moves files by meaning. Slowly."
    )
    c = "/*\n * Copyright (c) 2026 Bob Stone\n * SPDX-License-Identifier: MIT\n"
    c += " * Sorts numbers by heaps.\n */\n#include <x.h>\n"
    found = texts.of_code(c)
    assert (found.title, found.author) == ("Sorts numbers by heaps.", "Bob Stone")
    assert texts.of_code("int main(void) { return 0; }\n").lead == "int main(void) { return 0; }"


def test_an_author_is_one_only_where_a_line_says_so() -> None:
    assert texts.of_text("Minutes\n\nAuthor: Lena Brook\nWe met.\n").author == "Lena Brook"
    assert texts.of_text("Minutes\n\nauthors to only have one place\n").author == ""
    assert texts.of_code("# @author Tom Weaver\n# vim: ts=4\nx = 1\n").author == "Tom Weaver"


@pytest.mark.parametrize("title", ["Untitled-1", "Microsoft Word - x.doc", "Document1", "thesis.dvi", "---"])
def test_a_title_that_a_program_gave_is_none(title: str) -> None:
    assert texts.usable(title) == ""


# ---- size --------------------------------------------------------------------------------------


def test_a_huge_log_is_read_at_both_ends_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "huge.log"
    with path.open("wb") as file:
        file.write(b"it began at dawn\n" * (FIRST // 17 + 9))
        file.seek(2 * 2**30)  # what lies between is a hole: it is never read
        file.write(b"\nthe pump failed at noon\n" * (LAST // 25 + 9))
    found = extract(path, b"huge.log")
    assert found.text.startswith("it began at dawn\n")
    assert found.text.endswith("the pump failed at noon\n")
    assert "bytes are left out here]" in found.text
    assert len(found.text) < WHOLE + 100
    assert "at its beginning and" in found.problem


def test_a_cut_goes_through_no_character_line_or_key(said: Said) -> None:
    line = "Ä" * 60 + "\n"
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEow8AbCdEfGhIjKlMnOpQ" * 3 + "\n"
    text = line * (2 * WHOLE // len(line.encode()))
    middle = len(text) - LAST // 2 - 40
    text = text[:middle] + key * 20 + "-----END RSA PRIVATE KEY-----\n" + text[middle:]
    found = said("a.log", text.encode())
    assert "\ufffd" not in found.text
    assert "MIIEow" not in found.text
    wide = said("wide.log", b"\xff\xfe" + ("Ä noon\n" * WHOLE).encode("utf-16-le") + b"x")
    assert wide.text.count("Ä noon\n") > 1000
    assert set(wide.text.partition("\n[")[0]) <= set("Ä noon\n")


def test_a_sparse_file_of_100_gb_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.touch()
    os.truncate(path, 100 * 2**30)
    assert extract(path, b"disk.img").kind == "other"
    with path.open("r+b") as file:
        file.write(b"%PDF-1.4\n")
    found = extract(path, b"a.pdf")
    assert found.state == "large"
    assert "the limit is 256 MB" in found.problem


# ---- credentials -------------------------------------------------------------------------------


def test_a_secret_by_its_name_is_not_opened(said: Said) -> None:
    for name in (".env", "keys/id_ed25519", "site.pem"):
        found = said(name, b"hello\n")
        assert (found.state, found.text) == ("secret", "")
        assert found.problem.startswith("secret file")


def test_credentials_are_taken_out_of_every_part_and_named(said: Said) -> None:
    words = "The bucket is opened with it, every Monday, by the two of us. " * 10
    text = f"# Bucket {_KEY}\n\nUse {_KEY} for the bucket of the press.\n\n{words}\n"
    documents = [
        ("a.md", text.encode()),
        ("a.docx", made.docx(text.splitlines(), title=f"Bucket {_KEY}", author=_KEY)),
        ("a.pdf", made.pdf([text], title=f"Bucket {_KEY}", author=_KEY)),
    ]
    for name, data in documents:
        found = said(name, data)
        assert found.state == "indexed"
        assert "every Monday" in found.text
        assert "not indexed: aws" in found.problem
        for part in (found.text, found.title, found.lead, found.author, found.problem):
            assert _KEY not in part


def test_a_file_that_is_mostly_credentials_is_refused(said: Said) -> None:
    found = said("notes.txt", f"{_KEY}\naws_secret_access_key = {_SECRET}\n".encode())
    assert (found.state, found.text, found.lead) == ("secret", "", "")
    assert found.problem.startswith("mostly secrets")


# ---- sources -----------------------------------------------------------------------------------


def test_a_descriptor_keeps_its_place_and_stays_open(tmp_path: Path, process: ExtractProcess) -> None:
    path = tmp_path / "a"
    for name, data in (("a.txt", b"some words\n"), ("a.pdf", made.pdf(["some words"]))):
        path.write_bytes(data)
        with path.open("rb") as file:
            file.seek(5)
            found = extract(file.fileno(), name.encode(), process=process)
            assert found.text.strip() == "some words"
            assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 5


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        for name in ("pipe", "link", "socket", "."):
            with pytest.raises(OSError, match="Invalid argument"):
                extract(tmp_path / name, b"a.txt")
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "nothing", b"a.txt")

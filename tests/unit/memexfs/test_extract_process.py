"""Documents of every kind, broken and hostile ones, and the process that reads them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from nexus.core.errors import MissingPartError
from nexus.memexfs.budget import Read
from nexus.memexfs.extract_process import ExtractProcess, ProcessLimits
from tests import memex_files as made

# One of each: reader, document, and what has to come out of it.
DOCUMENTS: list[tuple[str, bytes, str]] = [
    ("pdf", made.pdf(["Dear all", "We give (most) money back"]), "We give (most) money back"),
    ("docx", made.docx(["# Costs", "Trains come first."]), "Trains come first."),
    ("pptx", made.pptx([("Roadmap", "Ship it")]), "Ship it"),
    ("xlsx", made.xlsx({"Costs": [["item", "eur"], ["chair", 12.5]]}), "| chair | 12.5 |"),
    ("odf", made.odt(["# Garden", "Roses want sun."]), "Roses want sun."),
    ("epub", made.epub([("One", "It was a night.")]), "It was a night."),
    ("html", b"<html><body><h1>Tea</h1><p>Boil water.<script>no()</script>", "Boil water."),
    ("notebook", json.dumps({"cells": [{"cell_type": "code", "source": ["fit(x)"]}]}).encode(), "fit(x)"),
]


@pytest.fixture(scope="module")
def process() -> Iterator[ExtractProcess]:
    shared = ExtractProcess()
    yield shared
    shared.close()


def _read(process: ExtractProcess, reader: str, data: bytes, folder: Path) -> Read:
    path = folder / "document"
    path.write_bytes(data)
    with path.open("rb") as file:
        return process.read(file.fileno(), reader)


# ---- what documents say ------------------------------------------------------------------------


@pytest.mark.parametrize(("reader", "data", "words"), DOCUMENTS, ids=[reader for reader, *_ in DOCUMENTS])
def test_a_document_is_read(
    process: ExtractProcess, reader: str, data: bytes, words: str, tmp_path: Path
) -> None:
    found = _read(process, reader, data, tmp_path)
    assert words in found.text
    assert found.problem == ""
    assert "no()" not in found.text


@pytest.mark.parametrize(
    ("reader", "data"),
    [
        ("pdf", made.pdf(["x"], title="The Roof", author="Ada Byron")),
        ("docx", made.docx(["x"], title="The Roof", author="Ada Byron")),
        ("pptx", made.pptx([("x", "y")], title="The Roof", author="Ada Byron")),
        ("xlsx", made.xlsx({"x": [["y"]]}, title="The Roof", author="Ada Byron")),
        ("odf", made.odt(["x"], title="The Roof", author="Ada Byron")),
        ("epub", made.epub([("x", "y")], title="The Roof", author="Ada Byron")),
        ("html", b"<title>The\n Roof</title><meta name='author' content='Ada Byron'><p>x"),
    ],
)
def test_title_and_author_are_those_of_the_document(
    process: ExtractProcess, reader: str, data: bytes, tmp_path: Path
) -> None:
    found = _read(process, reader, data, tmp_path)
    assert (found.title, found.author) == ("The Roof", "Ada Byron")


def test_the_largest_letters_are_the_title_of_a_pdf_that_names_none(
    process: ExtractProcess, tmp_path: Path
) -> None:
    for title in ("", "Microsoft Word - draft3.doc"):
        data = made.pdf(["It rains.\nIt pours."] * 2, heading="On the Weather", title=title)
        found = _read(process, "pdf", data, tmp_path)
        assert (found.title, found.text.count("It pours.")) == ("On the Weather", 2)
    assert _read(process, "pdf", made.pdf(["It rains."]), tmp_path).title == ""


def test_pictures_in_a_document_cost_nothing(process: ExtractProcess, tmp_path: Path) -> None:
    data = made.docx(["Words"], media=bytes(200 * 2**20))
    assert _read(process, "docx", data, tmp_path).text == "Words"


def test_a_very_long_document_in_word_is_read_without_its_headings(
    process: ExtractProcess, tmp_path: Path
) -> None:
    found = _read(process, "docx", made.docx(["# Costs", *["Trains come first. " * 10] * 40_000]), tmp_path)
    assert found.text.startswith("Costs\nTrains come first.")
    assert found.problem == "the first 2,000,000 characters were read"
    assert found.text.split()[-1] in ("Trains", "come", "first.")


# ---- broken and hostile ------------------------------------------------------------------------


def _large() -> bytes:
    return made.archive({"word/document.xml": bytes(200 * 2**20)})


def _of_many() -> bytes:
    return made.archive({f"m{n}": "" for n in range(20_001)})


@pytest.mark.parametrize(
    ("reader", "data", "problem"),
    [
        ("pdf", made.pdf(["x"], encrypt=made.LOCKED), "protected by a password"),
        ("pdf", b"%PDF-1.4 and nothing", "broken: Failed to load"),
        ("pdf", made.pdf([""] * 3), "there is no text on its 3 pages, only pictures"),
        ("docx", b"PK\x03\x04 and nothing", "broken: File is not a zip file"),
        ("docx", made.archive({"other": "x"}), "broken: its archive has no word/document.xml"),
        ("docx", _large, "it unfolds to more than 128 MB"),
        ("odf", _of_many, "its archive has 20,001 members"),
        ("odf", made.archive({"content.xml": "<a><b></a>"}), "broken: ParseError: mismatched tag"),
        ("notebook", b'{"cells": 5}', "broken: TypeError"),
        ("notebook", b"[" * 100_000, "it is nested too deeply"),
        ("html", b"<p></p>", "there is no text in it"),
    ],
    ids=range(11),
)
def test_what_cannot_be_read_says_why(
    process: ExtractProcess, reader: str, data: bytes | Callable[[], bytes], problem: str, tmp_path: Path
) -> None:
    found = _read(process, reader, data if isinstance(data, bytes) else data(), tmp_path)
    assert found.text == ""
    assert found.problem.startswith(problem)


def test_entities_do_not_unfold_without_end(process: ExtractProcess, tmp_path: Path) -> None:
    names = "abcdefghijklmnop"
    entities = "".join(f"<!ENTITY {name} '{f'&{before};' * 20}'>" for before, name in pairwise(names))
    bomb = f"<!DOCTYPE x [<!ENTITY a 'ha'>{entities}]><x><text:p xmlns:text='t'>&p;</text:p></x>"
    found = _read(process, "odf", made.archive({"content.xml": bomb}), tmp_path)
    assert "amplification" in found.problem


def test_a_pdf_that_unfolds_is_stopped_by_a_limit(tmp_path: Path) -> None:
    page = "\n".join(["All work and no play makes Jack a dull boy"] * 60)
    data = made.pdf([page] * 2000)
    few = ExtractProcess(ProcessLimits(characters=10_000))
    try:
        found = _read(few, "pdf", data, tmp_path)
        assert 9_000 < len(found.text) <= 10_000
        assert found.problem == "the first 10,000 characters were read: 5 of 2000 pages"
    finally:
        few.close()
    late = ExtractProcess(ProcessLimits(until_seconds=0.0))
    try:
        assert _read(late, "pdf", data, tmp_path).problem == "reading took too long: 0 of 2000 pages"
    finally:
        late.close()


def test_memory_and_processor_end_what_needs_too_much_and_the_next_is_read(tmp_path: Path) -> None:
    nested = b"<div>" * 400_000 + b"words"
    cases = [
        (
            "notebook",
            bytes(120 * 2**20),
            ProcessLimits(memory_bytes=160 * 2**20),
            "reading it needs more memory",
        ),
        ("html", nested, ProcessLimits(cpu_seconds=0), "reading took more processor time than is allowed"),
    ]
    for reader, data, limits, problem in cases:
        process = ExtractProcess(limits)
        try:
            found = _read(process, reader, data, tmp_path)
            assert found.text == ""
            assert found.problem.startswith(problem)
            assert _read(process, "pdf", made.pdf(["alive"]), tmp_path).text == "alive"
        finally:
            process.close()


def test_a_reader_that_is_stopped_costs_no_longer_than_the_limit(tmp_path: Path) -> None:
    process = ExtractProcess(ProcessLimits(wall_seconds=3.0))
    try:
        assert _read(process, "pdf", made.pdf(["one"]), tmp_path).text == "one"
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        found = _read(process, "pdf", made.pdf(["two"]), tmp_path)
        assert found.problem == "reading took longer than 3 seconds"
        assert _read(process, "pdf", made.pdf(["three"]), tmp_path).text == "three"
    finally:
        process.close()


def test_mutated_documents_never_raise_and_always_answer(process: ExtractProcess, tmp_path: Path) -> None:
    seed = random.Random(7)
    for number in range(48):
        reader, data, _ = DOCUMENTS[number % len(DOCUMENTS)]
        found = _read(process, reader, made.mutated(data, seed), tmp_path)
        assert found.text or found.problem
        found.text.encode()


# ---- the process -------------------------------------------------------------------------------


def test_one_process_serves_until_it_is_idle_and_leaves_nothing(tmp_path: Path) -> None:
    process = ExtractProcess(ProcessLimits(idle_seconds=0.3))
    try:
        assert process.pid is None
        _read(process, "pdf", made.pdf(["x"]), tmp_path)
        first = process.pid
        assert first is not None
        deadline = time.monotonic() + 60
        while Path(f"/proc/{first}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{first}").exists()
        assert process.pid is None
        assert _read(process, "pdf", made.pdf(["again"]), tmp_path).text == "again"
        assert process.pid != first
    finally:
        process.close()
    assert process.pid is None


def test_a_process_is_replaced_after_so_many_documents(tmp_path: Path) -> None:
    process = ExtractProcess(ProcessLimits(documents=2))
    try:
        pids = set()
        for number in range(5):
            assert _read(process, "notebook", DOCUMENTS[-1][1], tmp_path).text, number
            pids.add(process.pid)
        assert len(pids - {None}) >= 2
    finally:
        process.close()


def test_a_process_that_is_killed_between_two_documents_is_replaced(
    process: ExtractProcess, tmp_path: Path
) -> None:
    _read(process, "pdf", made.pdf(["x"]), tmp_path)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while process.pid is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _read(process, "pdf", made.pdf(["alive"]), tmp_path).text == "alive"


@pytest.mark.slow
def test_a_document_is_not_blamed_when_somebody_kills_its_reader(
    process: ExtractProcess, tmp_path: Path
) -> None:
    data = made.pdf(["\n".join(["All work and no play"] * 50)] * 800)
    whole = _read(process, "pdf", data, tmp_path)
    for wait in (0.01, 0.05, 0.2):
        pid = process.pid
        assert pid is not None
        killer = threading.Timer(wait, os.kill, (pid, signal.SIGKILL))
        killer.start()
        assert _read(process, "pdf", data, tmp_path) == whole
        killer.join()
        _read(process, "pdf", made.pdf(["x"]), tmp_path)  # so that there is one to kill


def test_a_process_that_cannot_start_is_no_fault_of_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(Path("/bin/false")))
    process = ExtractProcess()
    with pytest.raises(MissingPartError, match="does not start"):
        _read(process, "pdf", made.pdf(["x"]), tmp_path)
    process.close()


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are parts of Linux")
def test_a_reader_that_was_taken_over_can_do_nothing(process: ExtractProcess, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("private")
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "x").write_text("x")
    program = textwrap.dedent(
        f"""
        import os, socket, subprocess, sys, threading, json
        from pathlib import Path
        from nexus.memexfs.confinement import confine
        here = Path({str(tmp_path)!r})
        parts = confine(2**30, [here / "allowed"])
        def fails(act):
            try:
                act()
            except OSError as error:
                return True
            return False
        said = {{"parts": parts, "own": (here / "allowed" / "x").read_text()}}
        thread = threading.Thread(target=lambda: said.update(thread=True)); thread.start(); thread.join()
        said["refused"] = [
            fails(lambda: (here / "letter").read_text()),
            fails(lambda: os.listdir(here)),
            fails(lambda: os.open(here / "new", os.O_CREAT | os.O_WRONLY)),
            fails(lambda: os.open(here / "allowed" / "new", os.O_CREAT | os.O_WRONLY)),
            fails(lambda: (here / "letter").unlink()),
            fails(lambda: (here / "letter").rename(here / "moved")),
            fails(lambda: os.chmod(here / "letter", 0o777)),
            fails(lambda: socket.socket(socket.AF_INET)),
            fails(lambda: socket.socket(socket.AF_UNIX)),
            fails(lambda: os.fork()),
            fails(lambda: subprocess.run(["/bin/true"])),
            fails(lambda: os.execv("/bin/true", ["true"])),
            fails(lambda: os.kill(os.getppid(), 0)),
        ]
        sys.stdout.write(json.dumps(said))
        """
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    said = json.loads(ran.stdout)
    missing = {"files", "calls"} - set(said["parts"])
    if missing:
        pytest.skip(f"this kernel has no {missing}: Landlock wants Linux 5.13, seccomp x86-64 or arm64")
    assert said["thread"]
    assert said["own"] == "x"
    assert said["refused"] == [True] * len(said["refused"])
    assert (tmp_path / "letter").read_text() == "private"
    _read(process, "pdf", made.pdf(["x"]), tmp_path)
    assert set(process.confinement) == {"limits", "files", "calls"}

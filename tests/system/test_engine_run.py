"""`nexus engine run`: a text is read once, asked about in as many processes as one likes, and forgotten."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

FACTS = " ".join(f"The shelf number {number} holds the box number {number + 7}." for number in range(60))


class Shell:
    """The command line with a home of its own; no service runs."""

    def __init__(self, home: Path, model: Path) -> None:
        self.home = home
        self._model = model
        self.environment = {**os.environ, "NEXUS_HOME": str(home)}

    def __call__(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nexus", "engine", *words]
        return subprocess.run(
            command, env=self.environment, input=text, capture_output=True, text=True, check=False
        )

    def run(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return self("run", *self.options, *words, text=text)

    @property
    def options(self) -> list[str]:
        return ["--model", str(self._model), "--threads", "1", "--ram", "128M", "--tokens", "6"]

    def stored(self) -> list[Any]:
        listed: list[Any] = json.loads(self("contexts", "--json").stdout)
        return listed


def named(path: Path) -> int:
    """How many blocks the table of names has now; 0 where there is none yet."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM blocks").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


@pytest.fixture
def shell(tmp_path: Path, smollm2_path: Path) -> Shell:
    return Shell(tmp_path / "home", smollm2_path)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(FACTS, encoding="utf-8")
    return path


def counts(done: subprocess.CompletedProcess[str]) -> tuple[int, int]:
    """Tokens of the prompt, and those that were not read again, as the last line says."""
    assert done.returncode == 0, done.stderr
    found = re.findall(r"\[([\d,]+) tokens of prompt, ([\d,]+) of them not read again", done.stderr)
    assert found, done.stderr
    prompt, cached = found[-1]
    return int(prompt.replace(",", "")), int(cached.replace(",", ""))


def test_a_text_is_read_once_and_forgotten_when_told(shell: Shell, book: Path) -> None:
    first = shell.run("--context", str(book), "What", "does", "shelf", "5", "hold?")
    prompt, cached = counts(first)
    assert cached == 0
    assert prompt > 600
    assert first.stdout.strip()
    assert "Traceback" not in first.stderr
    again = shell.run("--context", str(book), "What does shelf 9 hold?")
    assert counts(again)[1] >= prompt // 128 * 128 - 128 > 0
    [kept] = shell.stored()
    assert (kept["name"], kept["source"], kept["characters"]) == ("book", str(book), len(FACTS))
    assert kept["disk_bytes"] > 1 << 20
    shown = shell("contexts")
    assert "book" in shown.stdout
    assert "1 kept" in shown.stderr
    assert "forgotten" in shell("forget", "book").stderr
    assert shell.stored() == []
    assert shell("forget", "book").returncode == 5
    assert book.read_text(encoding="utf-8") == FACTS


def test_a_conversation_goes_on_line_by_line(shell: Shell) -> None:
    done = shell.run(text="Say hi.\n\nAnd now say bye.\n")
    assert counts(done)[1] > 0
    assert done.stderr.count("tokens of prompt") == 2
    # Without --context nothing stays.
    assert [path for path in (shell.home / "engine").rglob("*") if path.is_file()] == []
    assert shell.stored() == []


def test_a_text_that_changed_is_not_mistaken_for_the_old_one(shell: Shell, book: Path) -> None:
    counts(shell.run("--context", str(book), "Hm?"))
    book.write_text(FACTS.replace("box", "jar"), encoding="utf-8")
    refused = shell.run("--context", str(book), "Hm?")
    assert refused.returncode == 2
    assert "before it changed" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert counts(shell.run("--context", str(book), "--name", "new", "Hm?"))[1] == 0
    assert sorted(each["name"] for each in shell.stored()) == ["book", "new"]


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (["--context", "/no/such/file", "Hm?"], "there is no file /no/such/file", 5),
        (["--ram", "much", "Hm?"], "--ram 'much' is no size", 2),
        (["--ram", "1M", "Hm?"], "--ram '1M' is too little", 2),
        (["--ram", "66M", "Hm?"], "2 MiB of RAM for pages will not do", 2),
        (["--model", "/no/model.gguf", "Hm?"], "/no/model.gguf does not exist", 9),
    ],
)
def test_what_cannot_be_is_said_in_one_line(shell: Shell, words: list[str], said: str, status: int) -> None:
    done = shell.run(*words)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (status, True, False)
    assert done.stdout == ""
    assert shell.stored() == []


def test_killed_while_it_reads_it_leaves_no_process_and_reads_on_from_there(
    shell: Shell, book: Path, tmp_path: Path
) -> None:
    long = tmp_path / "long.txt"
    long.write_text(" ".join(f"{FACTS} Part {part} ends here." for part in range(5)), encoding="utf-8")
    command = [sys.executable, "-m", "nexus", "engine", "run", *shell.options, "--context", str(long), "Hm?"]
    store = shell.home / "engine" / "contexts" / "long"
    null = subprocess.DEVNULL
    with subprocess.Popen(command, env=shell.environment, stdout=null, stderr=null) as run:
        while not named(store / "names.db"):
            assert run.poll() is None
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    prompt, cached = counts(shell.run("--context", str(long), "Hm?"))
    assert 0 < cached < prompt
    assert [path.name for path in (shell.home / "engine").glob("once-*")] == []

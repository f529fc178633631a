"""The commands that the documentation shows exist, with their options; the reference is fresh."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nexus.core.config import _OF_TESTS, _OTHER_VARIABLES, fields, variable
from tests.docs.markdown import ROOT, Found, block_lines, pages


def shown() -> list[tuple[Found, list[str]]]:
    """Every command in a fenced console or shell block: its place and its words."""
    found = []
    for page in pages():
        lines = [f for f in block_lines(page, "console") if f.text.lstrip().startswith("$ ")]
        for line in [*lines, *block_lines(page, "sh", "bash", "shell")]:
            for command in re.split(r"\||&&|;", line.text.strip().removeprefix("$ ")):
                words = shlex.split(command, comments=True)
                while words and re.match(r"\w+=", words[0]):
                    words.pop(0)
                if words:
                    found.append((line, words))
    return found


def wrong(words: list[str], root: Any) -> str:
    """Why `nexus WORDS...` cannot be typed; empty where it can."""
    command = root
    for number, word in enumerate(words):
        children = getattr(command, "commands", {})
        if word.startswith("-"):
            break
        if not children:
            break
        if word not in children:
            return f"nexus {' '.join(words[:number])} has no command {word}"
        command = children[word]
    known = {"-h", "--help"} | {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    for word in words:
        option = word.split("=")[0]
        if re.fullmatch(r"--?[A-Za-z][\w-]*", option) and option not in known:
            return f"nexus {' '.join(words)}: no option {option}"
    return ""


@pytest.fixture(scope="module")
def cli() -> Any:
    import typer.main

    from nexus.cli.main import app

    return typer.main.get_command(app)


def test_every_nexus_command_shown_exists(cli: Any) -> None:
    commands = [(place, words) for place, words in shown() if words[0].split("/")[-1] == "nexus"]
    assert commands
    problems = [f"{place}: {reason}" for place, words in commands if (reason := wrong(words[1:], cli))]
    assert problems == []


def test_every_nexus_command_that_the_program_names_exists(cli: Any) -> None:
    # In backticks, or as the beginning of a hint; what is put in when it is said ({...}) is left out.
    said = re.compile(r"`nexus ([a-z][^`{}\n]*)`|hint=f?\"nexus ([a-z][^\"{}\n]*)\"")
    named = [
        (path.relative_to(ROOT), match[1] or match[2])
        for path in sorted((ROOT / "src" / "nexus").rglob("*.py"))
        for match in said.finditer(path.read_text(encoding="utf-8"))
    ]
    assert len(named) > 50
    problems = [f"{p}: {why}" for p, text in named if (why := wrong(re.split(r"[\s;,:|]+", text), cli))]
    assert problems == []


def test_every_variable_shown_is_one_that_the_service_starts_with() -> None:
    known = {*map(variable, fields()), *_OTHER_VARIABLES}
    # Experiments have variables of their own, which no service sees.
    for page in pages("*.md", ":!experiments"):
        for name in re.findall(r"\bNEXUS_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")):
            assert name in known or name.startswith(_OF_TESTS), f"{page}: {name}"


def test_every_make_target_shown_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = [(place, words) for place, words in shown() if words[0] == "make"]
    assert asked
    assert [str(place) for place, words in asked if not targets.issuperset(words[1:])] == []


def test_every_script_shown_exists() -> None:
    asked = [(place, words[0]) for place, words in shown() if words[0].startswith("scripts/")]
    assert [str(place) for place, script in asked if not (ROOT / script).is_file()] == []


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("gen_cli_reference", "docs/reference/cli.md"),
        ("gen_sandbox_reference", "docs/reference/sandbox-python.md"),
        ("gen_man", "share/man/man1/nexus.1"),
    ],
)
def test_the_references_are_fresh(script: str, name: str) -> None:
    generator = [sys.executable, "-m", f"scripts.{script}"]
    done = subprocess.run(generator, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = ROOT / name
    assert page.is_file(), f"{name} is missing; run: make docs"
    assert page.read_text(encoding="utf-8") == done.stdout, "stale; run: make docs"


def test_a_generator_that_is_asked_for_help_writes_no_file(tmp_path: Path) -> None:
    generator = [sys.executable, "-m", "scripts.gen_man", "--help"]
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(generator, cwd=tmp_path, env=there, capture_output=True, text=True, check=True)
    assert "where the page goes" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["absent"], ["models", "absent"], ["ask", "--absent", "x"]])
def test_a_wrong_command_is_caught(cli: Any, words: list[str]) -> None:
    assert wrong(words, cli)

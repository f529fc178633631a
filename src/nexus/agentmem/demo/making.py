"""Scripts of made agents: a prompt with its own environment, tools, files read by several, a growing talk.

Files read are this product's own source; prompt and tools are its own texts; talk is made (words.py). A
pure function of the number of agents and the seed. Invariant: agents of one role have the same tools, and
nobody's talk is anybody else's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from nexus.agentmem.demo.texts import Block, Script, TextsWriter
from nexus.agentmem.demo.words import Subject
from nexus.agentmem.unit_type import UnitType

_PACKAGE = Path(__file__).resolve().parents[2]
_TURNS = 40
_LARGEST_FILE = 40_000
_NAMES = ("ada", "ben", "cleo", "dora", "emil", "finn", "gina", "hugo", "ida", "jon", "kaya", "leo", "mia")
_TOOLS = {
    "read_file": ("Read a file of the project, whole or a range of its lines.", ("path", "first", "last")),
    "edit_file": ("Replace a passage of a file. The old text must stand there once.", ("path", "old", "new")),
    "write_file": ("Write a new file. Fails where one is, so that nothing is lost.", ("path", "text")),
    "search": ("Lines that match a regular expression, with file and number.", ("pattern", "folder", "most")),
    "list_folder": ("What is in a folder, with sizes; ignored files are left out.", ("path", "depth")),
    "run": ("Run a command in a shell and give back what it prints and its status.", ("command", "seconds")),
    "run_tests": ("Run tests and give back the failures with their lines.", ("selection", "seconds")),
    "recall": ("What is known about a question, from documents and earlier sessions.", ("question", "limit")),
    "remember": ("Propose one sentence to be kept for later sessions.", ("sentence", "kind", "project")),
    "fetch": ("Read a page by its address. Follows no redirect to another host.", ("address", "limit")),
    "history": ("Commits that touched a file, newest first.", ("path", "most")),
    "ask_user": ("Ask the user one question and wait for the answer.", ("question", "choices")),
}  # fmt: skip
_USED = ("read_file", "run_tests", "edit_file")  # in the talk
_ROLES = ("developer", "reviewer", "tester", "writer")


class Source(NamedTuple):
    """A file that agents read."""

    name: str
    text: str
    lines: Sequence[str]


def sources() -> list[Source]:
    """The product's own files, in the order of their names."""
    found = []
    for path in sorted(_PACKAGE.rglob("*")):
        if path.suffix in (".py", ".md", ".js", ".html", ".css") and path.is_file():
            text = path.read_text(errors="replace")
            if 1500 <= len(text) <= _LARGEST_FILE:
                found.append(Source(str(path.relative_to(_PACKAGE)), text, text.splitlines()))
    return found


def subject(files: Sequence[Source]) -> Subject:
    """Names and files to talk about."""
    names = {name for file in files for name in re.findall(r"^(?:class|def) (\w{3,})", file.text, re.M)}
    return Subject([file.name for file in files], sorted(names))


def environment(number: int, random: Random) -> str:
    """What tells one agent's prompt from another's."""
    user = random.choice(_NAMES)
    return (
        f"<env>\nuser: {user}\nworking folder: /home/{user}/project-{number}\n"
        f"git branch: issue-{random.randrange(9000)}\nplatform: linux, {random.randrange(2, 65)} cores\n"
        f"date: 2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}\n</env>\n"
    )


def prompt(role: str, number: int, random: Random, manual: Sequence[str]) -> str:
    """A role's manual with one agent's environment a third of the way in."""
    cut = len(manual) // 3
    head = f"You are the {role} of a team of agents. Your rules follow; keep to them.\n\n"
    return (
        head + "\n".join(manual[:cut]) + "\n\n" + environment(number, random) + "\n" + "\n".join(manual[cut:])
    )


def tool(name: str) -> str:
    """A tool's definition as JSON schema."""
    description, parameters = _TOOLS[name]
    properties = {
        parameter: {"type": "integer" if parameter in ("first", "last", "most", "limit", "depth", "seconds")
                    else "string", "description": f"{parameter} of {name}: {description}"}
        for parameter in parameters
    }  # fmt: skip
    schema = {"type": "object", "properties": properties, "required": list(parameters[:1])}
    return json.dumps({"name": name, "description": description, "parameters": schema}, indent=2)


def made(agents: int, writer: TextsWriter, seed: int = 0) -> Iterator[Script]:
    """One script for each agent."""
    files = sources()
    about = subject(files)
    # A manual is the docstrings of a quarter of the product: real sentences that say how things are done.
    said = [line for file in files for line in re.findall(r'"""(.+?)(?:"""|$)', file.text, re.M)]
    manuals = {role: said[at :: len(_ROLES)][:160] for at, role in enumerate(_ROLES)}
    # Some files are read by nearly everybody, most by a few.
    weights = [1 / (1 + at % 40) for at in range(len(files))]
    for number in range(agents):
        random = Random(f"{seed} {number}")  # noqa: S311 - the same texts for a seed
        role = _ROLES[number % len(_ROLES)]
        blocks = [Block(UnitType.SYSTEM_PROMPT, writer.add(prompt(role, number, random, manuals[role])))]
        others = [name for name in _TOOLS if name not in _USED]
        tools = [*_USED, *sorted(Random(role).sample(others, 6))]  # noqa: S311
        blocks += [Block(UnitType.TOOL_DEF, writer.add(tool(name))) for name in tools]
        talk = UnitType.CONVERSATION
        for _ in range(_TURNS):
            blocks.append(Block(talk, writer.add(f"user: {about.question(random)}\n"), True, True))
            for _ in range(random.randrange(1, 3)):
                answer = f"assistant: {about.answer(random)}\n"
                blocks.append(Block(talk, writer.add(answer), True, True))
                file = random.choices(files, weights)[0]
                used = random.choices(_USED, (2, 1, 1))[0]
                call = json.dumps({"tool": used, "path": file.name, "call": f"{random.randrange(1 << 40):x}"})
                blocks.append(Block(talk, writer.add(call), True))
                if used == "read_file":
                    blocks.append(Block(UnitType.TOOL_RESULT, writer.add(file.text), True, True))
                else:
                    result = about.tests(random) if used == "run_tests" else about.change(random, file.lines)
                    blocks.append(Block(talk, writer.add(result), True, True))
        yield Script(f"{role}-{number:03}", blocks)

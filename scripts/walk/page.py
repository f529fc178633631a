"""A page of the documentation as a reader types it: console blocks, their commands, what is shown below them.

What a walk has to know and a reader must not see stands in HTML comments above a block:

    <!-- walk: needs root and a machine of one's own -->            nothing of the block is typed
    <!-- walk: `claude -p` needs a login at Anthropic -->           that command is not; a beginning is enough
    <!-- walk: `make test` is long: twelve minutes -->              only with --long
    <!-- walk: given `mkdir ~/notes` -->                            typed before the block, unseen
    <!-- walk: `FOLDER` stands for `~/notes` -->                    in the commands of the block
    <!-- walk: `nexus connect` is answered `y` -->
    <!-- walk: `nexus mcp` runs until Ctrl-C -->
    <!-- walk: `ls` is repeated until it shows this -->            for what comes after some seconds
    <!-- walk: `nexus doctor` exits 1 -->

A line that begins with `# ` is root's: it is never typed, and needs no comment. Knows nothing of shells.
Invariant: a comment that fits no command of its block is an error, as is one without a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(r"^\s*(`{3,})\s*(\w*)")
_COMMENT = re.compile(r"<!--\s*walk:\s*(.*?)\s*-->", re.DOTALL)
_QUOTED = re.compile(r"`([^`]*)`")
ROOTS = "a line of root's"


class PageError(Exception):
    """A comment or block that cannot be understood."""


@dataclass
class Command:
    """One command, where it stands, what the page shows of its output, and how it is to be typed."""

    place: str
    text: str
    shown: list[str] = field(default_factory=list)
    needs: str = ""
    long: str = ""
    answer: str = ""
    endless: bool = False
    repeated: bool = False
    status: int = 0


@dataclass
class Block:
    """Commands that stand together, and what is typed before them, unseen."""

    place: str
    given: list[str] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)


def blocks(path: Path, name: str) -> list[Block]:
    """The console blocks of a page, and those of the language sh; `name` is how the page is called."""
    found: list[Block] = []
    comments: list[str] = []
    for number, kind, text in _pieces(path.read_text(encoding="utf-8")):
        place = f"{name}:{number}"
        if kind == "comment":
            comments.append(text)
        elif kind in ("console", "sh"):
            block = Block(place)
            block.commands = list(_commands(text, name, number, kind))
            for comment in comments:
                _apply(comment, block)
            comments = []
            found.append(block)
        elif comments:
            raise PageError(f"{place}: the comment 'walk: {comments[0]}' stands above no console block")
    if comments:
        raise PageError(f"{name}: the comment 'walk: {comments[0]}' stands above no console block")
    return found


def _pieces(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, "comment" or a fence's language or "text", content) of each part; empty lines are left out."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        first = at
        fence = _FENCE.match(lines[at])
        if fence:
            at += 1
            while at < len(lines) and lines[at].strip() != fence[1]:
                at += 1
            # Empty is what has no language; a block of text all the same.
            yield first + 2, fence[2] or "plain", "\n".join(lines[first + 1 : at])
        elif "<!-- walk:" in lines[at]:
            while "-->" not in lines[at]:
                at += 1
                if at == len(lines):
                    raise PageError(f"line {first + 1}: the comment has no end")
            found = _COMMENT.search("\n".join(lines[first : at + 1]))
            if not found:
                raise PageError(f"line {first + 1}: a comment of the walk needs a line of its own")
            yield first + 1, "comment", found[1]
        elif lines[at].strip():
            yield first + 1, "text", lines[at]
        at += 1


def _commands(text: str, name: str, number: int, kind: str) -> Iterator[Command]:
    command: Command | None = None
    for line_number, line in enumerate(text.splitlines(), number):
        mine = kind == "sh" or line.startswith("$ ")
        if command and command.text.endswith("\\"):
            command.text += "\n" + line
        elif mine or line.startswith("# "):
            if command:
                yield command
            command = Command(f"{name}:{line_number}", line if kind == "sh" else line[2:])
            command.needs = "" if mine else ROOTS
        elif command:
            command.shown.append(line)
        elif line.strip():
            raise PageError(f"{name}:{line_number}: output without a command above it: {line}")
    if command:
        yield command


def _apply(comment: str, block: Block) -> None:
    quoted = _QUOTED.findall(comment)
    words = _QUOTED.sub("`", comment)
    if comment.startswith("given"):
        block.given.extend(quoted or [comment.removeprefix("given").strip()])
    elif comment.startswith("needs "):
        for command in block.commands:
            command.needs = comment.removeprefix("needs ")
    elif words.startswith("` stands for `"):
        word, stands_for = quoted
        for command in _fitting(block, comment, lambda text: re.search(rf"\b{re.escape(word)}\b", text)):
            command.text = re.sub(rf"\b{re.escape(word)}\b", lambda _: stands_for, command.text)
    else:
        for command in _fitting(block, comment, lambda text: text.startswith(quoted[0] if quoted else "\0")):
            _mark(command, comment, words, quoted)


def _fitting(block: Block, comment: str, fits: object) -> list[Command]:
    found = [command for command in block.commands if fits(command.text)]  # type: ignore[operator]
    if not found:
        raise PageError(f"{block.place}: the comment 'walk: {comment}' fits no command of its block")
    return found


def _mark(command: Command, comment: str, words: str, quoted: list[str]) -> None:
    if words.startswith("` needs "):
        command.needs = comment.partition("` needs ")[2]
    elif words.startswith("` is long: "):
        command.long = comment.partition("` is long: ")[2]
    elif words == "` is answered `":
        command.answer = quoted[1]
    elif words == "` runs until Ctrl-C":
        command.endless = True
    elif words == "` is repeated until it shows this":
        command.repeated = True
    elif exits := re.fullmatch(r"` exits (\d+)", words):
        command.status = int(exits[1])
    else:
        raise PageError(f"{command.place}: the comment 'walk: {comment}' is in no form that is known")

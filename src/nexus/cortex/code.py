"""Source code as sections: one for each definition, named by its symbol path.

Files of a language with a grammar are split by it (`grammars`); a class too long for one passage is
opened up, and its methods have its name above theirs. All others, and what no grammar makes sense of, are
split at unindented lines that look like a definition. Comments and decorators above a definition belong to
it. Knows no tokens. Invariant: sections follow the order of the lines and hold all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import pairwise
from pathlib import PurePath

from nexus.cortex import grammar_process
from nexus.cortex.grammars import Definition
from nexus.cortex.outline import Block, Section, line_spans

Mark = tuple[int, tuple[str, ...]]
"""The line where a section begins, from 0, and the path of its symbol."""

_MODIFIERS = (
    r"(?:(?:pub(?:\([a-z ]+\))?|export|default|async|static|public|private|protected|internal|"
    r"abstract|final|sealed|unsafe|const|extern(?: \"C\")?|inline|virtual|override|local|open|data|"
    r"partial|declare|macro_rules!) +)*"
)
_DEFINITION = re.compile(
    _MODIFIERS + r"(?:fn|func|function\*?|fun|def|defp|class|struct|enum|trait|interface|impl|mod|"
    r"module|namespace|type|union|record|object|protocol|extension|defmodule|message|service|"
    r"CREATE (?:TABLE|VIEW|FUNCTION|INDEX)) +"
    r"(?:<[^<>]*> *)?(?:\([^()]*\) *)?(?P<name>[A-Za-z_$][\w$.:]*(?:<[^<>]*>)?(?: for [\w:]+)?)"
)
_C_FUNCTION = re.compile(r"(?:[A-Za-z_][\w:<>,*&]* +[*&]*)+(?P<name>[A-Za-z_~][\w:~]*) ?\([^;]*$")
_ASSIGNED = re.compile(
    r"(?:export +)?(?:const|let|var) +(?P<name>[\w$]+)[^=]{0,80}= *(?:async *)?"
    r"(?:function|\([^()]*\) *(?::[^=]*)?=>|class|[\w$]+ *=>)"
)
_TABLE = re.compile(r"\[{1,2}(?P<name>[\w.\"' -]+)\]{1,2} *$")
_SHELL = re.compile(r"(?P<name>[A-Za-z_][\w-]*) *\(\) *\{?")
_LEADING = re.compile(r"(?://|#|--|/\*|\*[/ ]|\*$|@|;|%|\"\"\")")
_NO_NAMES = {"if", "for", "while", "switch", "return", "else", "catch", "sizeof"}


def sections(text: str, name: str, too_long: Callable[[int, int], bool]) -> list[Section]:
    """The definitions of a source file; `too_long(start, end)` says when a class is opened up."""
    lines = line_spans(text)
    found = _by_grammar(text, PurePath(name).suffix.lower(), lines, too_long)
    if found is None:
        found = _by_shape(text, lines)
    return _cut(text, lines, found)


def _cut(text: str, lines: list[tuple[int, int]], found: list[Mark]) -> list[Section]:
    """Sections from (first line, symbol path) marks; blank lines around each are left out."""
    marks = [(0, ()), *found] if not found or found[0][0] > 0 else found
    result: list[Section] = []
    for number, (first, path) in enumerate(marks):
        last = marks[number + 1][0] if number + 1 < len(marks) else len(lines)
        while first < last and not text[lines[first][0] : lines[first][1]].strip():
            first += 1
        while last > first and not text[lines[last - 1][0] : lines[last - 1][1]].strip():
            last -= 1
        if first < last:
            block = Block(lines[first][0], lines[last - 1][1], "code", 0.0)
            result.append(Section(path, [block]))
    return result


# ---- by grammar --------------------------------------------------------------------------------


def _by_grammar(
    text: str, suffix: str, lines: list[tuple[int, int]], too_long: Callable[[int, int], bool]
) -> list[Mark] | None:
    """Marks from the definitions of the grammar, or None when there are none to be had."""
    if "\r" in text.replace("\r\n", ""):
        return None  # a grammar does not count a lone CR as the end of a line
    findings = grammar_process.shared().find(text.removeprefix("\ufeff"), suffix)
    if findings is None or not findings.definitions or findings.definitions[-1].first >= len(lines):
        return None
    found = findings.definitions
    marks: list[Mark] = []
    end = 0
    for first, last, path in _chosen(found, text, lines, too_long):
        first = _with_comment(text, lines, first, end)
        if first > end:
            marks.append((end, path[:-1]))
        marks.append((first, path))
        end = last
    if marks and end < len(lines):
        marks.append((end, ()))
    return _with_shapes(marks, _by_shape(text, lines)) if findings.broken else marks


def _with_shapes(marks: list[Mark], shapes: list[Mark]) -> list[Mark]:
    """Where the grammar lost its way, an unindented line that looks like a definition is one too."""
    named = {line for line, path in marks if path}
    lost = {line: path for line, path in shapes if line not in named}
    merged = sorted([mark for mark in marks if mark[0] not in lost] + list(lost.items()))
    # The grammar thought that what stood there ended here: now it is what was found that goes on.
    return [mark for before, mark in pairwise([(0, ()), *merged]) if mark[1] or before[0] not in lost]


def _chosen(
    found: Sequence[Definition],
    text: str,
    lines: list[tuple[int, int]],
    too_long: Callable[[int, int], bool],
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """(first line, line after the last, path): each definition whole, or what is left of a long one
    between its own definitions."""
    open_ones: list[Definition] = []  # too long to be one passage, the innermost last
    position = 0
    for definition in found:
        while open_ones and open_ones[-1].last <= definition.first:
            position = yield from _rest(open_ones.pop(), position)
        if definition.first < position:
            continue  # inside one that is taken whole
        last = min(definition.last, len(lines))
        if open_ones:
            first = _with_comment(text, lines, definition.first, position)
            if first > position:
                yield position, first, open_ones[-1].path
                position = first
        if definition.holds and too_long(lines[definition.first][0], lines[last - 1][1]):
            open_ones.append(definition._replace(last=last))
            position = definition.first
        else:
            yield definition.first, last, definition.path
            position = last
    while open_ones:
        position = yield from _rest(open_ones.pop(), position)


def _rest(definition: Definition, position: int) -> Generator[tuple[int, int, tuple[str, ...]], None, int]:
    """The lines of an opened definition after its last inner one."""
    if position < definition.last:
        yield position, definition.last, definition.path
    return max(position, definition.last)


def _with_comment(text: str, lines: list[tuple[int, int]], first: int, lowest: int) -> int:
    """Move `first` up over the comment lines that stand directly above it."""
    while first > lowest:
        start, end = lines[first - 1]
        if not _LEADING.match(text[start:end].lstrip()[:3]):
            break
        first -= 1
    return first


# ---- by shape ----------------------------------------------------------------------------------


def _by_shape(text: str, lines: list[tuple[int, int]]) -> list[Mark]:
    marks: list[Mark] = []
    lowest = 0
    for number, (start, end) in enumerate(lines):
        if end - start < 3 or text[start] in " \t})]":
            continue
        line = text[start : min(end, start + 300)]
        name = _symbol(line)
        if name:
            marks.append((_with_comment(text, lines, number, lowest), (name,)))
            lowest = number + 1
    return marks


def _symbol(line: str) -> str:
    """What an unindented line defines, or nothing."""
    for pattern in (_DEFINITION, _ASSIGNED, _SHELL, _TABLE, _C_FUNCTION):
        match = pattern.match(line)
        if match and match["name"].split("(")[0] not in _NO_NAMES:
            return match["name"].strip()
    return ""

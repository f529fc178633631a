"""Source code as sections: one for each top-level definition, named by its symbol.

Python is split by its own grammar. Other languages, and Python that does not parse, are split at
unindented lines that look like a definition; grammars for them are a later step. Knows no tokens.
Invariant: sections follow the order of the lines and hold all of them.
"""

from __future__ import annotations

import ast
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import PurePath

from nexus.cortex.outline import Block, Section, line_spans

_PYTHON = {".py", ".pyi", ".pyw"}
# warnings.catch_warnings swaps a list that all threads share.
_WARNINGS = threading.Lock()

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
_LEADING = re.compile(r"(?://|#|--|/\*| \*|@|;|%|\"\"\")")
_NO_NAMES = {"if", "for", "while", "switch", "return", "else", "catch", "sizeof"}


def sections(text: str, name: str, too_long: Callable[[int, int], bool]) -> list[Section]:
    """The definitions of a source file; `too_long(start, end)` says when a class is opened up."""
    lines = line_spans(text)
    found: list[tuple[int, tuple[str, ...]]] | None = None
    if PurePath(name).suffix.lower() in _PYTHON:
        found = _python(text, lines, too_long)
    if found is None:
        found = _by_shape(text, lines)
    return _cut(text, lines, found)


def _cut(text: str, lines: list[tuple[int, int]], found: list[tuple[int, tuple[str, ...]]]) -> list[Section]:
    """Sections from (first line, symbol path) marks; blank lines around each are left out."""
    marks = [(0, ()), *found] if not found or found[0][0] > 0 else found
    result: list[Section] = []
    for number, (first, path) in enumerate(marks):
        last = marks[number + 1][0] if number + 1 < len(marks) else len(lines)
        kept = [i for i in range(first, last) if text[lines[i][0] : lines[i][1]].strip()]
        if kept:
            block = Block(lines[kept[0]][0], lines[kept[-1]][1], "code", 0.0)
            result.append(Section(path, [block]))
    return result


# ---- Python ------------------------------------------------------------------------------------


def _python(
    text: str, lines: list[tuple[int, int]], too_long: Callable[[int, int], bool]
) -> list[tuple[int, tuple[str, ...]]] | None:
    """Marks by the grammar, or None when the text is not Python of this version."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about invalid escapes in somebody else's file
        try:
            tree = ast.parse(text.removeprefix("\ufeff"))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    # A form feed or a line separator inside the file may count differently: then do not guess.
    if any(node.lineno > len(lines) for node in tree.body):
        return None
    marks: list[tuple[int, tuple[str, ...]]] = []
    end = 0
    for first, last, path in _definitions(tree.body, (), text, lines, too_long):
        first = _with_comment(text, lines, first, end)
        if first > end:
            marks.append((end, path[:-1]))
        marks.append((first, path))
        end = last
    if marks and end < len(lines):
        marks.append((end, ()))
    return marks


def _definitions(
    body: list[ast.stmt],
    outer: tuple[str, ...],
    text: str,
    lines: list[tuple[int, int]],
    too_long: Callable[[int, int], bool],
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """(first line, line after the last, path) of each definition, counted from 0."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
        last = min(node.end_lineno or node.lineno, len(lines))
        path = (*outer, node.name)
        if isinstance(node, ast.ClassDef) and too_long(lines[first][0], lines[last - 1][1]):
            inner = list(_definitions(node.body, path, text, lines, too_long))
            if inner:
                head_end = _with_comment(text, lines, inner[0][0], first + 1)
                if head_end > first:
                    yield first, head_end, path
                yield from inner
                if inner[-1][1] < last:
                    yield inner[-1][1], last, path
                continue
        yield first, last, path


def _with_comment(text: str, lines: list[tuple[int, int]], first: int, lowest: int) -> int:
    """Move `first` up over the comment lines that stand directly above it."""
    while first > lowest:
        start, end = lines[first - 1]
        if not _LEADING.match(text[start:end].lstrip()[:3]):
            break
        first -= 1
    return first


# ---- other languages ---------------------------------------------------------------------------


def _by_shape(text: str, lines: list[tuple[int, int]]) -> list[tuple[int, tuple[str, ...]]]:
    marks: list[tuple[int, tuple[str, ...]]] = []
    lowest = 0
    for number, (start, end) in enumerate(lines):
        if start == end or text[start] in " \t})]":
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

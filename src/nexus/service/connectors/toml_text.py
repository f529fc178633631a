"""Changes to a TOML file of somebody else: everything that is not changed keeps its bytes.

Finds where statements begin and end; what they mean is left to `tomllib`, which also checks every result.
Knows nothing of any agent. Invariant: the result is TOML and differs by exactly what was asked for.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, NamedTuple

from nexus.core.errors import InvalidInputError

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
# What a value is made of: strings of four kinds, comments, brackets, the end of a line, anything else.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[{]|[\]}]|\n|[^\n]',
    re.DOTALL,
)
_MARK = "  # put here by nexus connect"
_KEPT = "# kept by nexus connect: "


class Statement(NamedTuple):
    """A header or a pair with its lines: where they begin and end, the table it is in, and its key.

    A header's key is empty and its table the one it opens.
    """

    start: int
    end: int
    table: tuple[str, ...]
    key: tuple[str, ...]


def value(text: str, place: str) -> dict[str, Any]:
    """The document. Raises `InvalidInputError`, naming `place`, for what is not TOML."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInputError(f"{place} is not TOML: {error}", hint="mend it first") from error


def statements(text: str) -> list[Statement]:
    """Every statement of a valid document, in order."""
    at = len(text) - len(text.removeprefix("\ufeff"))
    table: tuple[str, ...] = ()
    found: list[Statement] = []
    while True:
        blank = _BLANK.match(text, at)
        assert blank is not None
        at = blank.end()
        if at == len(text):
            return found
        start = at - len(text[:at].rpartition("\n")[2].removeprefix("\ufeff"))
        end = _line_end(text, at)
        line = text[at:end]
        if line.startswith("["):
            table = _path(tomllib.loads(line))
            found.append(Statement(start, end, table, ()))
        else:
            found.append(Statement(start, end, table, _key(line)))
        at = end


def with_table(text: str, lines: list[str]) -> str:
    """`text` with a table at its end, after an empty line."""
    new = _newline(text)
    gap = "" if not text.removeprefix("\ufeff") else new if text.endswith("\n") else new * 2
    return f"{text}{gap}{new.join(lines)}{new}"


def without_table(text: str, table: tuple[str, ...], old: str | None, *, inner: bool = True) -> str:
    """`text` without a table and, with `inner`, those inside it, and the empty line before it.

    `old` is the text from before it was put in, where that is known.
    """
    for statement in reversed(statements(text)):
        if (statement.table[: len(table)] if inner else statement.table) != table:
            continue
        start, end = statement.start, statement.end
        if not statement.key:
            head = text[:start]
            last = end == len(text)
            if head.endswith(("\n\n", "\n\r\n")):
                start -= 2 if head.endswith("\r\n") else 1
            if last and old and not old.endswith("\n") and text[:start].endswith("\n"):
                start -= 2 if text[:start].endswith("\r\n") else 1
        text = text[:start] + text[end:]
    return text


def with_keys(text: str, pairs: dict[str, str]) -> str:
    """`text` with these keys at the root, values as TOML. The user's own are made comments until we leave."""
    new = _newline(text)
    for key, written in reversed(pairs.items()):
        line = f"{key} = {written}{_MARK}"
        there = _root(text, key)
        if there is None:
            begin = len(text) - len(text.removeprefix("\ufeff"))
            text = f"{text[:begin]}{line}{new}{text[begin:]}"
        elif _is_marked(text, there):
            if text[there.start : there.end].rstrip("\r\n") != line:
                text = f"{text[: there.start]}{line}{new}{text[there.end :]}"
        else:
            kept = re.sub(r"(?m)^", lambda _: _KEPT, text[there.start : there.end].rstrip("\r\n"))
            tail = text[there.start : there.end][len(text[there.start : there.end].rstrip("\r\n")) :]
            text = f"{text[: there.start]}{line}{new}{kept}{tail}{text[there.end :]}"
    return text


def without_keys(text: str, keys: tuple[str, ...]) -> str:
    """`text` without our keys at the root, and with the user's own again."""
    for key in keys:
        there = _root(text, key)
        if there is not None and _is_marked(text, there):
            text = text[: there.start] + text[there.end :]
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark)
    uncommented = re.sub(rf"(?m)^{re.escape(_KEPT)}", "", text)
    try:
        tomllib.loads(uncommented)
    except tomllib.TOMLDecodeError:
        # The user has written the key again meanwhile: then the newer one holds.
        uncommented = re.sub(rf"(?m)^{re.escape(_KEPT)}.*\r?\n?", "", text)
    return mark + uncommented


def with_pair(text: str, table: tuple[str, ...], key: str, written: str) -> str:
    """`text` with a pair in a table that has no such key, and with the table where there is none.

    The user's own value stays. Raises `InvalidInputError` where the table is written in a way that nothing
    can be added to.
    """
    known: Any = value(text, "the file")
    for name in table:
        known = known.get(name) if isinstance(known, dict) else None
    if isinstance(known, dict) and key in known:
        return text
    line = f"{key} = {written}{_MARK}"
    header = next((s for s in statements(text) if s.table == table and not s.key), None)
    if header is None:
        text = with_table(text, [f"[{'.'.join(table)}]{_MARK}", line])
    else:
        head, new = text[: header.end], _newline(text)
        text = f"{head}{'' if head.endswith(chr(10)) else new}{line}{new}{text[header.end :]}"
    try:
        tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        name = ".".join(table)
        raise InvalidInputError(
            f"{name} is written in a way that nothing can be added to", hint=f"write it as a table: [{name}]"
        ) from error
    return text


def without_pairs(text: str, table: tuple[str, ...], old: str | None) -> str:
    """`text` without our pairs in a table, and without the table where it is ours and empty then.

    `old` is the text from before they were put in, where that is known.
    """
    for statement in reversed(statements(text)):
        if statement.table == table and statement.key and _is_marked(text, statement):
            text = text[: statement.start] + text[statement.end :]
    inside = [s for s in statements(text) if s.table == table]
    header = next((s for s in inside if not s.key), None)
    if header is None or not _is_marked(text, header):
        return text
    if len(inside) == 1:
        return without_table(text, table, old, inner=False)
    # Somebody has put pairs of their own in it: then it is theirs.
    line = text[header.start : header.end]
    return text[: header.start] + line.replace(_MARK, "", 1) + text[header.end :]


def has_marked_key(text: str, key: str) -> bool:
    """Whether the root has this key and it is ours."""
    there = _root(text, key)
    return there is not None and _is_marked(text, there)


def _root(text: str, key: str) -> Statement | None:
    return next((s for s in statements(text) if s.key[:1] == (key,) and not s.table), None)


def _is_marked(text: str, statement: Statement) -> bool:
    return text[statement.start : statement.end].rstrip("\r\n").endswith(_MARK.strip())


def _line_end(text: str, at: int) -> int:
    """Behind the line break that ends the statement at `at`."""
    depth = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        assert token is not None
        at = token.end()
        if token[0] in ("[", "{"):
            depth += 1
        elif token[0] in ("]", "}"):
            depth -= 1
        elif token[0] == "\n" and depth == 0:
            break
    return at


def _key(line: str) -> tuple[str, ...]:
    at, quoted = 0, re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[^=]')
    while (match := quoted.match(line, at)) is not None:
        at = match.end()
    return _path(tomllib.loads(f"{line[:at]} = 0"))


def _path(nested: Any) -> tuple[str, ...]:
    path: list[str] = []
    while isinstance(nested, list | dict) and nested:
        if isinstance(nested, list):
            nested = nested[0]
        else:
            name, nested = next(iter(nested.items()))
            path.append(name)
    return tuple(path)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"

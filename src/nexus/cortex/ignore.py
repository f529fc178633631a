"""Which files a folder asks to leave alone: `.gitignore` as git reads it, and `.cortex/ignore`.

Rules of a deeper folder go before those above it, a later rule before an earlier one, `.cortex/ignore`
before git's. The files may come from a stranger's repository, so matching never backtracks further than
the last `*` (a regular expression made from `*a*a*a*b` can run for years) and their size is bounded.
Knows nothing of reading documents. Invariant: without such files nothing is ignored.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nexus.core.paths import PROJECT_FOLDER, find_project

MAX_BYTES = 2**20
MAX_RULES = 5000
_GIT, _OWN = ".gitignore", f"{PROJECT_FOLDER}/ignore"
_CLASSES: dict[str, Callable[[str], bool]] = {
    "alpha": str.isalpha, "digit": str.isdigit, "alnum": str.isalnum, "upper": str.isupper,
    "lower": str.islower, "space": str.isspace, "xdigit": lambda c: c in "0123456789abcdefABCDEF",
    "punct": lambda c: c.isprintable() and not c.isalnum() and not c.isspace(),
}  # fmt: skip


class _Set(NamedTuple):
    """`[a-z]`: ranges and named classes of characters, or all others."""

    others: bool
    ranges: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]

    def holds(self, character: str) -> bool:
        inside = any(low <= character <= high for low, high in self.ranges)
        inside = inside or any(_CLASSES[name](character) for name in self.classes)
        return inside != self.others


_STAR, _ANY = "*", "?"


class _Literal(str):
    """A character that stands for itself, also when it is `*` or `?`."""


_Token = str | _Set
_Segment = tuple[_Token, ...]
_MANY: _Segment = ()
"""The segment `**`: any number of folders."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line. `text` is the line as written; `segments` what it matches, split at `/`."""

    text: str
    segments: tuple[_Segment, ...]
    anchored: bool
    folders_only: bool
    keeps: bool

    def matches(self, path: str, *, folder: bool) -> bool:
        """Whether it is about `path`, relative to the folder of the rule, with `/` between names."""
        if self.folders_only and not folder:
            return False
        if not self.anchored:
            return _fits(self.segments[0] or (_STAR,), path[path.rfind("/") + 1 :])
        return _fits_path(self.segments, path.split("/"))


@dataclass(frozen=True, slots=True)
class Level:
    """The rules of one file, for everything below `folder`."""

    folder: str
    source: str
    rules: tuple[Rule, ...]

    def verdict(self, path: str, *, folder: bool) -> Rule | None:
        """The rule that decides about the absolute `path`, or None."""
        inner = path[len(self.folder) :].lstrip("/")
        for rule in reversed(self.rules):
            if rule.matches(inner, folder=folder):
                return rule
        return None


@dataclass(frozen=True, slots=True)
class Ignore:
    """All rules that hold in a folder. `problems` names the files that could not be followed."""

    git: tuple[Level, ...] = ()
    own: tuple[Level, ...] = ()
    problems: tuple[tuple[Path, str], ...] = ()

    @classmethod
    def above(cls, root: Path) -> Ignore:
        """The rules that the folders above `root` have for what is below it, up to the repository."""
        result = cls()
        absolute = Path(plain(root))
        top = next((folder for folder in (absolute, *absolute.parents) if (folder / ".git").exists()), None)
        if top is not None:
            result = result._with_file(top, top / ".git" / "info" / "exclude", own=False)
            folders = [folder for folder in absolute.parents if folder == top or top in folder.parents]
            for folder in reversed(folders):
                result = result._with_file(folder, folder / _GIT, own=False)
        project = find_project(absolute)
        if project is not None and project != absolute:
            result = result._with_file(project, project / _OWN, own=True)
        return cls(result.git, result.own, result.problems)

    def inside(self, folder: Path, names: Sequence[str]) -> Ignore:
        """The rules for the entries of `folder`, whose `names` are given."""
        result = Ignore(self.git, self.own)
        if _GIT in names:
            result = result._with_file(folder, folder / _GIT, own=False)
        if PROJECT_FOLDER in names:
            result = result._with_file(folder, folder / _OWN, own=True)
        return result

    def why(self, path: str, *, folder: bool) -> str:
        """`.gitignore: *.log` for the entry that is ignored, "" for one that is not.

        `path` is absolute. The folders above it are not looked at: nobody goes into an ignored one.
        """
        for levels in (self.own, self.git):
            for level in reversed(levels):
                rule = level.verdict(path, folder=folder)
                if rule is not None:
                    return "" if rule.keeps else f"{level.source}: {rule.text}"
        return ""

    def _with_file(self, folder: Path, file: Path, *, own: bool) -> Ignore:
        text, problem = _read(file)
        problems = (*self.problems, (file, problem)) if problem else self.problems
        rules = parse(text)
        if len(rules) > MAX_RULES:
            problems = (*problems, (file, f"only its last {MAX_RULES} rules are followed"))
            rules = rules[-MAX_RULES:]
        if not rules:
            return Ignore(self.git, self.own, problems)
        level = Level(plain(folder), _OWN if own else file.name, rules)
        if own:
            return Ignore(self.git, (*self.own, level), problems)
        return Ignore((*self.git, level), self.own, problems)


def plain(path: Path) -> str:
    """The absolute path without `..`; links are left as they are, rules are about names."""
    return os.path.normpath(path.absolute())


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of a file, in its order. A line that can match nothing is none."""
    rules = (_rule(line.removesuffix("\r")) for line in text.removeprefix("\ufeff").split("\n"))
    return tuple(rule for rule in rules if rule is not None)


def _read(file: Path) -> tuple[str, str]:
    """The text of a rule file and what is wrong with it. A link is not followed, as in git."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        return "", "" if absent else f"its rules are not followed: {error.strerror or error}"
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return "", "its rules are not followed: it is no file"
        if status.st_size > MAX_BYTES:
            return "", f"its rules are not followed: it is larger than {MAX_BYTES // 2**20} MB"
        return opened.read(MAX_BYTES).decode("utf-8", "replace"), ""


# ---- one line ----------------------------------------------------------------------------------


def _rule(line: str) -> Rule | None:
    if line.startswith("#"):
        return None
    body = _without_blanks(line)
    keeps = body.startswith("!")
    body = body.removeprefix("!") if keeps else body
    folders_only = body.endswith("/")
    body = body.removesuffix("/")
    anchored = "/" in body
    body = body.removeprefix("/")
    if not body or body.endswith("/"):
        return None
    segments = _segments(body)
    return Rule(line.strip(), segments, anchored, folders_only, keeps) if segments else None


def _without_blanks(line: str) -> str:
    """Blanks at the end do not count, unless a backslash stands before them."""
    end = len(line)
    while end and line[end - 1] == " ":
        before = line[: end - 1]
        if (len(before) - len(before.rstrip("\\"))) % 2:
            break
        end -= 1
    return line[:end]


def _segments(body: str) -> tuple[_Segment, ...]:
    """The tokens of a pattern by name, none for a pattern that git refuses too."""
    segments: list[_Segment] = []
    tokens: list[_Token] = []
    at = begin = 0
    while at <= len(body):
        character = body[at : at + 1]
        if character in ("", "/"):
            if at == begin:
                return ()
            segments.append(_MANY if body[begin:at] == "**" else tuple(tokens))
            tokens, begin, at = [], at + 1, at + 1
        elif character == "[":  # a slash inside is no border
            found = _set(body, at + 1)
            if found is None:
                return ()
            tokens.append(found[0])
            at = found[1]
        elif character == "\\":
            if at + 1 == len(body):
                return ()
            tokens.append(_Literal(body[at + 1]))
            at += 2
        else:
            token = {_STAR: _STAR, _ANY: _ANY}.get(character, _Literal(character))
            if not (token is _STAR and tokens and tokens[-1] is _STAR):  # `**` in a name is `*`
                tokens.append(token)
            at += 1
    return tuple(segments)


def _set(part: str, at: int) -> tuple[_Set, int] | None:
    others = part[at : at + 1] in ("!", "^")
    at += others
    ranges: list[tuple[str, str]] = []
    classes: list[str] = []
    first = True
    while at < len(part) and (first or part[at] != "]"):
        first = False
        if part.startswith("[:", at) and ":]" in part[at:]:
            end = part.index(":]", at)
            if part[at + 2 : end] not in _CLASSES:
                return None
            classes.append(part[at + 2 : end])
            at = end + 2
            continue
        at += part[at] == "\\"
        low, at = part[at : at + 1], at + 1
        high = low
        if part[at : at + 1] == "-" and part[at + 1 : at + 2] not in ("", "]"):
            at += 1 + (part[at + 1] == "\\")
            high, at = part[at : at + 1], at + 1
        if not low or not high:
            return None
        ranges.append((low, high))
    return (_Set(others, tuple(ranges), tuple(classes)), at + 1) if at < len(part) else None


# ---- matching ----------------------------------------------------------------------------------


def _fits(tokens: _Segment, name: str) -> bool:
    """Whether a name fits; only the last `*` is ever taken back, so it is len(name) x len(tokens)."""
    at = token = 0
    star, retry = -1, 0
    while at < len(name):
        if token < len(tokens) and tokens[token] is _STAR:
            star, retry = token, at
            token += 1
        elif token < len(tokens) and _is(tokens[token], name[at]):
            at, token = at + 1, token + 1
        elif star >= 0:
            retry += 1
            at, token = retry, star + 1
        else:
            return False
    return all(rest is _STAR for rest in tokens[token:])


def _is(token: _Token, character: str) -> bool:
    if isinstance(token, _Set):
        return token.holds(character)
    return token is _ANY or token == character


def _fits_path(segments: Sequence[_Segment], names: Sequence[str]) -> bool:
    """The same for a path: here `**` is the star, and at the end it wants one name at least."""
    at = part = 0
    many, retry = -1, 0
    while at < len(names):
        if part < len(segments) and segments[part] is _MANY:
            if part + 1 == len(segments):
                return True
            many, retry = part, at
            part += 1
        elif part < len(segments) and _fits(segments[part], names[at]):
            at, part = at + 1, part + 1
        elif many >= 0:
            retry += 1
            at, part = retry, many + 1
        else:
            return False
    return part == len(segments)

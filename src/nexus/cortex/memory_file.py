"""A memory and its file: YAML front matter in the words of seed 004, then whatever a person wrote below.

Reads what strangers may have written, so of YAML only text, whole numbers, yes and no, lists and tables
pass: no aliases, anchors or tags, no deep nesting, at most 256 KiB. Knows nothing of folders. Invariant:
what `render` writes, `parse` reads as the same memory; on a rewrite the keys it does not know and the
notes below are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from nexus.core import clock
from nexus.core.errors import InvalidInputError

MemoryType = Literal["factual", "experiential", "procedural"]
Domain = Literal["AUTH", "UI", "API", "DB", "TEST", "DEV", "GENERAL"]
Confidence = Literal["high", "medium", "low"]
MAX_FILE_BYTES = 256 * 1024
ID = re.compile(r"MEM(?:-[A-Za-z0-9]{1,32}){1,8}")
_MAX_CHARS = 4000
# Memories up to this size are not read from YAML again while their bytes are the same: 4 MiB at the most.
_USUAL_BYTES, _MOST_KEPT = 4096, 1024
_MAX_DEPTH = 8
_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?\n)---[ \t]*\r?(?:\n|\Z)", re.DOTALL)
# Found out or counted elsewhere: a file is not rewritten for being read.
_NOT_IN_FILE = ("retrieval_count", "contradicts")

# Words that place a memory in one of seed 004's domains. First match in this order wins.
_DOMAIN_WORDS: dict[Domain, frozenset[str]] = {
    "DB": frozenset("database db postgres postgresql mysql sqlite redis sql table migration query".split()),
    "AUTH": frozenset("auth login password oauth jwt token session permission role sso".split()),
    "TEST": frozenset("test tests pytest unittest fixture coverage mock assert".split()),
    "API": frozenset("api endpoint route request response http rest graphql grpc webhook".split()),
    "UI": frozenset("ui css html button page layout frontend component dashboard browser".split()),
    "DEV": frozenset("build deploy ci docker compiler install git branch release lint server port".split()),
}
_STOP = frozenset(
    "a an and are as at be but by can do does for from has have how i if in is it its my not of on or our"
    " should so that the their them then there this to up use used uses was we what when where which who"
    " will with you your always never must".split()
)


@dataclass(frozen=True, slots=True)
class Memory:
    """One learning. Field names are the schema of seed 004 and what came to it.

    `valid_from` and `valid_to` are ISO times, empty for no bound. `supersedes` are the memories this
    one took the place of, `session` and `words` say where it was said and how. Not in the file:
    `retrieval_count`, which the ledger keeps, and `contradicts`, which storing it found out.
    """

    id: str
    learning: str
    type: MemoryType = "factual"
    domain: Domain = "GENERAL"
    confidence: Confidence = "high"
    keywords: tuple[str, ...] = ()
    context: str = ""
    verified: bool = True
    created: str = ""
    updated: str = ""
    project: str = ""
    source: str = "user"
    supersedes: tuple[str, ...] = ()
    valid_from: str = ""
    valid_to: str = ""
    session: str = ""
    words: str = ""
    contradicts: tuple[str, ...] = field(default=(), compare=False)
    retrieval_count: int = field(default=0, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def valid_at(self, moment: datetime) -> bool:
        """Whether it holds at `moment` (valid_from <= moment < valid_to)."""
        now = int(moment.timestamp())
        return seconds(self.valid_from, now) <= now < seconds(self.valid_to, now + 1)


_IN_FILE = set(Memory.__slots__) - set(_NOT_IN_FILE)


class _Dumper(yaml.SafeDumper):
    """YAML that gives back every character."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # The rarer line breaks of Unicode become plain ones unless they are escaped, in double quotes.
    style = '"' if any(c in text for c in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads text, yes and no, null and short whole numbers; all else stays text as it was written."""


# YAML's own numbers and dates would turn `1.10` into 1.1 and cost minutes on a million digits.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag.endswith((":bool", ":null"))]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"(?:0|-?[1-9][0-9]{0,15})\Z"), list("-0123456789")
)


@dataclass(frozen=True, slots=True)
class Remainder:
    """What a file of a memory holds beside the memory."""

    extra: dict[Any, Any] = field(default_factory=dict)
    notes: str = ""


def render(memory: Memory, rest: Remainder | None = None) -> str:
    """The file content of a memory."""
    rest = rest or Remainder()
    header = {name: value for name, value in memory.as_dict().items() if name not in _NOT_IN_FILE}
    header.update(rest.extra)
    text = yaml.dump(header, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---\n{rest.notes}"


def parse(path: Path) -> Memory:
    """Read a memory file. Raises `InvalidInputError` naming the file and what is wrong."""
    return parse_bytes(read_bytes(path), path)


def parse_bytes(data: bytes, path: Path) -> Memory:
    """Read the content of the memory file `path`. Raises as `parse` does."""
    return _parsed_before(data, path) if len(data) <= _USUAL_BYTES else _parsed(data, path)


def _parsed(data: bytes, path: Path) -> Memory:
    return _from_header(_header(data, path)[0], path, lambda what: _wrong(path, what))


# The same bytes are the same memory: a list of all of them is asked for again and again.
_parsed_before = lru_cache(maxsize=_MOST_KEPT)(_parsed)


def drop_parsed() -> None:
    """Keep no memory in this process's own memory: one was forgotten."""
    _parsed_before.cache_clear()


def remainder(path: Path) -> Remainder:
    """What must survive when the memory in this file is written anew. Raises as `parse` does."""
    header, notes = _header(read_bytes(path), path)
    return Remainder({k: v for k, v in header.items() if k not in _IN_FILE}, notes)


def _wrong(path: Path, what: str) -> InvalidInputError:
    return InvalidInputError(f"{path}: {what}", hint="mend the file or delete it")


def read_bytes(path: Path) -> bytes:
    """The content of a memory file, never more than one byte above the limit. Raises as `parse` does."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error}") from error


def _header(data: bytes, path: Path) -> tuple[dict[Any, Any], str]:
    """The front matter and the notes below it."""
    if len(data) > MAX_FILE_BYTES:
        raise _wrong(path, f"larger than {MAX_FILE_BYTES} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _wrong(path, f"cannot be read: {error}") from error
    match = _FRONT_MATTER.match(text)
    if match is None:
        raise _wrong(path, "has no front matter between two lines of ---")
    try:
        _refuse_tricks(match[1], path)
        header = yaml.load(match[1], Loader=_Loader)  # noqa: S506 - a SafeLoader with fewer types
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _wrong(path, f"front matter is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(header, dict):
        raise _wrong(path, "front matter is not a table")
    if any("\ud800" <= c <= "\udfff" for c in str(header)):
        raise _wrong(path, "holds a lone surrogate, which is not Unicode text")
    return header, text[match.end() :]


def _refuse_tricks(text: str, path: Path) -> None:
    """Aliases grow a few bytes into gigabytes, tags name types, nesting ends in the stack; none is needed."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _wrong(path, "uses a YAML alias")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise _wrong(path, f"uses the YAML tag {tag}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _wrong(path, f"front matter is nested deeper than {_MAX_DEPTH}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _from_header(header: dict[Any, Any], path: Path, wrong: Callable[[str], InvalidInputError]) -> Memory:
    if header.get("id") != path.stem:
        raise wrong(f"id is {header.get('id')!r}, the file name says {path.stem!r}")
    for name, allowed in (("type", MemoryType), ("domain", Domain), ("confidence", Confidence)):
        if name in header and header[name] not in get_args(allowed):
            raise wrong(f"{name} is {header[name]!r}, allowed: {', '.join(get_args(allowed))}")
    if not isinstance(header.get("learning"), str):
        raise wrong("learning is missing or not text")

    def word(name: str, default: str) -> Any:
        value = header.get(name)
        if isinstance(value, (list, dict)):
            raise wrong(f"{name} is not text")
        return default if value is None else str(value)

    def words(name: str) -> tuple[str, ...]:
        value = header.get(name, [])
        if not isinstance(value, list):
            raise wrong(f"{name} is not a list")
        return tuple(str(item) for item in value)

    try:
        learning = check_learning(header["learning"])
        bounds = [clock.iso(moment(t)) if (t := word(n, "")) else "" for n in ("valid_from", "valid_to")]
    except InvalidInputError as error:
        raise wrong(error.message) from error
    return Memory(
        id=path.stem,
        learning=learning,
        type=word("type", "factual"),
        domain=word("domain", "GENERAL"),
        confidence=word("confidence", "medium"),
        keywords=words("keywords"),
        context=word("context", ""),
        verified=header.get("verified") is True,
        created=word("created", ""),
        updated=word("updated", ""),
        project=word("project", ""),
        source=word("source", "file"),
        supersedes=words("supersedes"),
        valid_from=bounds[0],
        valid_to=bounds[1],
        session=word("session", ""),
        words=word("words", ""),
    )


def moment(text: str) -> datetime:
    """An ISO date or time; UTC where it names no zone. Raises `InvalidInputError`."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f"{text!r} is not a time", hint="write 2026-11-20 or 2026-11-20T06:05:11Z"
        ) from None


def seconds(text: str, default: int) -> int:
    """Unix seconds of a time of a memory; `default` for an empty one."""
    return int(moment(text).timestamp()) if text else default


def check_learning(text: str) -> str:
    """The text to remember, trimmed. Raises `InvalidInputError` when empty or too long."""
    text = text.strip()
    if not text:
        raise InvalidInputError("there is nothing to remember: the text is empty")
    if len(text) > _MAX_CHARS:
        raise InvalidInputError(
            f"the text has {len(text)} characters, a memory at most {_MAX_CHARS}",
            hint="put it in a file and `nexus add` that",
        )
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise InvalidInputError("the text holds a lone surrogate, which is not Unicode text")
    return text


def keywords(text: str, limit: int = 8) -> list[str]:
    """The first telling words of `text`, lower case, in order."""
    words = ("".join(c if c.isalnum() or c in "_-." else " " for c in text.lower())).split()
    telling = [w.strip("-._") for w in words]
    return list(dict.fromkeys(w for w in telling if len(w) > 1 and w not in _STOP))[:limit]


def domain_of(words: list[str]) -> Domain:
    """Seed 004's domain of a text with these keywords."""
    return next((d for d, telling in _DOMAIN_WORDS.items() if telling & set(words)), "GENERAL")

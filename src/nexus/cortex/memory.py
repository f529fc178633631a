"""The memory store: one markdown file a memory, front matter as in seed 004.

The files are the truth; a person may read, edit and commit them. Writes are atomic and durable before
they return. Knows nothing of indexes. A file that cannot be read is reported, never guessed at.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from nexus.core import atomic, clock, ids
from nexus.core.errors import InvalidInputError, NotFoundError

MemoryType = Literal["factual", "experiential", "procedural"]
Domain = Literal["AUTH", "UI", "API", "DB", "TEST", "DEV", "GENERAL"]
Confidence = Literal["high", "medium", "low"]
_MAX_CHARS = 4000
_MAX_FILE_BYTES = 256 * 1024
_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?\n)---[ \t]*\r?(?:\n|\Z)", re.DOTALL)

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
    """One learning. Field names are the schema of seed 004."""

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
    retrieval_count: int = field(default=0, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "keywords": list(self.keywords)}


class _Dumper(yaml.SafeDumper):
    """YAML that gives back every character."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # The rarer line breaks of Unicode become plain ones unless they are escaped, in double quotes.
    style = '"' if any(c in text for c in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


class MemoryStore:
    """The memories in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def path(self, memory_id: str) -> Path:
        """The file of a memory. Raises `InvalidInputError` for what is not an id."""
        if not memory_id.startswith("MEM-") or not memory_id.replace("-", "").isalnum():
            raise InvalidInputError(f"{memory_id!r} is not a memory id", hint="see `nexus memories list`")
        return self.folder / f"{memory_id}.md"

    def add(self, learning: str, **fields: Any) -> Memory:
        """Store a new memory, durable on return. Raises `InvalidInputError`, `StorageError`."""
        learning = check_learning(learning)
        words = keywords(learning)
        stamp = clock.iso(clock.now())
        with self._lock:
            day = clock.now().date()
            number = 1 + sum(1 for _ in self.folder.glob(f"MEM-{day.isoformat()}-*.md"))
            memory = Memory(
                id=ids.memory_id(day, number),
                learning=learning,
                domain=fields.pop("domain", None) or domain_of(words),
                keywords=tuple(words),
                created=stamp,
                updated=stamp,
                **fields,
            )
            self._write(memory)
        return memory

    def get(self, memory_id: str) -> Memory:
        """Raises `NotFoundError`, or `InvalidInputError` when the file is damaged."""
        path = self.path(memory_id)
        if not path.is_file():
            raise NotFoundError(f"no memory {memory_id}", hint="see `nexus memories list`")
        return parse(path)

    def update(self, memory_id: str, **changes: Any) -> Memory:
        """Change fields of a memory, durable on return."""
        with self._lock:
            old = self.get(memory_id)
            if "learning" in changes:
                changes["learning"] = check_learning(changes["learning"])
                changes["keywords"] = tuple(keywords(changes["learning"]))
            memory = replace(old, **changes, updated=clock.iso(clock.now()))
            text = self.path(memory_id).read_text(encoding="utf-8")
            match = _FRONT_MATTER.match(text)
            # What a person wrote below the front matter is not ours to lose.
            self._write(memory, notes=text[match.end() :] if match else "")
        return memory

    def remove(self, memory_id: str) -> None:
        """Delete, durable on return. Raises `NotFoundError`."""
        with self._lock:
            if not atomic.remove(self.path(memory_id)):
                raise NotFoundError(f"no memory {memory_id}", hint="see `nexus memories list`")

    def files(self) -> Iterator[Path]:
        """Every memory file, oldest id first."""
        yield from sorted(self.folder.glob("MEM-*.md"))

    def sweep(self) -> None:
        """Remove what a killed process left of a write; for the only process that writes here."""
        for path in self.folder.glob(".MEM-*.tmp"):
            atomic.remove(path)

    def _write(self, memory: Memory, notes: str = "") -> None:
        atomic.write_text(self.path(memory.id), render(memory) + notes)


def render(memory: Memory) -> str:
    """The file content of a memory."""
    header = memory.as_dict()
    del header["retrieval_count"]  # counted in the ledger: a file is not rewritten for being read
    text = yaml.dump(header, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---\n"


def parse(path: Path) -> Memory:
    """Read a memory file. Raises `InvalidInputError` naming the file and what is wrong."""

    def wrong(what: str) -> InvalidInputError:
        return InvalidInputError(f"{path}: {what}", hint="mend the file or delete it")

    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise wrong(f"larger than {_MAX_FILE_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"cannot be read: {error}") from error
    match = _FRONT_MATTER.match(text)
    if match is None:
        raise wrong("has no front matter between two lines of ---")
    try:
        # YAML aliases can grow a few bytes into gigabytes; a memory needs none.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(match[1])):
            raise wrong("uses a YAML alias")
        header = yaml.safe_load(match[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise wrong(f"front matter is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(header, dict):
        raise wrong("front matter is not a table")
    return _from_header(header, path, wrong)


def _from_header(header: dict[Any, Any], path: Path, wrong: Any) -> Memory:
    if header.get("id") != path.stem:
        raise wrong(f"id is {header.get('id')!r}, the file name says {path.stem!r}")
    for name, allowed in (("type", MemoryType), ("domain", Domain), ("confidence", Confidence)):
        if name in header and header[name] not in get_args(allowed):
            raise wrong(f"{name} is {header[name]!r}, allowed: {', '.join(get_args(allowed))}")
    if not isinstance(header.get("learning"), str):
        raise wrong("learning is missing or not text")
    words = header.get("keywords", [])
    if not isinstance(words, list):
        raise wrong("keywords is not a list")

    def word(name: str, default: str) -> Any:
        return str(header.get(name, default))

    return Memory(
        id=path.stem,
        learning=check_learning(header["learning"]),
        type=word("type", "factual"),
        domain=word("domain", "GENERAL"),
        confidence=word("confidence", "medium"),
        keywords=tuple(str(w) for w in words),
        context=word("context", ""),
        verified=header.get("verified") is True,
        created=word("created", ""),
        updated=word("updated", ""),
        project=word("project", ""),
        source=word("source", "file"),
    )


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

"""Memories out of the store and in again: a folder of their files, or one file of JSON lines.

Knows the two forms, not the store. Invariant: a memory that went out comes in with the same id and
fields; whatever cannot be read is named with its reason, and the rest is read all the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nexus.core import atomic
from nexus.core.errors import InvalidInputError, NotFoundError, StorageError
from nexus.cortex.memory_file import MAX_FILE_BYTES, Memory, parse_bytes, read_bytes, render

_LINES = ".jsonl"
_NOT_OUT = ("contradicts", "retrieval_count")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: ids added, ids that were there already, and what was not taken."""

    added: tuple[str, ...]
    unchanged: tuple[str, ...]
    problems: tuple[str, ...]


def write(memories: Sequence[tuple[Memory, Path]], target: Path) -> int:
    """Write memories, each given with its file, to the folder `target`, or to the file where it ends in
    .jsonl. Returns how many.

    A folder is made where it is missing, also that of a file; files in it of the same name are replaced.
    Raises `StorageError`.
    """
    folder = target.parent if target.suffix == _LINES else target
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError.from_os(error, folder) from error
    if target.suffix == _LINES:
        atomic.write_text(target, "".join(_line(memory) + "\n" for memory, _ in memories))
        return len(memories)
    for memory, path in memories:
        try:
            atomic.write_bytes(target / f"{memory.id}.md", path.read_bytes())
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}") from error
    return len(memories)


def read(source: Path) -> tuple[list[tuple[Memory, bytes]], list[str]]:
    """The memories in a folder, a memory file or a file of JSON lines, each with the content of a file
    for it, and what could not be read.

    Raises `NotFoundError`.
    """
    if not source.exists():
        raise NotFoundError(f"{source} does not exist", hint="name a folder or a .jsonl file")
    if source.suffix == _LINES and source.is_file():
        return _read_lines(source)
    found: list[tuple[Memory, bytes]] = []
    problems: list[str] = []
    for path in sorted(source.glob("MEM-*.md")) if source.is_dir() else [source]:
        try:
            data = read_bytes(path)
            found.append((parse_bytes(data, path), data))
        except InvalidInputError as error:
            problems.append(error.message)
    return found, problems


def _line(memory: Memory) -> str:
    values = {name: value for name, value in memory.as_dict().items() if name not in _NOT_OUT}
    return json.dumps(values, ensure_ascii=False)


def _read_lines(source: Path) -> tuple[list[tuple[Memory, bytes]], list[str]]:
    found: list[tuple[Memory, bytes]] = []
    problems: list[str] = []
    with source.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_FILE_BYTES + 1), b""), 1):
            place = f"{source}:{number}"
            if len(line) > MAX_FILE_BYTES:
                # What follows is the middle of this line, not the next one.
                problems.append(f"{place}: longer than {MAX_FILE_BYTES} bytes; nothing after it was read")
                break
            if not line.strip():
                continue
            try:
                values = json.loads(line)
                if not isinstance(values, dict):
                    raise ValueError("not a JSON object")
                memory = _from_values(values)
                found.append((memory, render(memory).encode()))
            except (ValueError, RecursionError, yaml.YAMLError) as error:
                problems.append(f"{place}: {error}")
            except InvalidInputError as error:
                problems.append(f"{place}: {error.message}")
    return found, problems


def _from_values(values: dict[str, Any]) -> Memory:
    # Through the file's own form, so that one reader decides what a memory may hold.
    name = Path(f"{values.get('id')}.md")
    text = yaml.safe_dump(values, allow_unicode=False, sort_keys=False)
    return parse_bytes(f"---\n{text}---\n".encode(), name)

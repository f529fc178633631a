"""Reads the `.cortex` folder that travels with a project: text from strangers, until the user says otherwise.

Only `memories/*.md`, `config.toml` and `ignore` are looked into; every other thing is named and left
alone. Knows nothing of approvals or indexes. Invariants: no link is followed and nothing outside the
folder is opened; no file above 256 KiB is read; nothing read here is `verified`, and what the words say to
do is not done.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nexus.core import ids
from nexus.core.errors import InvalidInputError, NexusError
from nexus.core.paths import PROJECT_FOLDER
from nexus.cortex import secrets
from nexus.cortex.memory_file import ID, MAX_FILE_BYTES, Memory, parse_bytes

FOLDER = "memories"
SOURCE = "project"
MAX_FILES = 5000
MAX_BYTES = 32 * 2**20
_TEXTS = ("config.toml", "ignore", ".gitignore")
# Characters that show one text to a person and another to a machine: directions switched by hand, and
# signs without a shape. Words that merely run from right to left hold none of them.
_HIDDEN = frozenset(
    chr(c)
    for c in (
        *range(0x00, 0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0),
        0x200B, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProjectMemory:
    """A memory of a project; `sha256` is the content of its file, which is what gets approved."""

    memory: Memory
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the folder that was not used, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ProjectScan:
    """What a project's folder holds, by name."""

    memories: tuple[ProjectMemory, ...]
    problems: tuple[Problem, ...]


class _RefusedError(NexusError):
    """Why an entry is left alone."""


def scan_project(project: Path) -> ProjectScan:
    """Read the memories of the project in this folder. Raises nothing for anything it may hold."""
    problems: list[Problem] = []
    folder = project / PROJECT_FOLDER
    found: list[ProjectMemory] = []
    try:
        names = _names(folder)
    except _RefusedError as refusal:
        return ProjectScan((), (Problem(display(folder), refusal.message),))
    for name in names:
        path = folder / name
        try:
            if name == FOLDER:
                found = _memories(path, project, problems)
            elif name in _TEXTS:
                _check_text(name, read_bounded(path))
            else:
                problems.append(Problem(display(path), "not looked into: only text is read from a project"))
        except _RefusedError as refusal:
            problems.append(Problem(display(path), refusal.message))
    return ProjectScan(tuple(found), tuple(problems))


def read_project_memory(project: Path, path: Path) -> ProjectMemory:
    """One memory of a project. Raises `InvalidInputError` saying why it cannot be used."""
    try:
        for above in (project / PROJECT_FOLDER, project / PROJECT_FOLDER / FOLDER):
            _check_folder(above)
        return _memory(path, project, read_bounded(path))
    except _RefusedError as refusal:
        raise InvalidInputError(f"{display(path)}: {refusal.message}", hint="mend or delete it") from None


def shared_folder(project: Path) -> Path:
    """The folder for memories to share, made where it is missing. Raises `InvalidInputError`, `OSError`.

    A repository could have made it a link to anywhere; then nothing is written.
    """
    if not project.is_dir():
        raise InvalidInputError(f"{project} is not a folder", hint="name the project's folder")
    folder = project / PROJECT_FOLDER / FOLDER
    for part in (folder.parent, folder):
        if not os.path.lexists(part):
            part.mkdir()
        try:
            _check_folder(part)
        except _RefusedError as refusal:
            raise InvalidInputError(f"{part}: {refusal.message}", hint="delete it and try again") from None
    return folder


def display(path: Path) -> str:
    """A name from a stranger as text that can be printed and stored."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def read_bounded(path: Path) -> bytes:
    """The bytes of a regular file that is no link. Raises `_RefusedError`; waits on no pipe or device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "a link, which is not followed" if path.is_symlink() else f"cannot be read: {error.strerror}"
        raise _RefusedError(reason) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _RefusedError("not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise _RefusedError(f"{status.st_size} bytes; more than {MAX_FILE_BYTES} are not read")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _RefusedError(f"cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(data) > MAX_FILE_BYTES:
        raise _RefusedError(f"more than {MAX_FILE_BYTES} bytes are not read")
    return data


def _check_folder(folder: Path) -> None:
    try:
        mode = folder.lstat().st_mode
    except OSError as error:
        raise _RefusedError(f"cannot be read: {error.strerror}") from error
    if stat.S_ISLNK(mode):
        raise _RefusedError("a link, which is not followed")
    if not stat.S_ISDIR(mode):
        raise _RefusedError("not a folder")


def _names(folder: Path) -> list[str]:
    """The names in a folder that is no link; none where it does not exist."""
    if not os.path.lexists(folder):
        return []
    _check_folder(folder)
    names: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.append(entry.name)
                if len(names) > MAX_FILES:
                    raise _RefusedError(f"holds more than {MAX_FILES} files; none of them is read")
    except OSError as error:
        raise _RefusedError(f"cannot be read: {error.strerror}") from error
    return sorted(names)


def _memories(folder: Path, project: Path, problems: list[Problem]) -> list[ProjectMemory]:
    found: list[ProjectMemory] = []
    total = 0
    for name in _names(folder):
        path = folder / name
        try:
            if not (name.endswith(".md") and ID.fullmatch(name.removesuffix(".md"))):
                raise _RefusedError("not read: the file of a memory has its id as name, MEM-....md")
            if total > MAX_BYTES:
                raise _RefusedError(f"not read: the memories before it hold {MAX_BYTES} bytes already")
            data = read_bounded(path)
            total += len(data)
            found.append(_memory(path, project, data))
        except _RefusedError as refusal:
            problems.append(Problem(display(path), refusal.message))
    return found


def _memory(path: Path, project: Path, data: bytes) -> ProjectMemory:
    try:
        memory = parse_bytes(data, path)
    except InvalidInputError as error:
        raise _RefusedError(error.message.removeprefix(f"{path}: ")) from error
    # Who wrote it, in which session and whether it was checked is not for a stranger to say.
    memory = replace(
        memory, verified=False, source=SOURCE, project=str(project), session="", words="", supersedes=()
    )
    texts = (memory.learning, memory.context, *memory.keywords)
    _check_visible(*texts)
    for text in texts:
        for finding in secrets.find(text):
            raise _RefusedError(f"holds a credential ({finding.kind})")
    return ProjectMemory(memory, path, ids.content_hash(data))


def _check_visible(*texts: str) -> None:
    for text in texts:
        hidden = next((c for c in text if c in _HIDDEN), "")
        if hidden:
            raise _RefusedError(f"holds the invisible character U+{ord(hidden):04X}")


def _check_text(name: str, data: bytes) -> None:
    readers: dict[str, Callable[[str], object]] = {"config.toml": tomllib.loads}
    try:
        readers.get(name, str)(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _RefusedError(f"not used: {str(error).splitlines()[0]}") from error

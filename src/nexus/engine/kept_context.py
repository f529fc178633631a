"""A long text that a model has read once and that stays on the disk, to be asked about at any time.

The text is the beginning of every question's prompt, so the engine finds its blocks again by themselves;
here is only where they lie and what they are. Does not compute. Invariants: a context belongs to one
model file and one text; a text that has changed is another context and is read anew; nothing outside the
folder of contexts is touched.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from nexus.core.atomic import write_text
from nexus.core.errors import BusyError, InvalidInputError, NotFoundError, StorageError
from nexus.engine.base import ChatMessage

_FACTS = "context.json"
_BLOCKS = "blocks"  # of the engine's store, which locks it
_NAME = re.compile(r"\w[\w.-]{0,99}")
_SWEPT = "once-"
_INSTRUCTION = (
    "Answer from the text below. Say what the text says, in few words, and say so when it does not say it."
)


@dataclass(frozen=True, slots=True)
class KeptContext:
    """Its name, the model that read it, its source, and the folder of its store."""

    name: str
    model: str
    source: str
    sha256: str
    characters: int
    folder: Path

    @property
    def disk_bytes(self) -> int:
        """What its store takes."""
        total = 0
        with os.scandir(self.folder) as files:
            for file in files:
                with suppress(FileNotFoundError):  # the database's own files come and go
                    total += file.stat().st_blocks * 512
        return total

    def facts(self) -> dict[str, object]:
        """For people and JSON."""
        return {**asdict(self), "folder": str(self.folder), "disk_bytes": self.disk_bytes}


def read_text(path: Path) -> str:
    """The text of a file. Raises `InvalidInputError` for what is no text, `NotFoundError`, `StorageError`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}") from error
    except OSError as error:
        raise StorageError.from_os(error, path) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{path} is not UTF-8 text (byte {error.start})", hint="convert it to text first"
        ) from error
    if not text.strip():
        raise InvalidInputError(f"{path} holds no text")
    return text


def prepare(root: Path, source: Path, text: str, model: str, name: str = "") -> KeptContext:
    """The context for this text and model below `root`, made where there is none yet.

    Raises `InvalidInputError` where the name is taken by another text.
    """
    name = name or re.sub(r"[^\w.-]+", "-", source.stem).strip("-.")[:100] or "text"
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"a context cannot be called {name!r}", hint="use letters, digits, . _ -")
    digest = hashlib.sha256(text.encode()).hexdigest()
    wanted = KeptContext(name, model, str(source.resolve()), digest, len(text), root / name)
    try:
        there = find(root, name)
    except NotFoundError:
        try:
            wanted.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            facts = {key: value for key, value in asdict(wanted).items() if key != "folder"}
            write_text(wanted.folder / _FACTS, json.dumps(facts, indent=1))
        except OSError as error:
            raise StorageError.from_os(error, wanted.folder) from error
        return wanted
    if (there.sha256, there.model) != (digest, model):
        what = "another model" if there.sha256 == digest else "another text, or this one before it changed"
        raise InvalidInputError(
            f"the context {name!r} is of {what} ({there.source}, {there.model})",
            hint=f"give this one a --name, or forget that one: nexus engine forget {name}",
        )
    return there


def find(root: Path, name: str) -> KeptContext:
    """The context of this name. Raises `NotFoundError`, `StorageError` where it is damaged."""
    folder = _folder(root, name)
    try:
        facts = json.loads((folder / _FACTS).read_text())
        return KeptContext(**{**facts, "name": name}, folder=folder)
    except FileNotFoundError as error:
        raise _unknown(name) from error
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(
            f"{folder / _FACTS} cannot be read: {error}",
            hint=f"take the context off the disk: nexus engine forget {name}",
        ) from error


def kept(root: Path) -> list[KeptContext]:
    """All contexts, by name. Raises `StorageError` naming a damaged one."""
    return [find(root, name) for name in sorted(path.parent.name for path in root.glob(f"*/{_FACTS}"))]


def forget(root: Path, name: str) -> None:
    """Take it off the disk. Raises `NotFoundError`, `StorageError`, `BusyError` while a process has it."""
    folder = _folder(root, name)
    if not folder.is_dir():
        raise _unknown(name)
    try:
        if _in_use(folder):
            raise BusyError(f"the context {name!r} is in use", hint="end the conversation about it first")
        shutil.rmtree(folder)
    except OSError as error:
        raise StorageError.from_os(error, folder) from error


@contextmanager
def passing(root: Path) -> Iterator[Path]:
    """A folder below `root` for a store that goes with this process; those of killed ones go now.

    Raises `StorageError`.
    """
    folder = root / f"{_SWEPT}{os.getpid()}"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in root.glob(f"{_SWEPT}*"):
            process = left.name.removeprefix(_SWEPT)
            if not (process.isdecimal() and psutil.pid_exists(int(process))):
                shutil.rmtree(left, ignore_errors=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError.from_os(error, folder) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder(root: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise _unknown(name)
    return root / name


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"no context {name!r}", hint="nexus engine contexts lists them")


def _in_use(folder: Path) -> bool:
    """Whether a worker has the store open."""
    try:
        with (folder / _BLOCKS).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def messages(title: str, text: str, turns: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The chat about a text: the text comes first, so that all questions begin alike."""
    return [ChatMessage("system", f"{_INSTRUCTION}\n\n# {title}\n\n{text}"), *turns]

"""Where agents keep their sessions, and which reader understands a file.

Finds transcripts of Claude Code and Codex, tells one from any other file by what is in it, opens it
safely and has it read. Knows no format by itself. Invariant: it opens regular files only and never
follows a link in the last part of a path; a file of more than `MAX_BYTES` is refused, not cut.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from nexus.core.errors import InvalidInputError, NotFoundError, StorageError
from nexus.cortex import secrets
from nexus.cortex.transcripts import chat_log, claude_code, codex, specstory
from nexus.cortex.transcripts.transcript import Transcript

Client = Literal["claude-code", "codex"]
CLIENTS: tuple[Client, ...] = get_args(Client)
Form = Literal["claude-code", "codex", "specstory", "chat"]

MAX_BYTES = 256 * 2**20
_HEAD = 64 * 1024
_OPENING = re.compile(
    rb'\{\s*(?:"timestamp"\s*:\s*"[^"]*"\s*,\s*(?:"ordinal"\s*:\s*\d+\s*,\s*)?'
    rb'(?P<codex>"type"\s*:\s*"session_meta")|"parentUuid"\s*:\s*(?:null|"[\w-]*")\s*,\s*"isSidechain")'
)
_FOLDERS: dict[Client, tuple[str, str, str]] = {
    "claude-code": ("CLAUDE_CONFIG_DIR", ".claude", "projects"),
    "codex": ("CODEX_HOME", ".codex", "sessions"),
}


def sessions_folder(client: Client, home: Path, env: Mapping[str, str] = os.environ) -> Path:
    """The folder in which a client keeps its sessions. It need not exist."""
    variable, usual, inner = _FOLDERS[client]
    base = env.get(variable, "")
    return (Path(base).expanduser() if base else home / usual) / inner


def find_sessions(
    home: Path, clients: Sequence[Client] = CLIENTS, env: Mapping[str, str] = os.environ
) -> list[Path]:
    """The session files of these clients, oldest first. Sub-agents' own files are left out: what they
    found is in the session that asked for it. Folders that cannot be read are as good as empty."""
    found: list[tuple[int, str]] = []
    for client in clients:
        for path in _below(sessions_folder(client, home, env)):
            ours = (
                path.name.startswith("rollout-") if client == "codex" else not path.name.startswith("agent-")
            )
            if not ours or path.suffix != ".jsonl" or "subagents" in path.parts:
                continue
            try:
                status = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size:
                found.append((status.st_mtime_ns, str(path)))
    return [Path(name) for _, name in sorted(found)]


def is_transcript(path: Path) -> bool:
    """Whether a file holds a session in a form that is understood, by its name and its beginning."""
    if path.suffix.lower() not in (".jsonl", ".md", ".json"):
        return False
    try:
        descriptor, _ = _opened(path)
    except (InvalidInputError, NotFoundError, StorageError):
        return False
    with os.fdopen(descriptor, "rb") as file:
        head = file.read(_HEAD)
    return form_of(path, head) is not None


def form_of(path: Path, head: bytes) -> Form | None:
    """The form of a file that begins with `head`, None for any other file."""
    suffix = path.suffix.lower()
    if suffix == ".md":
        return "specstory" if specstory.is_ours(head[:8192].decode("utf-8-sig", "replace")) else None
    if suffix == ".jsonl":
        return _jsonl_form(head)
    if suffix == ".json":
        return "chat" if _looks_like_chat(head) else None
    return None


def read_session(path: Path) -> Transcript:
    """The session in a file. What is damaged or unknown in it is told by `Transcript.problems`.

    Raises `NotFoundError`, `InvalidInputError` (not a session, not a regular file, too large),
    `StorageError` (cannot be read).
    """
    descriptor, size = _opened(path)
    try:
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(size)  # what is appended meanwhile is read the next time
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    return parse_session(path, data)


def parse_session(path: Path, data: bytes) -> Transcript:
    """As `read_session`, from the bytes of the file. Raises `InvalidInputError` when it is no session."""
    form = form_of(path, data[:_HEAD])
    if form is None:
        raise InvalidInputError(
            f"{path} is not a session that is understood",
            hint="give Claude Code or Codex .jsonl, SpecStory .md, or a chat as .json",
        )
    if form == "claude-code":
        found = claude_code.read(data)
    elif form == "codex":
        found = codex.read(data)
    else:
        found = specstory.read(data, path) if form == "specstory" else chat_log.read(data, path)
    return replace(found, known=secrets.values(data.decode("utf-8", "replace")))


def _opened(path: Path) -> tuple[int, int]:
    """An open descriptor of a regular file, and its size."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise InvalidInputError(f"{path} is not a regular file", hint="name the session file itself")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} does not exist", hint="name a session file") from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
        os.close(descriptor)
        if stat.S_ISREG(status.st_mode):
            raise InvalidInputError(
                f"{path} has {status.st_size / 2**20:.0f} MB, the limit is {MAX_BYTES / 2**20:.0f} MB",
                hint="split the session, or leave it out",
            )
        raise InvalidInputError(f"{path} is not a regular file", hint="name the session file itself")
    return descriptor, status.st_size


def _below(folder: Path) -> Iterator[Path]:
    """The files below a folder, links not followed."""
    for where, _, names in os.walk(folder, followlinks=False):
        for name in names:
            yield Path(where, name)


def _jsonl_form(head: bytes) -> Form | None:
    """By the first lines that are whole objects. A damaged line decides nothing."""
    for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:20]:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            # A first line may be longer than what was read: instructions, or a pasted file.
            if opening := _OPENING.match(line):
                return "codex" if opening["codex"] else "claude-code"
            continue
        if not isinstance(entry, dict):
            continue
        if codex.is_ours(entry):
            return "codex"
        if claude_code.is_ours(entry):
            return "claude-code"
    return None


def _looks_like_chat(head: bytes) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start in (b"[", b"{") and b'"role"' in head and b'"content"' in head

"""What is heard from agents' sessions, worked off behind their backs.

Hooks answer at once; what they bring is noted here and done by one thread: what was said is searched
for things worth remembering, a transcript that has grown is brought up to date. Both lists are bounded. Knows
nothing of sockets or events. Invariant: a transcript is read only from a file of this user below a
folder where agents keep theirs.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nexus.core.errors import InvalidInputError, NexusError
from nexus.cortex.extractor import Role
from nexus.service import approval
from nexus.service.daemon import Daemon

_log = logging.getLogger(__name__)
_MOST_SAID = 256
_MOST_FILES = 256
# Tools run in quick succession; the transcript is read when they pause.
_PAUSE_SECONDS = 20.0
# A session of weeks is some tens of megabytes.
_LARGEST_FILE = 512 * 2**20


class Said(NamedTuple):
    """A message of a session."""

    text: str
    role: Role
    session: str
    project: str


class Capture:
    """The list of what waits, and the thread that works it off."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._said: deque[Said] = deque()
        self._files: dict[Path, float] = {}
        self._projects: dict[str, int] = {}
        self._met: deque[str] = deque()
        self._asleep = False
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="nexus-capture", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Work off what was said, leave the transcripts for the next event of their session, and end."""
        with self._changed:
            self._stopping = True
            left = len(self._files)
            self._changed.notify()
        self._thread.join()
        if left:
            _log.info("%d changed transcripts are read at the next event of their sessions", left)

    def say(self, said: Said) -> None:
        """Note a message; the oldest unread one goes when there are too many."""
        if self._daemon.config.settings.cortex.capture == "off" or not said.text.strip():
            return
        with self._changed:
            if len(self._said) >= _MOST_SAID:
                self._said.popleft()
                _log.warning("%d messages wait already; the oldest is not searched for facts", _MOST_SAID)
            self._said.append(said)
            self._changed.notify()

    def hear(self, path: Path, *, now: bool) -> None:
        """Note that a transcript has grown. Not `now`: when no more is heard of it for a while."""
        if self._daemon.config.settings.cortex.capture != "sessions":
            return
        due = time.monotonic() + (0.0 if now else _PAUSE_SECONDS)
        with self._changed:
            if path not in self._files and len(self._files) >= _MOST_FILES:
                _log.warning("%d transcripts wait already; %s is read at its next event", _MOST_FILES, path)
                return
            self._files[path] = due
            self._changed.notify()

    def meet(self, project: str) -> int:
        """Note that an agent works in a project: its own memories are looked through.

        Returns how many of them waited for the user's word when that was last done.
        """
        with self._changed:
            if project not in self._met and len(self._met) < _MOST_FILES:
                self._met.append(project)
                self._changed.notify()
            return self._projects.get(project, 0)

    def wake(self) -> None:
        """A session begins: load the embedder, which may have been let go, before its first prompt."""
        with self._changed:
            self._asleep = True
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Messages, transcripts and projects that are not worked off yet."""
        with self._changed:
            return len(self._said) + len(self._files) + len(self._met)

    def _work(self) -> None:
        while True:
            with self._changed:
                task = self._next()
            if task is None:
                return
            try:
                task()
            except NexusError as error:
                _log.warning("what an agent's session brought was not kept: %s", error)
            except Exception:
                # One session's trouble must not end the hearing of all others.
                _log.exception("what an agent's session brought was not kept")

    def _next(self) -> Callable[[], None] | None:
        while True:
            if self._said:
                return partial(self._consider, self._said.popleft())
            if self._stopping:
                return None
            if self._asleep:
                self._asleep = False
                return self._load_model
            if self._met:
                return partial(self._look_through, self._met.popleft())
            due = min(self._files.items(), key=lambda entry: entry[1], default=None)
            wait = None if due is None else due[1] - time.monotonic()
            if due is not None and wait is not None and wait <= 0:
                del self._files[due[0]]
                return partial(self._listen, due[0])
            self._changed.wait(wait)

    def _consider(self, said: Said) -> None:
        learnt = said.text if self._daemon.config.settings.cortex.capture == "sessions" else ""
        approval.hear(
            self._daemon.cortex,
            self._daemon.learning,
            said.text,
            learnt=learnt,
            role=said.role,
            session=said.session,
            project=said.project,
        )

    def _listen(self, path: Path) -> None:
        self._daemon.cortex.hear(path)

    def _load_model(self) -> None:
        self._daemon.cortex.recall("which facts are known?", 1)

    def _look_through(self, project: str) -> None:
        remembering = self._daemon.cortex.memories_of
        _, problems = remembering.sync_project(Path(project))
        for problem in problems:
            _log.warning("%s: %s", project, problem)
        self._projects[project] = len(remembering.waiting(Path(project)))
        while len(self._projects) > _MOST_FILES:
            self._projects.pop(next(iter(self._projects)))


def session_folders(claude: str = "", codex: str = "") -> tuple[Path, ...]:
    """Where Claude Code and Codex keep sessions: the given folders, the variables', the usual ones."""
    claude_folders = (claude, os.environ.get("CLAUDE_CONFIG_DIR", ""), "~/.claude")
    codex_folders = (codex, os.environ.get("CODEX_HOME", ""), "~/.codex")
    named = [(folder, "projects") for folder in claude_folders] + [
        (folder, kept) for folder in codex_folders for kept in ("sessions", "archived_sessions")
    ]
    paths = [(Path(folder).expanduser(), kept) for folder, kept in named if folder]
    return tuple(dict.fromkeys(path / kept for path, kept in paths if path.is_absolute()))


def agent_of(path: str, folders: Iterable[Path]) -> str:
    """Whose session a transcript is, by the folder where it lies; "" where that says nothing."""
    for folder in folders:
        if Path(path).is_relative_to(folder):
            return "Claude Code" if folder.name == "projects" else "Codex"
    return ""


def session_file(path: str, folders: Iterable[Path]) -> Path:
    """The transcript that an event names. Raises `InvalidInputError` for what is none of this user's.

    The path comes from another program: it must be a regular file of ours, not a link out of the folders
    where agents keep their sessions.
    """

    def wrong(what: str) -> InvalidInputError:
        return InvalidInputError(f"transcript_path {path!r} {what}", hint="it is not read")

    if not path.startswith("/") or "\0" in path or not path.endswith(".jsonl"):
        raise wrong("is not the absolute path of a .jsonl file")
    try:
        real = Path(path).resolve(strict=True)
        facts = real.stat()
        homes = [folder.resolve() for folder in folders]
    except (OSError, RuntimeError) as error:
        # The error's own text quotes a part of the path again; half of a credential is known to no rule.
        reason = error.strerror if isinstance(error, OSError) else "its links lead in a circle"
        raise wrong(f"cannot be read: {reason}") from error
    if not any(real.is_relative_to(home) for home in homes):
        raise wrong("lies outside of the folders where agents keep their sessions")
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.getuid():
        raise wrong("is not a regular file of this user")
    if facts.st_size > _LARGEST_FILE:
        raise wrong(f"is larger than {_LARGEST_FILE // 2**20} MB")
    return real

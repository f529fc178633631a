"""Follows the folders and files that were added, and asks for them to be read again when they change.

One thread that waits on the operating system. Knows nothing of what is in a file nor which are
ignored: the reading decides. Invariant: of each root at most one reading waits, however much changes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from nexus.core.errors import BusyError

_log = logging.getLogger(__name__)
# Changes within this time are one; a file that stands alone is looked at this often.
_DEBOUNCE_MS, _LOOK_MS = 1600, 5000
# What could not be read is tried again after so long, and whenever it changes.
_LATER_SECONDS = 20.0


class Watcher:
    """Calls `refresh(root)` once for each burst of changes below a root.

    `refresh` queues the work and returns; when it raises `BusyError` it is called again later. It must
    call `begun(root)` when the reading begins, so that later changes count as new.
    """

    def __init__(self, roots: Callable[[], Iterable[str]], refresh: Callable[[Path], None]) -> None:
        self._roots, self._refresh = roots, refresh
        self._lock = threading.Lock()
        self._waiting: set[Path] = set()
        self._asked: set[Path] = set()
        self._later: dict[Path, float] = {}
        self._stop = threading.Event()
        self._again = threading.Event()
        self._problem = ""
        self._marks: dict[Path, tuple[int, int] | None] = {}
        self._followed: set[Path] = set()
        self._thread = threading.Thread(target=self._run, name="nexus-watch", daemon=True)

    @property
    def problem(self) -> str:
        """Why something is not followed, in one line; empty when all is well."""
        return self._problem

    def start(self, *, refresh: bool) -> None:
        """Begin to follow; with `refresh` everything is read once, for what changed before."""
        self._followed = set(self._listed())
        if refresh:
            with self._lock:
                self._waiting |= self._followed
        self._thread.start()

    def begun(self, root: Path) -> None:
        """The reading of `root` begins now."""
        with self._lock:
            self._asked.discard(root)

    def failed(self, root: Path) -> None:
        """The reading of `root` failed for a reason that may pass: it is asked for again after a while."""
        with self._lock:
            self._later[root] = time.monotonic() + _LATER_SECONDS

    def again(self) -> None:
        """The roots are others now."""
        self._again.set()

    def stop(self) -> None:
        """End the thread. Calling it twice is harmless."""
        self._stop.set()
        self._again.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * _LOOK_MS / 1000)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._again.clear()
            try:
                self._follow()
            except Exception:
                # Following is a comfort: `nexus add` works without it.
                _log.exception("following the added folders failed; trying again in a minute")
                self._again.wait(60)

    def _follow(self) -> None:
        """Wait for changes until the roots are others."""
        import watchfiles

        roots = self._listed()
        folders = [root for root in roots if root.is_dir()]
        files = [root for root in roots if root not in folders]
        self._marks = {path: self._marks.get(path, _mark(path)) for path in files}
        # What was added just now was read before anybody looked at it: what changed in between is found by
        # reading it once more, as soon as no change can be missed.
        self._followed &= set(roots)
        self._read_once_more(files)
        self._ask()
        if not folders:
            # Nothing to wait on: look from time to time.
            self._again.wait(_LOOK_MS / 1000)
            self._look_at_files()
            return
        try:
            for changes in watchfiles.watch(
                *folders,
                stop_event=self._again,
                debounce=_DEBOUNCE_MS,
                rust_timeout=_LOOK_MS,
                yield_on_timeout=True,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                self._problem = ""
                self._read_once_more(folders)
                changed = [Path(name) for _, name in changes]
                touched = {root for root in folders for path in changed if path.is_relative_to(root)}
                with self._lock:
                    self._waiting |= touched
                self._look_at_files()
                self._ask()
                if self._listed() != roots or not all(folder.is_dir() for folder in folders):
                    return
        except OSError as error:
            self._problem = f"added folders are not followed: {error}; raise fs.inotify.max_user_watches"
            _log.warning("%s", self._problem)
            self._again.wait(60)

    def _listed(self) -> list[Path]:
        return [Path(root) for root in self._roots()]

    def _read_once_more(self, roots: Iterable[Path]) -> None:
        new = set(roots) - self._followed
        self._followed |= new
        with self._lock:
            self._waiting |= new

    def _look_at_files(self) -> None:
        for path, before in self._marks.items():
            now = _mark(path)
            if now != before:
                self._marks[path] = now
                with self._lock:
                    self._waiting.add(path)

    def _ask(self) -> None:
        now = time.monotonic()
        with self._lock:
            again = {root for root, when in self._later.items() if when <= now}
            self._later = {root: when for root, when in self._later.items() if root not in again}
            self._waiting |= again & self._followed
            due = self._waiting - self._asked
            self._asked |= due
            self._waiting -= due
        for root in due:
            try:
                self._refresh(root)
            except BusyError:
                with self._lock:
                    self._asked.discard(root)
                    self._waiting.add(root)


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns

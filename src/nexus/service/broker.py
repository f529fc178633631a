"""The broker of AgentMem as a child of the service: started, watched, started again, asked what it holds.

Knows nothing of what is kept in it. Invariants: whoever asks here never waits for the broker longer than he
said; a broker that somebody else has started is used and left alone; one that this service has started ends
with it, also by kill -9.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nexus.agentmem import Launcher, Store
from nexus.agentmem.broker import PROGRAM, find_broker
from nexus.agentmem.errors import AgentMemError
from nexus.agentmem.native import native
from nexus.agentmem.socket_path import NAME
from nexus.core.errors import MissingPartError, NexusError
from nexus.core.paths import Home
from nexus.core.settings import AgentmemSettings

State = Literal["off", "missing", "starting", "ready", "failed", "stopped"]
_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
# What is told is at most so old while somebody asks, and is asked for no more when nobody does.
_FRESH_SECONDS, _WATCHED_SECONDS = 2.0, 20.0
_BACK_OFF = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_ANSWER_SECONDS = 5.0
_LOG_BYTES = 2**20
_MOST_COLD_GIB = 16.0
_OWN_NAME = "nexus-service"


class Holdings(NamedTuple):
    """What the broker said of itself: STATS and AGENTS; its memory as PSS in bytes, None where this user may
    not see it; and when that was, in seconds of a clock that never goes back."""

    stats: dict[str, Any]
    agents: list[dict[str, Any]]
    pss: int | None
    at: float


class Broker:
    """May be asked from any thread."""

    def __init__(self, home: Home, settings: AgentmemSettings) -> None:
        self.folder, self.socket = home.agentmem, home.run / NAME
        self._settings = settings
        self.state: State = "starting" if settings.enabled else "off"
        self.problem = ""
        self.restarts = 0
        self.own = True  # whether this service has started it
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._held: Holdings | None = None
        self._asked = float("-inf")
        self._store: Store | None = None
        # The process that it starts ends with this thread.
        self._thread = threading.Thread(target=self._run, name="nexus-broker", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        if self._settings.enabled:
            self._thread.start()

    def stop(self) -> None:
        """End it. Calling it twice is harmless."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def await_ready(self, seconds: float) -> bool:
        """Wait until it takes connections."""
        with self._changed:
            self._changed.wait_for(lambda: self.state == "ready" or self._stop.is_set(), seconds)
            return self.state == "ready"

    def lost(self) -> None:
        """Somebody's connection broke: it counts as ready again once it was seen to answer."""
        with self._changed:
            if self.state == "ready":
                self.state = "starting"
                self._changed.notify_all()

    def holdings(self, patience: float = 0.1) -> Holdings | None:
        """What it holds, seldom older than two seconds; None where it does not say so in time."""
        with self._changed:
            now = self._asked = time.monotonic()
            if self.state != "ready":
                return None
            if self._held is None or now - self._held.at > _WATCHED_SECONDS:
                self._held = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._held is not None, patience)
            return self._held

    def options(self) -> list[str]:
        """Limits, as the program takes them."""
        settings, given = self._settings, ["--with-parent"]
        for name, mib in (("hot", settings.hot_mib), ("warm", settings.warm_mib)):
            given += [f"--{name}", f"{mib}M"] if mib else []
        cold = settings.cold_gib
        if cold < 0:
            folder = self.folder if self.folder.exists() else self.folder.parent
            cold = min(_MOST_COLD_GIB, shutil.disk_usage(folder).free / 2**30 / 10)
        return [*given, "--cold", f"{max(128, round(cold * 1024))}M" if cold else "0"]

    def _run(self) -> None:
        tries = 0
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                launcher = self._launched()
            except MissingPartError as error:
                self._say("missing", f"{error.message}; {error.hint}")
                return
            except (NexusError, OSError) as error:
                self._say("failed", str(error))
                _log.warning("%s does not run: %s", PROGRAM, error)
            else:
                self._say("ready")
                try:
                    self._watch(launcher)
                finally:
                    self._forget_store()
                    launcher.stop()
                if self._stop.is_set():
                    break
                self.restarts += 1
                self._say("starting", f"{PROGRAM} has ended and is started again")
                _log.warning("%s has ended and is started again", PROGRAM)
            tries = 0 if time.monotonic() - began > 60 else tries + 1
            self._stop.wait(_BACK_OFF[min(tries, len(_BACK_OFF)) - 1] if tries else 0)
        self._say("stopped")

    def _launched(self) -> Launcher:
        """A launcher whose broker answers. Raises `MissingPartError`, `StorageError`, `ConfigError`."""
        find_broker()
        native()
        launcher = Launcher(self.folder, socket=self.socket, options=self.options())
        self.own = not launcher.answers()
        if self.own:
            _shorten(launcher.log)
            launcher.start()
        return launcher

    def _watch(self, launcher: Launcher) -> None:
        """Until the broker has gone or the service stops."""
        while not self._stop.is_set():
            if launcher.pid is None and (self.own or not launcher.answers()):
                return
            if self.state != "ready" and launcher.answers():
                self._say("ready")
            with self._changed:
                old = time.monotonic() - (self._held.at if self._held else float("-inf"))
                wanted = time.monotonic() - self._asked < _WATCHED_SECONDS
            if wanted and old > _FRESH_SECONDS:
                self._ask()
            with self._changed:
                # Somebody waits for a first answer, or nothing happens for half a second.
                self._changed.wait(_LOOK_SECONDS)

    def _ask(self) -> None:
        try:
            if self._store is None:
                self._store = Store.connect(self.socket, agent=_OWN_NAME, timeout=_ANSWER_SECONDS)
            stats = self._store.stats()
            agents = [agent for agent in self._store.agents() if agent["name"] != _OWN_NAME]
            held = Holdings(stats, agents, _pss(int(stats["process"]["pid"])), time.monotonic())
        except AgentMemError as error:
            # It may be on its way down, or up again: the next look tells.
            _log.debug("%s does not say what it holds: %s", PROGRAM, error)
            self._forget_store()
            return
        with self._changed:
            self._held = held
            self._changed.notify_all()

    def _forget_store(self) -> None:
        with self._changed:
            self._held = None
        if self._store:
            with suppress(AgentMemError):
                self._store.close()
        self._store = None

    def _say(self, state: State, problem: str = "") -> None:
        with self._changed:
            self.state, self.problem = state, problem
            self._changed.notify_all()


def _pss(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), None)


def _shorten(log: Path) -> None:
    """Begin a new log where the old one is long; the one before is kept."""
    with suppress(OSError):
        if log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))

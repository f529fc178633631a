"""Keeps one worker alive: starts it, notices its death, starts the next after a growing pause.

Does not know what is asked of the model. Invariants: at most one worker lives; each begins with a file that
`check` has just let pass; a worker that dies again and again without answering anything is given up after
`START_LIMIT` tries, with the reason.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Condition, Event, Thread, current_thread

from nexus.core.errors import (
    EngineError,
    MissingPartError,
    ModelCorruptError,
    ModelUnsupportedError,
    NexusError,
)
from nexus.engine import gguf
from nexus.engine.base import EngineHealth, EngineState
from nexus.engine.socket_folder import SocketFolder
from nexus.engine.threads import LoadMeter, ThreadPlan, threads_for, usable_cores
from nexus.engine.wire import Wire
from nexus.engine.worker_process import WorkerProcess
from nexus.engine.worker_settings import WorkerSettings

LOAD_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
START_LIMIT = 6
HEALTHY_SECONDS = 60.0
POLL_SECONDS = 0.1
EXPLAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Life:
    """A loaded worker and the wire to it."""

    worker: WorkerProcess
    wire: Wire


class Supervisor:
    """The state machine behind `ChildEngine`; all methods may be called from any thread."""

    def __init__(
        self,
        kinds: Sequence[WorkerSettings],
        name: str,
        run_folder: Path,
        threads: int,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`check` raises a `NexusError` when the model's file may not be loaded."""
        self.context = kinds[0].context
        self._kinds = list(kinds)
        self._name = name
        self._run_folder = run_folder
        self._fixed_threads = threads
        self._check = check
        self._changed = Condition()
        self._state: EngineState = "stopped"
        self._failure: NexusError | None = None
        self._detail = ""
        self._folder: SocketFolder | None = None
        self._life: Life | None = None
        self._worker: WorkerProcess | None = None
        self._tender: Thread | None = None
        self._planned: int | None = None
        self._launched = self._ready_since = self._next_try = 0.0
        self._threads = threads
        self._failures = self._restarts = 0
        self._meter = LoadMeter()
        self._plan = ThreadPlan(usable_cores())

    def start(self) -> None:
        """Launch the worker unless one lives. Raises `StorageError` without a place for a socket."""
        with self._changed:
            if self._state in ("starting", "ready", "restarting"):
                return
            self._folder = self._folder or SocketFolder(self._run_folder, self._name)
            self._failure, self._detail, self._failures = None, "", 0
            self._launch("starting")

    def refuse(self, reason: NexusError) -> None:
        """Do not start: there is something wrong with the model. `start` tries again."""
        with self._changed:
            if self._state in ("stopped", "failed"):
                self._failure = reason
                self._set("failed", str(reason))

    @property
    def failure(self) -> NexusError | None:
        """Why the engine is given up; None while it is not."""
        with self._changed:
            return self._failure if self._state == "failed" else None

    def stop(self) -> None:
        """End the worker and remove the socket; returns when both are gone."""
        with self._changed:
            self._set("stopped", "")
            worker, tender = self._worker, self._tender
        if worker is not None:
            worker.stop()
        if tender is not None:
            tender.join()
        with self._changed:
            if self._state == "stopped" and self._folder is not None:
                self._folder.remove()
                self._folder = None

    def ready_life(self, cancel: Event | None = None) -> Life | None:
        """The loaded worker, waiting for one that is starting; None once `cancel` is set.

        Raises `EngineError` or what made the engine fail.
        """
        deadline = time.monotonic() + LOAD_SECONDS
        while True:
            with self._changed:
                if self._state == "ready" and self._life is not None:
                    return self._life
                if self._state == "failed" and self._failure is not None:
                    raise self._failure
                if self._state == "stopped":
                    raise EngineError(f"the engine of {self._name} is stopped", hint="start it")
                if time.monotonic() > deadline:
                    raise EngineError(
                        f"{self._name} was not ready after {LOAD_SECONDS:.0f} s: {self._detail}"
                    )
                if cancel is not None and cancel.is_set():
                    return None
                self._retry_when_due()
                self._changed.wait(POLL_SECONDS)

    def require_life(self) -> Life:
        """`ready_life` that nobody can cancel."""
        life = self.ready_life()
        assert life is not None
        return life

    def answered(self) -> None:
        """The worker has proved itself: forget earlier failures."""
        with self._changed:
            self._failures = 0

    def explain(self, life: Life, error: Exception) -> EngineError:
        """What to raise when the connection to `life` broke."""
        with self._changed:
            # The connection breaks a moment before the end of the process is known.
            if not self._changed.wait_for(lambda: self._life is not life, EXPLAIN_SECONDS):
                return EngineError(f"{life.wire.label} broke off: {error}", hint="ask again")
            if self._state == "stopped":
                return EngineError(f"the engine of {self._name} was stopped")
            return EngineError(
                f"the model process ended ({life.worker.ending()}) while answering;"
                f" it is {'given up' if self._state == 'failed' else 'restarting'}",
                hint="ask again; signal 9 often means that the memory is full",
            )

    def health(self) -> EngineHealth:
        with self._changed:
            worker = self._worker
            pid = worker.pid if worker else None
            rss = worker.rss_bytes if worker else None
            threads = self._threads if pid else None
            kind = worker.settings.kind if worker else ""
            return EngineHealth(self._state, self._detail, pid, threads, self._restarts, rss, kind)

    def maintain(self, idle_seconds: float) -> None:
        """Restart when due, end a worker that never gets ready, follow the machine's load."""
        now = time.monotonic()
        with self._changed:
            worker = self._worker
            others = self._meter.read(worker.pid) if worker and worker.pid else None
            self._retry_when_due()
            loading = self._state in ("starting", "restarting") and worker is not None
            if loading and now - self._launched > LOAD_SECONDS and worker is not None:
                worker.kill()
            if self._state != "ready" or worker is None:
                return
            if now - self._ready_since > HEALTHY_SECONDS:
                self._failures = 0
            if self._fixed_threads or others is None:
                return
            wanted = self._plan.observe(self._threads, others, idle_seconds, now)
            if wanted is None:
                return
        self._replace(worker, wanted, f"the machine's load changed: {self._threads} to {wanted} threads")

    def renew(self, reason: str) -> None:
        """Have the worker end and another one begin, because of `reason`."""
        with self._changed:
            worker = self._worker
            if self._state != "ready" or worker is None:
                return
        self._replace(worker, self._threads, reason)

    def _replace(self, worker: WorkerProcess, threads: int, reason: str) -> None:
        with self._changed:
            if self._state != "ready" or self._worker is not worker:
                return
            self._planned = threads
            self._set("restarting", reason)
        Thread(target=worker.stop, name="engine-stop", daemon=True).start()

    def _retry_when_due(self) -> None:
        due = self._state == "restarting" and self._tender is None
        if due and time.monotonic() >= self._next_try:
            self._launch("restarting")

    def _launch(self, state: EngineState) -> None:
        previous = self._tender
        self._launched = time.monotonic()
        self._set(state, self._detail)
        # Its own thread for the whole life: see WorkerProcess.run.
        self._tender = Thread(target=self._tend, args=(previous,), name="engine-worker", daemon=True)
        self._tender.start()

    def _tend(self, previous: Thread | None) -> None:
        """One life of a worker, in a thread of its own."""
        if previous is not None:
            previous.join()
        planned, self._planned = self._planned, None
        threads = self._fixed_threads or planned
        if not threads:
            threads = threads_for(usable_cores(), self._meter.sample())
        try:
            self._check()
        except NexusError as error:
            with self._changed:
                if self._tender is current_thread():
                    self._tender = None
                    if self._state != "stopped":
                        self._failure = error
                        self._set("failed", str(error))
                self._changed.notify_all()
            return
        with self._changed:
            folder = self._folder
            if self._state == "stopped" or folder is None:
                self._tender = None
                return
            folder.clear()
            self._threads = threads
            worker = self._worker = WorkerProcess(
                replace(
                    self._kinds[0],
                    threads=threads,
                    socket=str(folder.path),
                    key=secrets.token_urlsafe(32),
                    parent=os.getpid(),
                )
            )
        label = f"the model process of {self._name}"
        wire = Wire("http://engine", label=label, api_key=worker.settings.key, uds=folder.path)
        worker.run(lambda: self._ready(Life(worker, wire)))
        wire.close()
        self._ended(worker)

    def _ready(self, life: Life) -> None:
        try:
            window = life.wire.get("/props")["default_generation_settings"]["n_ctx"]
        except (EngineError, KeyError, TypeError) as error:
            life.worker.error, life.worker.error_kind = f"no /props: {error}", "props"
            life.worker.kill()
            return
        with self._changed:
            if self._state == "stopped":
                return
            self.context = int(window)
            self._life = life
            self._ready_since = time.monotonic()
            asked = life.worker.settings.context
            smaller = f"the model's window is {window} tokens, not {asked}" if window < asked else ""
            self._set("ready", smaller)

    def _ended(self, worker: WorkerProcess) -> None:
        with self._changed:
            self._life = self._worker = None
            # A start that followed a stop has made the next thread already; it waits for this one.
            superseded = self._tender is not current_thread()
            if not superseded:
                self._tender = None
            if superseded or self._state == "stopped":
                self._changed.notify_all()
                return
            if worker.error_kind == "unsupported" and len(self._kinds) > 1:
                # The next kind of engine may compute this model.
                del self._kinds[0]
                self._planned = self._threads
                self._detail = worker.error or ""
                self._next_try = 0.0
                self._set("restarting", self._detail)
                self._retry_when_due()
                return
            self._restarts += 1
            if self._planned is not None:
                self._next_try = 0.0
                self._retry_when_due()
                return
            self._failures += 1
            reason = self._failure_of(worker)
            if isinstance(reason, EngineError) and self._failures < START_LIMIT:
                pause = FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1)
                self._next_try = time.monotonic() + min(LONGEST_PAUSE_SECONDS, pause)
                self._set("restarting", reason.message)
                return
            self._failure = reason
            self._set("failed", reason.message)

    def _failure_of(self, worker: WorkerProcess) -> NexusError:
        """A reason; only an `EngineError` is worth another try."""
        if worker.refusal is not None:
            return worker.refusal
        kind, model = worker.settings.kind, worker.settings.model
        if worker.error_kind == "missing_part":
            part = "llama.cpp" if kind == "llamacpp" else "the engine"
            command = "pip install xllamacpp" if kind == "llamacpp" else "make up"
            return MissingPartError(f"{part} is not installed: {worker.error}", hint=f"run: {command}")
        if worker.error_kind == "unsupported":
            return ModelUnsupportedError(
                f"{model} cannot be computed: {worker.error}", hint="set engine.kind to auto or llamacpp"
            )
        broken = worker.load_error() if kind == "llamacpp" else worker.error
        if broken and worker.error_kind in ("load", "damaged"):
            return ModelCorruptError(f"{model} cannot be loaded: {broken}", hint=gguf.fetch_again(self._name))
        ending = worker.error or worker.ending()
        if worker.error and worker.log:
            ending += f" {worker.log[-1]}"
        return EngineError(
            f"the model process ended ({ending})",
            hint="restart the service; if memory is short, use a smaller model or context",
        )

    def _set(self, state: EngineState, detail: str) -> None:
        self._state, self._detail = state, detail
        self._changed.notify_all()

"""The conductor: owns the rooms, starts their work in order, watches over their processes (seed 002).

One thread that never computes. Each lane has worker threads of its own, as many as it has places; the
model runs in a process of its own. Invariants: a job that was accepted is run or told why not, also when
the service stops; no lane runs more jobs at once than it has places.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Literal

from nexus.agentmem.watcher import AgentWatcher
from nexus.core import platform
from nexus.core.breaker import Breaker
from nexus.core.config import Config
from nexus.core.errors import BusyError, MissingPartError, NexusError, StorageError
from nexus.core.settings import EngineSettings
from nexus.cortex.cortex import Cortex
from nexus.engine.base import Engine
from nexus.service.broker import Broker
from nexus.service.jobs import Job, JobQueue, Lane, Priority
from nexus.service.learning import Learning
from nexus.service.memex import MemexRoom
from nexus.service.memory_manager import MemoryManager
from nexus.service.metrics import Metrics
from nexus.service.recovery import Recovery
from nexus.service.resource import ResourceGovernor
from nexus.service.sandbox import SandboxRoom
from nexus.service.traffic import Traffic
from nexus.service.units import Units
from nexus.service.watch import Watcher

State = Literal["starting", "ready", "draining", "stopped", "failed"]
_log = logging.getLogger(__name__)
_TICK_SECONDS = 1.0


class Daemon:
    """The running service, without its HTTP side."""

    def __init__(
        self,
        config: Config,
        open_cortex: Callable[[], Cortex],
        engine: Engine,
        breakers: Mapping[str, Breaker] | None = None,
        recovery: Recovery | None = None,
    ) -> None:
        self.config = config
        self.engine = engine
        self.metrics = Metrics()
        self.recovery = recovery or Recovery()
        self.traffic = Traffic()
        # Before the model and before loading the embedder: what fails again and again is left alone.
        self._breakers = breakers or {"inference": Breaker("the model"), "embedder": Breaker("the embedder")}
        self.resources = ResourceGovernor(config.settings.background)
        self.memory = MemoryManager(
            config.settings.housekeeping, model_pid=lambda: engine.health().pid, relieve=self._relieve
        )
        self.learning = Learning(config, self.resources)
        self.agents = AgentWatcher(config.home, config.settings.agents)
        self.broker = Broker(config.home, config.settings.agentmem)
        self.units = Units(self.broker, config.settings.agentmem)
        self.files = MemexRoom(config, self._presses)
        self.sandbox = SandboxRoom(config.settings.sandbox, lambda: self.cortex)
        self._learning_ends: threading.Thread | None = None
        for name, buffer in self.learning.buffers.items():
            self.memory.keep(name, buffer)
        self.state: State = "starting"
        self.failure: NexusError | None = None
        self._open_cortex = open_cortex
        self._cortex: Cortex | None = None
        self._queue = JobQueue(config.settings.service.queue)
        self._places = dict.fromkeys(Lane, 1) | {Lane.ENGINE: answers_at_once(config.settings.engine)}
        self._lanes = {lane: ThreadPoolExecutor(n, f"nexus-{lane}") for lane, n in self._places.items()}
        self._busy: dict[Lane, list[Job]] = {lane: [] for lane in Lane}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._moved = time.monotonic()
        self._thread = threading.Thread(target=self._conduct, name="nexus-conductor", daemon=True)
        self.watcher = Watcher(self._followed, self._refresh)
        self._behind: set[Path] = set()
        self._packs = True
        # Chunks whose vectors are made anew, done and in all, while the index is being repaired.
        self.repairing: tuple[int, int] | None = None

    def start(self) -> None:
        """Begin; `state` becomes "ready" or "failed" while this returns at once."""
        if self.recovery.killed:
            _log.warning("%s", self.recovery.as_dict(None, None)["summary"])
        self.recovery.control_groups = self.resources.start()
        self.agents.start()
        self.broker.start()
        self.units.start()
        self._thread.start()

    @property
    def cortex(self) -> Cortex:
        """Knowledge and memory. Raises `BusyError` while starting, the failure when that failed."""
        if self._cortex is None or self.state in ("stopped", "failed"):
            raise self.failure or BusyError("the service is starting", hint="try again", retry_after=2)
        return self._cortex

    @property
    def inference(self) -> Breaker:
        """Stands before every question to the model."""
        return self._breakers["inference"]

    def breakers(self) -> dict[str, str]:
        """State of each breaker, by name."""
        return {name: breaker.state for name, breaker in self._breakers.items()}

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Jobs in the lanes."""
        with self._lock:
            return sum(map(len, self._busy.values()))

    @property
    def still_seconds(self) -> float:
        """How long ago the conductor last went round; more than a few seconds mean that it hangs."""
        return time.monotonic() - self._moved

    def submit(self, job: Job) -> int:
        """Queue a job. Returns how many have to end before it begins. Raises `BusyError`."""
        if self.state != "ready":
            reason = {"starting": "is starting", "draining": "is stopping"}.get(self.state, "has stopped")
            self.metrics.rejected()
            raise self.failure or BusyError(f"the service {reason}", hint="try again", retry_after=2)
        try:
            ahead = self._queue.put(job)
        except BusyError:
            self.metrics.rejected()
            raise
        with self._lock:
            running = sum(1 for other in self._busy[job.lane] if other is not job)
        return max(0, ahead + running + 1 - self._places[job.lane])

    def load_model(self) -> None:
        """Start the model again where it has failed: its files may be here now. Raises `BusyError`."""
        if self.engine.health().state == "failed":
            self.submit(Job(Lane.ENGINE, Priority.INTERACTIVE, lambda _: self._start_engine()))

    def drain(self, seconds: float) -> bool:
        """Take no more work and wait for what runs. Returns whether all of it ended by itself."""
        if self.state in ("starting", "ready"):
            self.state = "draining"
        self._end_learning()
        for job in self._queue.clear():
            job.cancel.set()
            self._run_quietly(job)
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            time.sleep(0.05)
        with self._lock:
            left = [job for jobs in self._busy.values() for job in jobs]
        for job in left:
            job.cancel.set()
        return not left

    def stop(self) -> None:
        """End everything, flush, and let go of the files. Calling it twice is harmless."""
        if self.state == "stopped":
            return
        self.drain(0)
        self._stop.set()
        self.watcher.stop()
        self.agents.stop()
        self._queue.wake()
        self._thread.join(timeout=5)
        for pool in self._lanes.values():
            pool.shutdown(wait=True)
        self.files.stop()
        self.sandbox.stop()
        self.engine.stop()
        # After the last answer, and before the broker that it goes to.
        self.units.stop()
        self.broker.stop()
        self._end_learning().join()
        self.resources.stop()
        if self._cortex:
            self._cortex.close()
        self.state = "stopped"

    def _end_learning(self) -> threading.Thread:
        """The learner saves while open answers end: where others want the processor, that takes long."""
        with self._lock:
            if self._learning_ends is None:
                self._learning_ends = threading.Thread(target=self.learning.stop, name="learning-ends")
                self._learning_ends.start()
            return self._learning_ends

    def _conduct(self) -> None:
        opening = self._lanes[Lane.KNOWLEDGE].submit(self._open)
        # The model may be missing or slow: knowledge and memory do not wait for it.
        loading = self._lanes[Lane.ENGINE].submit(self._start_engine)
        opening.result()
        loading.result()
        if self.state == "starting":
            self.state = "failed" if self.failure else "ready"
        if self._cortex:
            self.files.start(self._cortex)
            self._settle()
        next_tick = time.monotonic()
        while not self._stop.is_set():
            self._moved = time.monotonic()
            with self._lock:
                free = [lane for lane in Lane if len(self._busy[lane]) < self._places[lane]]
            job = self._queue.take(free, timeout=0.2)
            if job:
                with self._lock:
                    self._busy[job.lane].append(job)
                self._lanes[job.lane].submit(self._work, job)
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + _TICK_SECONDS
                self._tick()

    def _open(self) -> None:
        try:
            self._cortex = self._open_cortex()
        except NexusError as error:
            _log.error("%s", error)
            self.failure = error
        except Exception as error:
            _log.exception("knowledge and memory cannot be opened")
            self.failure = NexusError(f"knowledge and memory cannot be opened: {error!r}")

    def _start_engine(self) -> None:
        try:
            self.engine.start()
        except NexusError as error:
            _log.warning("no model: %s", error)
        except Exception:
            _log.exception("the model cannot be started")

    def _settle(self) -> None:
        """What is done once after the start, behind what clients ask for."""
        with suppress(BusyError):
            self.submit(Job(Lane.KNOWLEDGE, Priority.INGEST, self._repair))
        self.learning.start()
        if self.config.settings.cortex.watch:
            self.watcher.start(refresh=True)

    def _repair(self, job: Job) -> None:
        paused = False

        def step(done: int, total: int) -> bool:
            nonlocal paused
            self.repairing = (done, total)
            # What a client waits for goes first; the repair queues up again behind it.
            paused = done < total and self.waiting > 0
            return not (job.cancel.is_set() or paused)

        try:
            self.cortex.repair(step)
        finally:
            self.repairing = None
        if paused:
            with suppress(BusyError):
                self.submit(Job(Lane.KNOWLEDGE, Priority.INGEST, self._repair))
        else:
            # Opening and comparing have read every page of the index: they are given back, too.
            self._pack(job)

    def _pack(self, job: Job) -> None:
        try:
            if self._packs:
                self.cortex.pack(lambda: not (job.cancel.is_set() or self.waiting))
        except StorageError as error:
            # Filled again, and left as it is until the next start: no circle of packing and mending.
            _log.warning("packing: %s: it is built again", error)
            self._packs = False
            with suppress(BusyError):
                self.submit(Job(Lane.KNOWLEDGE, Priority.INGEST, self._repair))
        finally:
            self._give_back()

    def _followed(self) -> list[str]:
        return self._cortex.followed() if self._cortex else []

    def _refresh(self, root: Path) -> None:
        def read(job: Job) -> None:
            self.watcher.begun(root)
            try:
                report = self.cortex.refresh(root, job.cancel)
            except StorageError as error:
                # A full disk: what has changed is read when there is room, and what is half there is mended.
                _log.warning("%s is not up to date: %s", root, error)
                self._behind.add(root)
                self.watcher.failed(root)
                return
            if root in self._behind:
                self._behind.discard(root)
                self.submit(Job(Lane.KNOWLEDGE, Priority.INGEST, self._repair))
            changed = {name: n for name, n in report.counts.items() if name != "unchanged"}
            if changed:
                _log.info("%s: %s", root, ", ".join(f"{n} {name}" for name, n in sorted(changed.items())))

        self.submit(Job(Lane.KNOWLEDGE, Priority.INGEST, read))

    def _work(self, job: Job) -> None:
        started = time.monotonic()
        try:
            self._run_quietly(job)
        finally:
            self.metrics.finished(job.lane, time.monotonic() - started)
            if job.lane == Lane.KNOWLEDGE:
                # Embedding leaves a large free heap that the C library would keep.
                with suppress(MissingPartError):
                    platform.trim_heap()
            with self._lock:
                self._busy[job.lane].remove(job)
            self._queue.wake()

    def _run_quietly(self, job: Job) -> None:
        try:
            job.run(job)
        except Exception:
            # A job tells its own client; this is a bug of ours and must not stop the conductor.
            _log.exception("a job of lane %s failed", job.lane)

    def _tick(self) -> None:
        try:
            with self._lock:
                idle = not self._busy[Lane.ENGINE]
            if idle:
                self.engine.maintain()
            if self._cortex and self._cortex.unload_if_idle():
                try:
                    self.submit(Job(Lane.KNOWLEDGE, Priority.INGEST, self._pack))
                except BusyError:
                    self._give_back()
            self.resources.tick()
            self.learning.tick()
            self.memory.tick()
        except Exception:
            # Housekeeping that fails is tried again in a second; the conductor goes on.
            _log.exception("housekeeping failed")

    def _presses(self) -> bool:
        """Whether reading files should rest: somebody waits for the model, or memory is short."""
        with self._lock:
            return bool(self._busy[Lane.ENGINE]) or self.memory.state == "critical"

    def _relieve(self) -> None:
        """Memory is critical: let go of models that are loaded again when somebody asks."""
        if self._cortex:
            self._cortex.unload()
            self._give_back()

    def _give_back(self) -> None:
        """Return to the system what stays in memory although nothing needs it now."""
        gc.collect()
        cortex = (self._cortex.give_back,) if self._cortex else ()
        for step in (*cortex, self.files.give_back, platform.trim_heap, platform.release_libraries):
            with suppress(MissingPartError):
                step()


def answers_at_once(settings: EngineSettings) -> int:
    """How many questions may be at the model together.

    Our own engine writes several answers at once. Others get one after the other: waiting here they are
    served by priority, and they can be counted.
    """
    return settings.streams if settings.kind in ("auto", "local") else 1

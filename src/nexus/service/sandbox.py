"""Code that agents write, run where it can do no harm: what the service grants, limits and answers.

Composes `nexus.unikernel`. Knows no HTTP and no MCP. Invariants: nothing is granted that neither the settings
nor the caller of this machine named; no more runs at once than the settings say; a file that is a secret by
its name is never granted to an agent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nexus.core.errors import BusyError, InvalidInputError, MissingPartError, NexusError, NotFoundError
from nexus.core.settings import SandboxSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.filters import Filter
from nexus.cortex.secret_rules.files import refused_name
from nexus.service.exposition import Family, by_label, gauge
from nexus.unikernel import backends, builder, fallback, imports
from nexus.unikernel.grants import Grants, HostFunction
from nexus.unikernel.limits import MIB, Limits
from nexus.unikernel.pool import Pool
from nexus.unikernel.result import Result
from nexus.unikernel.sandbox import Sandbox

_WAIT_SECONDS = 10.0
_MOST_FOUND = 25
_ELSEWISE = "give its text as stdin, or let the user set sandbox.read"


class SandboxRoom:
    """The part of the daemon that runs code. Any thread may call."""

    def __init__(self, settings: SandboxSettings, cortex: Callable[[], Cortex]) -> None:
        self._settings, self._cortex = settings, cortex
        self._places = threading.BoundedSemaphore(settings.at_once)
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._endings: dict[str, int] = {}
        self._running = 0
        self._closed = False

    def run(
        self,
        code: str,
        *,
        stdin: bytes = b"",
        project: str = "",
        read: Sequence[Path] = (),
        http: Sequence[str] = (),
        seconds: float | None = None,
        memory_mib: int | None = None,
        on_output: Callable[[int, bytes], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        """Run Python and wait for its end. `read` and `http` are granted besides what the settings grant.
        `cancel`, set by any thread, ends it as "stopped".

        Raises `InvalidInputError` for a limit that cannot be, `BusyError` when too many run,
        `MissingPartError` and `NotFoundError` with what mends it where nothing here can run it.
        """
        settings = self._settings
        if not settings.enabled:
            raise MissingPartError(
                "the sandbox is switched off", hint="sandbox.enabled in config.toml; `nexus config path`"
            )
        limits = Limits(
            wall=seconds or settings.seconds,
            cpu=seconds or settings.seconds,
            memory=(memory_mib or settings.memory_mib) * MIB,
            output=settings.output_kib * 1024,
        )
        grants = Grants(
            http=(*settings.http, *http),
            files=(*settings.read, *read),
            functions={"memory_search": self._memory_search(project)},
        )
        if not self._places.acquire(timeout=_WAIT_SECONDS):
            raise BusyError(
                f"{settings.at_once} sandboxes are running, which is all that may",
                hint="try again, or raise sandbox.at_once",
            )
        try:
            with self._lock:
                self._running += 1
            result = self._run(code, stdin, limits, grants, on_output, cancel)
            with self._lock:
                self._endings[result.ending] = self._endings.get(result.ending, 0) + 1
            return result
        finally:
            with self._lock:
                self._running -= 1
            self._places.release()

    def of_project(self, project: str, paths: Sequence[str]) -> tuple[Path, ...]:
        """The files that an agent at work in `project` may grant to its code. Raises `InvalidInputError`."""
        root = Path(project).resolve() if project else None
        granted = []
        for name in paths:
            path = Path(name) if name.startswith("/") or root is None else root / name
            if root is None or not path.is_absolute():
                raise InvalidInputError(f"{name!r}: no project is known here", hint=_ELSEWISE)
            real = path.resolve()
            if not real.is_relative_to(root):
                raise InvalidInputError(f"{name!r} is outside the project {project}", hint=_ELSEWISE)
            if why := refused_name(real):
                raise InvalidInputError(f"{name!r} is not given to code: {why}", hint="name another file")
            if not real.is_file():
                raise NotFoundError(f"{name!r} is not a file of the project", hint="name files, not folders")
            granted.append(path)
        return tuple(granted)

    def as_dict(self) -> dict[str, Any]:
        """For /api/sandbox: what can run here, its limits and grants, how runs have ended."""
        settings = self._settings
        image, problem = None, ""
        try:
            image = builder.python_image()
        except NexusError as error:
            problem = str(error)
        with self._lock:
            running, endings = self._running, dict(self._endings)
        return {
            "enabled": settings.enabled,
            "backend": settings.backend,
            "backends": [
                {"name": p.backend, "works": p.works, "detail": p.detail, "mend": p.mend, "code": p.code}
                for p in (*backends.preflights(), fallback.preflight())
            ],
            "image": {"key": image.key, "bytes": image.elf.stat().st_size} if image else None,
            "problem": problem,
            "limits": {
                "seconds": settings.seconds,
                "memory_mib": settings.memory_mib,
                "output_kib": settings.output_kib,
                "at_once": settings.at_once,
            },
            "grants": {"http": list(settings.http), "read": [str(path) for path in settings.read]},
            "running": running,
            "endings": endings,
        }

    def families(self) -> list[Family]:
        """For /metrics."""
        with self._lock:
            running, endings = self._running, dict(self._endings)
        return [
            gauge("nexus_sandbox_running", "Runs of agents' code under way.", running),
            by_label("counter", "nexus_sandbox_runs_total", "Runs by how they ended.", "ending", endings),
        ]

    def stop(self) -> None:
        """End the guests that wait. Calling it twice is harmless."""
        with self._lock:
            self._closed, pool, self._pool = True, self._pool, None
        if pool:
            pool.close()

    def _run(
        self,
        code: str,
        stdin: bytes,
        limits: Limits,
        grants: Grants,
        on_output: Callable[[int, bytes], None] | None,
        cancel: threading.Event | None,
    ) -> Result:
        missing = imports.needs_cpython(code) if self._settings.cpython else []
        if missing and fallback.preflight().works:
            return fallback.run_cpython(
                code, limits, grants, stdin=stdin, on_output=on_output, because=missing, cancel=cancel
            )
        pool = self._warm() if limits.memory == self._settings.memory_mib * MIB else None
        if pool:
            return pool.run(
                code, stdin=stdin, on_output=on_output, limits=limits, grants=grants, cancel=cancel
            )
        alone = Sandbox(self._settings.backend, limits, grants)
        return alone.run(code, stdin=stdin, on_output=on_output, cancel=cancel)

    def _warm(self) -> Pool | None:
        with self._lock:
            if self._pool is None and self._settings.warm and not self._closed:
                limits = Limits(memory=self._settings.memory_mib * MIB)
                self._pool = Pool(Sandbox(self._settings.backend, limits), self._settings.warm)
            return self._pool

    def _memory_search(self, project: str) -> HostFunction:
        def memory_search(query: str, limit: int = 8) -> list[dict[str, Any]]:
            """What is remembered about something: text, kind and place of each passage."""
            most = max(1, min(int(limit), _MOST_FOUND))
            found = self._cortex().recall(str(query), most, where=Filter(project=project))
            return [{"text": r.chunk.text, "kind": r.chunk.kind, "path": r.chunk.path} for r in found]

        return memory_search

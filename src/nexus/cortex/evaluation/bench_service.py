"""Section `service`: what an agent waits for, and what the service holds in memory while it waits."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from nexus.core.errors import NexusError
from nexus.core.paths import Home
from nexus.cortex.evaluation.filling import fill, invented, sentences
from nexus.cortex.evaluation.measures import percentile
from nexus.cortex.evaluation.options import Options
from nexus.cortex.evaluation.product import opened
from nexus.cortex.evaluation.report import OnProgress, Row, Section
from nexus.cortex.evaluation.running_service import INITIALIZE, RunningService, hook_client, process_cost

_CHUNKS, _QUICK_CHUNKS = 10_000, 1_000
_MEMORIES, _RUNS, _STARTS = 200, 50, 10
_IDLE_SECONDS = 100
_SOON_IDLE = {"NEXUS_CORTEX_UNLOAD_MINUTES": "1"}
_SEARCH = {"name": "memory_search", "arguments": {"query": "which port does service 7 listen on?"}}
_PROMPT = {
    "hook_event_name": "UserPromptSubmit",
    "cwd": "/",
    "prompt": "Which port does service 7 listen on?",
}


def measure(options: Options, on_progress: OnProgress) -> Section:
    """Run it. Raises `NexusError` when the service does not come up."""
    section = Section("service", "Service: a real one in a home of its own")
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as folder:
        section.add(_small(options, Path(folder) / "small", on_progress))
        home = Home(Path(folder) / "large" / "home")
        chunks = _fill(options, home, on_progress)
        service = RunningService(home.root, options.models, **_SOON_IDLE)
        try:
            on_progress("starting the service", 0, 0)
            first = service.start()
            section.add([_memory(f"memory with {chunks:,} chunks, started", service)])
            _remember(service, on_progress)
            section.add(_mcp(service, first, on_progress))
            section.add(_hook(service, home, on_progress))
            section.add([_memory(f"memory with {chunks:,} chunks, in use", service)])
            section.add([_idle(f"memory with {chunks:,} chunks, idle", service, options, on_progress)])
        finally:
            service.stop()
    section.notes.append(
        f"MCP and hooks: with {_MEMORIES} memories and {chunks:,} chunks; milliseconds are on the wall"
    )
    return section


def _small(options: Options, folder: Path, on_progress: OnProgress) -> Iterable[Row]:
    """The memory of a service that knows little: what stays when nothing is done."""
    folder.mkdir()
    service = RunningService(folder / "home", options.models, **_SOON_IDLE)
    try:
        on_progress("starting the service", 0, 0)
        service.start()
        yield _memory("memory when started", service)
        _remember(service, on_progress)
        _searched(service.call)
        yield _memory("memory in use", service)
        yield _idle("memory when idle, embedders unloaded", service, options, on_progress)
    finally:
        service.stop()


def _idle(what: str, service: RunningService, options: Options, on_progress: OnProgress) -> Row:
    if options.quick:
        why = f"left out by --quick: takes {_IDLE_SECONDS} s"
        return Row(what, None, "MB", goal=150.0, most=True, note=why)
    for second in range(_IDLE_SECONDS):
        on_progress("waiting until it is idle", second, _IDLE_SECONDS)
        time.sleep(1)
    idle = _memory(what, service)
    note = f"{idle.note}; {_MEMORIES} memories, {_IDLE_SECONDS} s after the last question"
    return replace(idle, goal=150.0, most=True, note=note)


def _memory(what: str, service: RunningService) -> Row:
    held, mapped = service.resident()
    return Row(what, held, "MB", note=f"{mapped:.0f} of them mapped files")


def _fill(options: Options, home: Home, on_progress: OnProgress) -> int:
    texts = sentences(options.data)
    if not texts:
        home.create()
        return 0
    count = _QUICK_CHUNKS if options.quick else _CHUNKS
    product = opened(home, invented(options.models))
    with product.cortex:
        fill(product, texts, count, lambda done, total: on_progress("filling a store", done, total))
    return count


def _remember(service: RunningService, on_progress: OnProgress) -> None:
    for number in range(_MEMORIES):
        fact = f"service {number} listens on port {3000 + number} of host {number % 17}"
        reply = service.http.post("/api/memories", json={"learning": fact})
        if reply.status_code >= 400:
            raise NexusError(f"the service refused a memory: {reply.text[:300]}")
        on_progress("remembering", number + 1, _MEMORIES)


def _mcp(service: RunningService, first: float, on_progress: OnProgress) -> Iterable[Row]:
    on_progress("asking over MCP", 0, 0)
    yield Row("MCP initialize, HTTP, the moment it listens", first, "ms", goal=300.0, most=True)
    hello = _times(lambda: service.call("initialize", INITIALIZE))
    yield Row("MCP initialize, HTTP, median", percentile(hello, 50), "ms", goal=300.0, most=True)
    yield _call("HTTP", _times(lambda: _searched(service.call)))

    def handshake() -> None:
        with service.relay() as ask:
            ask("initialize", INITIALIZE)

    begun = _times(handshake, _STARTS)
    note = "starting and ending `nexus mcp` included"
    yield Row("MCP initialize, stdio, median", percentile(begun, 50), "ms", goal=300.0, most=True, note=note)
    with service.relay() as ask:
        ask("initialize", INITIALIZE)
        yield _call("stdio", _times(lambda: _searched(ask)))


def _call(transport: str, times: list[float]) -> Row:
    note = f"95th percentile {percentile(times, 95):.1f}"
    return Row(f"memory_search, {transport}, median", percentile(times, 50), "ms", note=note)


def _searched(ask: Callable[..., object]) -> None:
    answer = json.dumps(ask("tools/call", _SEARCH))
    if "3007" not in answer:
        raise NexusError(f"memory_search did not find what was remembered: {answer[:300]}")


def _hook(service: RunningService, home: Home, on_progress: OnProgress) -> Iterable[Row]:
    client = hook_client()
    if client is None:
        yield Row("hook client", None, note="nexus-hook is not installed beside this Python")
        return
    on_progress("hooking", 0, 0)
    down = home.root.parent / "down"
    (down / "run").mkdir(parents=True)
    for what, env, goal in (
        ("at a prompt", service.env, None),
        ("with no service", {**service.env, "NEXUS_HOME": str(down)}, 10.0),
    ):
        wall, cpu = [], []
        for number in range(_RUNS):
            event = json.dumps({**_PROMPT, "session_id": f"bench-{number}"}).encode()
            waited, spent, printed = process_cost([str(client)], event, env)
            if goal is None and b"additionalContext" not in printed:
                raise NexusError(f"the hook was given nothing for a prompt: {printed[:300]!r}")
            wall.append(waited)
            cpu.append(spent)
        note = f"95th percentile {percentile(wall, 95):.1f}"
        yield Row(f"hook {what}: wall, median", percentile(wall, 50), "ms", goal=goal, most=True, note=note)
        yield Row(f"hook {what}: CPU of the client, median", percentile(cpu, 50), "ms", goal=2.0, most=True)


def _times(work: Callable[[], object], runs: int = _RUNS) -> list[float]:
    """Milliseconds on the wall."""
    found = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - started))
    return found

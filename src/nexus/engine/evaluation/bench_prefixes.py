"""Time to the first token with a long beginning that was read before: cold, again, by many, after a restart.

Measured from outside, as an application sees it: the engine's worker, its HTTP, its store on the disk.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from nexus.engine.base import ChatMessage, ChatRequest, Finish
from nexus.engine.child_engine import ChildEngine
from nexus.engine.evaluation.figures import Report, load, text
from nexus.engine.worker_settings import WorkerSettings

TOKENS = 4000
AGENTS = 100


def measure(
    model: Path, report: Report, *, tokens: int = TOKENS, agents: int = AGENTS, book: Path | None = None
) -> dict[str, Any]:
    """Seconds to the first token and how many tokens of the prompt came out of the store."""
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as place:
        folder = Path(place)
        settings = WorkerSettings("local", str(model), 32_768, store=str(folder / "store"))
        engine = ChildEngine(model, name=model.stem, kinds=[settings], run_folder=folder)
        found: dict[str, Any] = {}
        engine.start()
        try:
            beginning = _beginning(engine, tokens, book)
            found["cold"] = _ask(engine, beginning, "first")
            found["warm"] = _ask(engine, beginning, "second")
            one = _stored(folder / "store")
            begun = time.monotonic()
            for agent in range(agents):
                last = _ask(engine, beginning, f"agent {agent}")
            found["last of many"] = {
                **last,
                "agents": agents,
                "seconds_all": round(time.monotonic() - begun, 1),
            }
            found["stored_mb"] = {"one": one >> 20, "all": _stored(folder / "store") >> 20}
        finally:
            engine.stop()
        report(f"  cold {found['cold']}, warm {found['warm']}")
        engine.start()
        try:
            found["after restart"] = _ask(engine, beginning, "third")
        finally:
            engine.stop()
        report(f"  after restart {found['after restart']}")
    for kind in ("warm", "after restart"):
        found[f"cold_to_{kind.replace(' ', '_')}"] = round(
            found["cold"]["first_token_s"] / found[kind]["first_token_s"], 1
        )
    return {**found, "load": load()}


def _beginning(engine: ChildEngine, tokens: int, book: Path | None) -> str:
    whole = text(book)
    each = engine.count_tokens(whole[:20_000]) / 20_000
    return whole[: int(tokens / each)]


def _ask(engine: ChildEngine, beginning: str, who: str) -> dict[str, Any]:
    messages = [
        ChatMessage("system", f"You help to find passages.\n\n{beginning}"),
        ChatMessage("user", f"This is the {who} question: name one topic of the text."),
    ]
    finish: Finish | None = None
    for event in engine.chat(ChatRequest(messages, max_tokens=4, temperature=0.0)):
        if isinstance(event, Finish):
            finish = event
    assert finish is not None
    return {
        "first_token_s": round(finish.seconds_to_first_token or finish.seconds, 3),
        "prompt_tokens": finish.usage.prompt_tokens,
        "from_store": finish.usage.cached_tokens,
    }


def _stored(folder: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir() if file.is_file())

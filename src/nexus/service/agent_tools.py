"""What the nine tools of an agent do, whatever protocol calls them.

A call takes the tool's name and its arguments as they came and gives a `Reply`: text to read, and the
same with ids as data. Knows nothing of MCP. Invariants: foreign text is quoted and labelled
(`nexus.service.quoting`); a reply is bounded in tokens; what an agent saves is never marked as
confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, ValidationError

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.cortex.cortex import Cortex
from nexus.cortex.filters import Filter
from nexus.cortex.memory import Confidence, MemoryType
from nexus.cortex.retriever import Result
from nexus.service.agent_reply import Arguments, Reply
from nexus.service.daemon import Daemon
from nexus.service.file_tools import FindFiles, TagFile, find_files, tag_file
from nexus.service.quoting import block, harmless, memory_label, quotation, quote
from nexus.service.sandbox_tool import RunPython, run_python

_SEARCH_TOKENS = 2000
_ALL: tuple[Literal["memory", "document", "transcript"], ...] = ("memory", "document", "transcript")
# Who an answer was given to, for the echo guard: MCP does not say which session of an agent asks.
_SESSION = "mcp"


class _Search(Arguments):
    query: str = Field(min_length=1, max_length=10_000)
    limit: int = Field(default=8, ge=1, le=25)
    kinds: tuple[Literal["memory", "document", "transcript"], ...] = _ALL
    path: str = Field(default="", max_length=4096)
    after: str = ""
    before: str = ""
    all_projects: bool = False
    expected: str = Field(default="", max_length=10_000)


class _Id(Arguments):
    id: str = Field(max_length=200)


class _Save(Arguments):
    learning: str = Field(max_length=100_000)
    context: str = Field(default="", max_length=4000)
    type: MemoryType = "factual"
    confidence: Confidence = "medium"


class _Pack(Arguments):
    question: str = Field(min_length=1, max_length=10_000)
    tokens: int = Field(default=1500, ge=200, le=8000)
    expected: str = Field(default="", max_length=10_000)


class _Nothing(Arguments):
    pass


def call(daemon: Daemon, name: str, arguments: Mapping[str, Any], project: str = "") -> Reply:
    """Run a tool for an agent that works in `project` (an absolute folder, or empty).

    Raises `NotFoundError` for a tool there is not, `InvalidInputError` naming the argument, and what the
    tool itself refuses.
    """
    tool = _TOOLS.get(name)
    if tool is None:
        raise NotFoundError(f"there is no tool {name!r}", hint=f"there are {', '.join(_TOOLS)}")
    form, run = tool
    try:
        parsed = form.model_validate(dict(arguments))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the arguments"
        raise InvalidInputError(f"{name}: {where}: {first['msg']}", hint="see the tool's schema") from None
    return run(daemon, parsed, project)


def _search(daemon: Daemon, wanted: _Search, project: str) -> Reply:
    cortex = daemon.cortex
    where = Filter(
        project="" if wanted.all_projects else project,
        path=wanted.path,
        after=_moment("after", wanted.after),
        before=_moment("before", wanted.before),
    )
    results = cortex.recall(wanted.query, wanted.limit, wanted.kinds, where, wanted.expected)
    quoted = quote(results, _SEARCH_TOKENS, cortex.memory)
    if not quoted.results:
        return Reply("Nothing is known about this.", {"results": []})
    cortex.shown(_SESSION, quoted.texts)
    cortex.used(quoted.results)
    rows = [_row(cortex, result) for result in quoted.results]
    return Reply(quoted.text, {"results": rows, "left_out": quoted.left_out})


def _row(cortex: Cortex, result: Result) -> dict[str, Any]:
    chunk = result.chunk
    row: dict[str, Any] = {"kind": chunk.kind, "score": round(result.scores.total, 3)}
    if chunk.kind == "memory":
        row["id"] = chunk.path.rsplit("/", 1)[-1].removesuffix(".md")
    else:
        row |= {"path": harmless(chunk.path), "lines": [chunk.start_line, chunk.end_line]}
    return row


def _get(daemon: Daemon, wanted: _Id, project: str) -> Reply:
    memory = daemon.cortex.memory(wanted.id)
    daemon.cortex.shown(_SESSION, [memory.learning])
    fields = {
        k: v for k, v in memory.as_dict().items() if k not in ("learning", "id") and v not in ("", [], ())
    }
    lines = [memory_label(memory), quotation(memory.learning)]
    lines += [quotation(f"{name}: {_said(value)}") for name, value in fields.items()]
    return Reply(block("\n".join(lines)), {"id": memory.id, "verified": memory.verified})


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _save(daemon: Daemon, wanted: _Save, project: str) -> Reply:
    memory = daemon.cortex.remember(
        wanted.learning,
        context=wanted.context,
        type=wanted.type,
        confidence=wanted.confidence,
        project=project,
        verified=False,
        source="agent",
    )
    daemon.cortex.shown(_SESSION, [memory.learning])
    if memory.verified:
        text = f"Known already, and confirmed by the user: {memory.id}."
    else:
        confirm = f"nexus memories edit {memory.id} --verified"
        text = f"Saved as {memory.id}, unconfirmed until the user says so with `{confirm}`."
    contradicts = list(memory.as_dict().get("contradicts", ()))
    if contradicts:
        text += f" It contradicts {', '.join(contradicts)}: ask the user which of them holds."
    return Reply(text, {"id": memory.id, "verified": memory.verified, "contradicts": contradicts})


def _forget(daemon: Daemon, wanted: _Id, project: str) -> Reply:
    memory = daemon.cortex.memory(wanted.id)
    daemon.cortex.forget(memory.id)
    return Reply(
        block(f"Deleted {memory_label(memory)}\n{quotation(memory.learning)}"), {"forgotten": memory.id}
    )


def _pack(daemon: Daemon, wanted: _Pack, project: str) -> Reply:
    cortex = daemon.cortex
    results = cortex.relevant(wanted.question, 60, _ALL, Filter(project=project), wanted.expected)
    quoted = quote(results, wanted.tokens, cortex.memory)
    if not quoted.results:
        return Reply("Nothing is known about this.", {"sources": 0})
    cortex.shown(_SESSION, quoted.texts)
    cortex.used(quoted.results)
    return Reply(quoted.text, {"sources": len(quoted.results), "left_out": quoted.left_out})


def _status(daemon: Daemon, wanted: _Nothing, project: str) -> Reply:
    counts = daemon.cortex.counts()
    folders = sorted(daemon.cortex.roots())
    lines = [f"{number} {name}" for name, number in counts.items()]
    lines += [f"folder {harmless(folder)}" for folder in folders[:20]]
    if len(folders) > 20:
        lines.append(f"and {len(folders) - 20} more folders")
    if counts.get("proposals"):
        lines.append("proposals wait for the user: `nexus memories list`")
    return Reply("\n".join(lines), {"counts": counts, "state": daemon.state, "project": project})


def _moment(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{name}: {text!r} is not an ISO date", hint="like 2026-11-20") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_TOOLS: dict[str, tuple[type[Arguments], Callable[[Daemon, Any, str], Reply]]] = {
    "memory_search": (_Search, _search),
    "memory_get": (_Id, _get),
    "memory_save": (_Save, _save),
    "memory_forget": (_Id, _forget),
    "context_pack": (_Pack, _pack),
    "memory_status": (_Nothing, _status),
    "find_files": (FindFiles, find_files),
    "tag_file": (TagFile, tag_file),
    "run_python": (RunPython, run_python),
}

NAMES = frozenset(_TOOLS)

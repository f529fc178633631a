"""The tool of an agent that runs code: Python in a sandbox, with files of its project where it names them.

Knows nothing of MCP. Invariants: a reply is bounded in tokens and says what was left out; nothing is granted
outside the agent's project but what the settings grant.
"""

from __future__ import annotations

from pydantic import Field

from nexus.service.agent_reply import Arguments, Reply
from nexus.service.daemon import Daemon
from nexus.service.quoting import tokens_of
from nexus.unikernel.result import Result

_TOKENS = 4000


class RunPython(Arguments):
    """Arguments of the tool `run_python`."""

    code: str = Field(min_length=1, max_length=200_000)
    files: tuple[str, ...] = Field(default=(), max_length=20)
    stdin: str = Field(default="", max_length=200_000)
    seconds: float | None = Field(default=None, gt=0, le=300)


def run_python(daemon: Daemon, wanted: RunPython, project: str) -> Reply:
    """Run it. Raises what `SandboxRoom.run` and `.of_project` raise."""
    room = daemon.sandbox
    result = room.run(
        wanted.code,
        stdin=wanted.stdin.encode(),
        project=project,
        read=room.of_project(project, wanted.files),
        seconds=wanted.seconds,
    )
    parts = []
    if result.stdout:
        parts.append(_shortened(result.stdout.decode(errors="replace"), "stdout"))
    if result.stderr:
        parts.append("stderr:\n" + _shortened(result.stderr.decode(errors="replace"), "stderr"))
    if not result.ok:
        parts.append(f"exit status {result.status}" if result.ending == "exited" else _ended(result))
    elif not parts:
        parts.append("(no output)")
    if result.detail and result.ending == "exited":
        parts.append(f"({result.detail})")
    told = {"ending": result.ending, "status": result.status, "backend": result.backend}
    return Reply("\n".join(part.rstrip("\n") for part in parts), told)


def _ended(result: Result) -> str:
    return f"ended ({result.ending}): {result.detail}" if result.detail else f"ended ({result.ending})"


def _shortened(text: str, name: str) -> str:
    """The beginning and the end of a long output, and how much is between them."""
    if tokens_of(text) <= _TOKENS:
        return text
    keep = len(text) * _TOKENS // tokens_of(text) // 2
    left = len(text) - 2 * keep
    return f"{text[:keep]}\n[... {left} characters of {name} left out; print less ...]\n{text[-keep:]}"

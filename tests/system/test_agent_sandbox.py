"""The real Claude Code, connected by `nexus connect`, solves a task by running code in the sandbox.

Everything is real but the model, which follows a script (`tests.system.scripted_model`): it writes code with
a mistake, reads the traceback, writes it again, and answers with what the sandbox printed.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexus.unikernel.images import Image
from tests.running import Service
from tests.system.scripted_model import Request, ScriptedModel
from tests.system.test_claude_code import Agent, claude, claude_program, model, service

pytestmark = pytest.mark.slow

__all__ = ["claude", "claude_program", "model", "service"]

TASK = "Which day of the week was the median of these dates: 2024-02-29, 2023-07-14, 2025-12-24?"
WRONG = "days = sorted(dates)\nprint(days[1])\n"
RIGHT = """\
import datetime
days = sorted(datetime.date.fromisoformat(d) for d in ("2024-02-29", "2023-07-14", "2025-12-24"))
print(days[1].strftime("%A %d %B %Y"))
"""


def tool_results(request: Request) -> list[str]:
    """What tools have answered so far, as the model reads it."""
    blocks: list[dict[str, Any]] = [
        block
        for message in request["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block.get("type") == "tool_result"
    ]
    return [json.dumps(block["content"]) for block in blocks]


def solve(request: Request) -> tuple[str, dict[str, Any]] | None:
    """The model's script: try, read the traceback, mend, stop."""
    if not any(tool.get("name") == "mcp__nexus__run_python" for tool in request.get("tools", ())):
        return None
    results = tool_results(request)
    if not results:
        return "mcp__nexus__run_python", {"code": WRONG}
    if "NameError" in results[-1]:
        return "mcp__nexus__run_python", {"code": RIGHT}
    return None


def answer(request: Request) -> str:
    results = tool_results(request)
    return f"It printed {results[-1]}" if results else "Noted."


@pytest.mark.timeout(400)
def test_claude_code_solves_a_task_with_run_python(
    python_image: Image, service: Service, claude: Agent, model: ScriptedModel
) -> None:
    shelf = service.root / "cache" / "unikernel"
    shelf.mkdir(parents=True, exist_ok=True)
    (shelf / python_image.key).symlink_to(python_image.folder)
    claude.nexus("connect", "claude-code", "--yes")
    model.script, model.words = solve, answer
    said = claude.run("claude", "-p", TASK, "--allowedTools", "mcp__nexus__run_python")
    assert "Thursday 29 February 2024" in said
    results = [result for request in model.requests for result in tool_results(request)]
    assert any("NameError: name 'dates' is not defined" in result for result in results)
    with service.client() as http:
        runs = http.get("/api/sandbox").json()
    assert runs["endings"] == {"exited": 2}  # both runs were the sandbox's

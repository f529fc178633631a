"""Who codes in the story: the real Claude Code with a scripted model, or its hooks and calls without it.

Where there is no `claude`, what it would do is done by the programs that it would start: the hook client with
its events and a transcript in its form, and `nexus mcp` with the client library of MCP. Invariant: either way
what is returned is what a model would have been given to read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import uuid
from pathlib import Path
from typing import Any, Protocol

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.running import Service
from tests.system.scripted_model import ScriptedModel, call_once
from tests.system.test_agent_sandbox import tool_results
from tests.system.test_claude_code import Agent

_HOOK = Path(sysconfig.get_path("scripts")) / "nexus-hook"


class Coder(Protocol):
    """An agent that writes code, connected to the service."""

    name: str

    def connect(self) -> None:
        """`nexus connect`."""

    def session(self, prompt: str) -> str:
        """A whole session with this prompt; what its model was given to read."""

    def run_python(self, prompt: str, code: str) -> str:
        """A session in which the model calls `run_python`; what that answered."""


class ClaudeCode(Agent):
    """The real program; its model follows a script."""

    name = "Claude Code"
    patience = 600.0

    def __init__(self, service: Service, model: ScriptedModel, folder: Path, program: Path) -> None:
        folder.mkdir()
        super().__init__(service, model, folder, program)
        python = {name: value for name, value in os.environ.items() if name == "PYTHONPATH"}
        self.env = {
            **self.env,
            **python,
            "XDG_RUNTIME_DIR": service.env["XDG_RUNTIME_DIR"],
            # It waits 5 s for its tools and begins without those that are late; a busy machine is late.
            "MCP_CONNECTION_NONBLOCKING": "0",
            "MCP_CONNECT_TIMEOUT_MS": "300000",
            "MCP_TIMEOUT": "300000",
        }

    def connect(self) -> None:
        self.nexus("connect", "claude", "--yes")

    def session(self, prompt: str) -> str:
        self.model.requests.clear()
        self.run("claude", "-p", prompt)
        return self.model.read

    def run_python(self, prompt: str, code: str) -> str:
        self.model.requests.clear()
        self.model.script = call_once("mcp__nexus__run_python", code=code)
        try:
            self.run("claude", "-p", prompt, "--allowedTools", "mcp__nexus__run_python")
        finally:
            self.model.script = lambda request: None
        offered = [tool["name"] for request in self.model.requests for tool in request.get("tools", ())]
        assert "mcp__nexus__run_python" in offered, f"Claude Code began without its tools: {offered}"
        return "\n".join(result for request in self.model.requests for result in tool_results(request))


class Hooked:
    """What Claude Code would send and start, without it."""

    name = "the hook client and MCP, as Claude Code makes their calls"

    def __init__(self, service: Service, folder: Path) -> None:
        self._service = service
        self._claude = folder / "claude"
        self._work = folder / "work"
        self._sessions = self._claude / "projects" / "-work"
        for made in (self._work, self._sessions):
            made.mkdir(parents=True)

    def connect(self) -> None:
        """Nobody's settings are there to be changed; that the programs are is all it needs."""
        assert _HOOK.is_file(), f"{_HOOK} is missing; `make up` builds it"

    def session(self, prompt: str) -> str:
        name = str(uuid.uuid4())
        path = self._sessions / f"{name}.jsonl"
        given = self._event("SessionStart", name, path, source="startup")
        given += self._event("UserPromptSubmit", name, path, prompt=prompt)
        lines = [self._line(name, "user", prompt), self._line(name, "assistant", "Noted.")]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        self._event("Stop", name, path)
        self._event("SessionEnd", name, path, reason="other")
        return f"{prompt}\n{given}"

    def run_python(self, prompt: str, code: str) -> str:
        self.session(prompt)
        # The installed program, as the agent starts it.
        program = str(Path(sys.executable).with_name("nexus"))
        server = StdioServerParameters(
            command=program, args=["mcp"], env=self._service.env, cwd=str(self._work)
        )

        async def called() -> str:
            async with Client(stdio_client(server)) as client:
                answer = await client.call_tool("run_python", {"code": code})
                return json.dumps([part.model_dump(mode="json") for part in answer.content])

        return anyio.run(called)

    def _event(self, name: str, session: str, path: Path, **more: Any) -> str:
        event = {"hook_event_name": name, "session_id": session, "transcript_path": str(path), **more}
        done = subprocess.run(
            [str(_HOOK)],
            input=json.dumps({**event, "cwd": str(self._work)}).encode(),
            env={"NEXUS_HOME": str(self._service.root), "CLAUDE_CONFIG_DIR": str(self._claude)},
            capture_output=True,
            timeout=60,
            check=True,
        )
        if not done.stdout:
            return ""
        return str(json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"])

    def _line(self, session: str, role: str, text: str) -> dict[str, Any]:
        return {
            "type": role,
            "message": {"role": role, "content": text},
            "uuid": str(uuid.uuid4()),
            "sessionId": session,
            "cwd": str(self._work),
            "timestamp": "2026-11-20T07:00:00Z",
        }

"""The real Codex, with the model of this machine behind it instead of its own.

The program is npm's @openai/codex; NEXUS_TEST_CODEX names it where it is not in PATH. What a model says
is not the same twice, so the session that must come out the same has a model with a script behind our
service. NEXUS_TEST_CHAT_MODEL may name the GGUF file of a larger model than the small one that all tests
have: then two sessions are held with that as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.running import Service, running
from tests.system.scripted_engine import NAME, scripted_engine

# Read now: tests run without the variables of ours that the user has set.
CODEX = os.environ.get("NEXUS_TEST_CODEX") or shutil.which("codex")
CHAT_MODEL = os.environ.get("NEXUS_TEST_CHAT_MODEL", "")
NOTE = "The staging port is 6543."
# Each needs a look at the machine. A small model does not call the tool every time.
REQUESTS = (
    "Read notes.txt: which port does staging use?",
    "Run uname -r and tell me the kernel version.",
    "How many lines does notes.txt have?",
    "List the files in this folder.",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


class Codex:
    """Codex with a home of its own, pointed at the service in the way the guide says."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.work = folder / "work"
        self.work.mkdir()
        (self.work / "notes.txt").write_text(f"{NOTE}\n")
        self.home = folder / "codex"
        self.home.mkdir()
        (folder / "temporary").mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "CODEX_HOME": str(self.home),
            # Codex does not make its sandbox's programs in a home that lies in the temporary folder.
            "TMPDIR": str(folder / "temporary"),
        }

    def point_at(self, service: Service, model: str) -> None:
        """Settings as a person might write them."""
        (self.home / "config.toml").write_text(
            f'model = "{model}"\nmodel_provider = "nexus"\n'
            f'[model_providers.nexus]\nname = "NexusOS"\nbase_url = "{service.url}/v1"\n'
            'env_key = "SERVICE_TOKEN"\nwire_api = "responses"\nstream_idle_timeout_ms = 3000000\n'
        )

        self.env["SERVICE_TOKEN"] = service.token

    def ask(self, service: Service, prompt: str) -> list[dict[str, Any]]:
        """One session. Returns what it reports, event by event."""
        done = subprocess.run(
            [self.program, "exec", "--skip-git-repo-check", "--json", prompt],
            cwd=self.work,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3500,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{service.log()}"
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def items(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """What was completed of a kind."""
    ended = [event["item"] for event in events if event["type"] == "item.completed"]
    return [item for item in ended if item["type"] == kind]


@pytest.fixture
def codex(tmp_path):
    if not CODEX:
        pytest.skip("no `codex` in PATH or NEXUS_TEST_CODEX: npm install -g @openai/codex")
    return Codex(Path(CODEX), tmp_path)


def test_a_session_with_a_tool(codex, tmp_path, models_folder, granite_folder, embedder_folder):
    with (
        scripted_engine("exec_command", {"cmd": "cat notes.txt"}, "It is 6543.") as engine,
        running(tmp_path / "nexus", models_folder, **engine.environment) as service,
    ):
        codex.point_at(service, NAME)
        events = codex.ask(service, "Read notes.txt: which port does staging use?")
        with service.client() as http:
            figures = http.get("/metrics").text
    (command,) = items(events, "command_execution")
    assert NOTE in command["aggregated_output"]
    assert [item["text"] for item in items(events, "agent_message")] == ["It is 6543."]
    usage = events[-1]["usage"]
    assert events[-1]["type"] == "turn.completed"
    assert (usage["input_tokens"], usage["cached_input_tokens"]) == (200, 120)
    first, second = engine.requests
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert {"exec_command", "write_stdin"} <= {tool["function"]["name"] for tool in first["tools"]}
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert NOTE in second["messages"][3]["content"]
    # What was left out is told, not forgotten.
    assert 'nexus_api_unknown_fields_total{field="tools.web_search"} 2' in figures


def test_sessions_with_tools_and_the_local_model(
    codex, tmp_path, models_folder, granite_folder, embedder_folder
):
    if not CHAT_MODEL:
        pytest.skip("NEXUS_TEST_CHAT_MODEL names no GGUF file of a larger model")
    settings = {"NEXUS_ENGINE_MODEL": CHAT_MODEL, "NEXUS_ENGINE_CONTEXT": "0"}
    with running(tmp_path / "nexus", models_folder, 900, **settings) as service:
        service.env |= {"CODEX_HOME": str(codex.home), "HOME": codex.env["HOME"]}
        done = service.cli("connect", "codex", "--local", "--no-mcp", "--no-hooks", "--yes")
        assert done.returncode == 0, done.stderr
        sessions = [codex.ask(service, request) for request in REQUESTS]
        done = service.cli("disconnect", "codex", "--yes")
        assert done.returncode == 0, done.stderr
    assert not list(codex.home.glob("*.toml")) + list(codex.home.glob("nexus*"))
    commands = []
    for request, events in zip(REQUESTS, sessions, strict=True):
        assert events[-1]["type"] == "turn.completed", events
        run = [item for item in items(events, "command_execution") if item["exit_code"] == 0]
        print(request, [item["command"] for item in run], [i["text"] for i in items(events, "agent_message")])
        commands += run
    assert commands, sessions
    # What stands before the request is the same in all.
    assert sessions[1][-1]["usage"]["cached_input_tokens"] > 1000

"""The real Claude Code, with the model of this machine behind it instead of its own.

The program is npm's @anthropic-ai/claude-code; NEXUS_TEST_CLAUDE names it where it is not in PATH.
NEXUS_TEST_CHAT_MODEL may name a larger GGUF file than the small model that all tests have: then a session
with a tool is tested as well, which the small one is not able to hold.
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

# Read now: tests run without the variables of ours that the user has set.
CLAUDE = os.environ.get("NEXUS_TEST_CLAUDE") or shutil.which("claude")
CHAT_MODEL = os.environ.get("NEXUS_TEST_CHAT_MODEL", "")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Claude:
    """Claude Code with a home of its own, pointed at the service in the way the guide says."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.work = folder / "work"
        self.work.mkdir()
        self.home = folder / "claude"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "CLAUDE_CONFIG_DIR": str(self.home),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "1000",
            "API_TIMEOUT_MS": "3600000",
            "DISABLE_AUTOUPDATER": "1",
        }

    def ask(self, service: Service | None, prompt: str, *options: str) -> dict[str, Any]:
        """One session in print mode; without `service` its settings say where that is. Returns its report."""
        where = {"ANTHROPIC_BASE_URL": service.url, "ANTHROPIC_AUTH_TOKEN": service.token} if service else {}
        done = subprocess.run(
            [self.program, "-p", prompt, "--output-format", "json", "--tools", "Read", *options],
            cwd=self.work,
            env={**self.env, **where},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1700,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        report: dict[str, Any] = json.loads(done.stdout)
        assert report["is_error"] is False, report
        return report

    def results(self) -> list[dict[str, Any]]:
        """What tools have answered, as its sessions keep it."""
        found = []
        for session in self.home.rglob("*.jsonl"):
            for line in session.read_text().splitlines():
                content = json.loads(line).get("message", {}).get("content")
                found += (
                    [b for b in content if b.get("type") == "tool_result"]
                    if isinstance(content, list)
                    else []
                )
        return found


@pytest.fixture
def claude_program():
    if not CLAUDE:
        pytest.skip("no `claude` in PATH or NEXUS_TEST_CLAUDE: npm install -g @anthropic-ai/claude-code")
    return Path(CLAUDE)


@pytest.fixture
def large_model():
    if not CHAT_MODEL:
        pytest.skip("NEXUS_TEST_CHAT_MODEL names no GGUF file of a model that can call tools")
    assert Path(CHAT_MODEL).is_file(), CHAT_MODEL
    return CHAT_MODEL


def test_two_sessions_share_what_the_model_has_read(
    claude_program, tmp_path, models_folder, granite_folder, smollm2_path
):
    claude = Claude(claude_program, tmp_path)
    with running(tmp_path / "nexus", models_folder, NEXUS_ENGINE_CONTEXT="8192") as service:
        first = claude.ask(service, "What is the capital of France?")
        second = claude.ask(service, "What is the capital of Italy?")
    for report in (first, second):
        assert report["result"].strip()
        assert report["usage"]["output_tokens"] > 0
    # What stands before the question is the same in both, but for a line that is for the provider.
    assert second["usage"]["cache_read_input_tokens"] > 1000
    assert second["usage"]["input_tokens"] < second["usage"]["cache_read_input_tokens"]


def test_one_command_lets_it_think_with_the_local_model_and_one_takes_it_back(
    claude_program, tmp_path, models_folder, granite_folder, smollm2_path
):
    claude = Claude(claude_program, tmp_path)
    claude.home.mkdir()
    own = b'{\r\n\t"cleanupPeriodDays": 99\r\n}'
    (claude.home / "settings.json").write_bytes(own)
    # The login of a cloud: it must neither be sent beside our key nor be gone afterwards.
    claude.env["ANTHROPIC_API_KEY"] = "sk-of-the-cloud"
    with running(tmp_path / "nexus", models_folder, NEXUS_ENGINE_CONTEXT="8192") as service:
        service.env |= {"CLAUDE_CONFIG_DIR": str(claude.home), "HOME": claude.env["HOME"]}
        done = service.cli("connect", "claude", "--local", "--no-mcp", "--no-hooks", "--yes")
        assert done.returncode == 0, done.stderr
        report = claude.ask(None, "What is the capital of France?")
        assert "smollm2-135m" in report["modelUsage"]
        done = service.cli("disconnect", "claude", "--yes")
        assert done.returncode == 0, done.stderr
    assert (claude.home / "settings.json").read_bytes() == own


def test_after_a_restart_the_prompt_is_read_from_the_disk(
    claude_program, tmp_path, models_folder, granite_folder, smollm2_path
):
    claude = Claude(claude_program, tmp_path)
    settings = {"NEXUS_ENGINE_CONTEXT": "8192", "NEXUS_ENGINE_KIND": "local"}
    with running(tmp_path / "nexus", models_folder, **settings) as service:
        claude.ask(service, "What is the capital of France?")
    with running(tmp_path / "nexus", models_folder, **settings) as service:
        report = claude.ask(service, "What is the capital of Italy?")
    assert report["usage"]["cache_read_input_tokens"] > 1000


def test_a_session_with_a_tool(claude_program, large_model, tmp_path, models_folder, granite_folder):
    claude = Claude(claude_program, tmp_path)
    (claude.work / "notes.txt").write_text("The staging port is 6543.\n")
    settings = {"NEXUS_ENGINE_MODEL": large_model, "NEXUS_ENGINE_CONTEXT": "0"}
    with running(tmp_path / "nexus", models_folder, **settings) as service:
        report = claude.ask(
            service, "Read the file notes.txt and tell me the staging port.", "--allowedTools", "Read"
        )
    assert report["num_turns"] > 1, "the tool was called"
    assert report["result"].strip()
    assert any("6543" in json.dumps(result) for result in claude.results())

"""The real Claude Code and the real Codex, set up by `nexus connect`, remember in the next session.

Everything is real but the model, which follows a script (`tests.system.scripted_model`): what is tested
is what the model would be given to read, and what becomes of what the user says. The programs are npm's
@anthropic-ai/claude-code and @openai/codex; NEXUS_TEST_CLAUDE and NEXUS_TEST_CODEX name them where they
are not in PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nexus.service.tool_schemas import TOOLS
from tests.running import Service, running
from tests.system.scripted_model import ScriptedModel, call_once, scripted_model

pytestmark = pytest.mark.slow

SECRET = "AKIA" + "Q3EGRN7XJ2WLM5PD"
FACT = "Remember: our staging database listens on port 6543"
QUESTION = "Which port does the staging database listen on?"


# Read now: tests run without the variables of ours that the user has set.
CLAUDE = os.environ.get("NEXUS_TEST_CLAUDE") or shutil.which("claude")
CODEX = os.environ.get("NEXUS_TEST_CODEX") or shutil.which("codex")


@pytest.fixture
def claude_program():
    if not CLAUDE:
        pytest.skip("no `claude` in PATH or NEXUS_TEST_CLAUDE: npm install -g @anthropic-ai/claude-code")
    return Path(CLAUDE)


@pytest.fixture
def codex_program():
    if not CODEX:
        pytest.skip("no `codex` in PATH or NEXUS_TEST_CODEX: npm install -g @openai/codex")
    return Path(CODEX)


class Agent:
    """An agent with a home of its own, and the service it is connected to."""

    patience = 120.0

    def __init__(self, service: Service, model: ScriptedModel, folder: Path, executable: Path) -> None:
        self.service, self.model = service, model
        self.work = folder / "work"
        self.work.mkdir()
        (folder / "bin").mkdir()
        (folder / "bin" / executable.name).symlink_to(executable.absolute())
        self.claude, self.codex = folder / "claude", folder / "codex"
        self.claude.mkdir()
        self.codex.mkdir()
        self.env = {
            "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "NEXUS_HOME": str(service.root),
            "CLAUDE_CONFIG_DIR": str(self.claude),
            "CODEX_HOME": str(self.codex),
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_API_KEY": "none-is-needed",
            "LOCAL_KEY": "none-is-needed",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }

    def run(self, *command: str, where: str = "") -> str:
        folder = self.work / where
        folder.mkdir(exist_ok=True)
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.patience,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def nexus(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "nexus", *arguments)

    def settings(self) -> dict[str, object]:
        """The agent's settings files: their bytes, or what its own registry says of servers."""
        found: dict[str, object] = {}
        for path in (self.claude / "settings.json", self.work / ".mcp.json", self.work / ".claude"):
            found[path.name] = path.read_bytes() if path.is_file() else path.exists()
        registry = self.claude / ".claude.json"
        # It writes that file itself, with counters and times of its own.
        found["servers"] = json.loads(registry.read_text()).get("mcpServers") or {}
        return found

    def proposal(self, words: str) -> str:
        """The id of the proposal with these words, once it is there."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with self.service.client() as http:
                for proposal in http.get("/api/memories").json()["proposals"]:
                    if words in proposal["learning"]:
                        return str(proposal["id"])
            time.sleep(0.1)
        raise AssertionError(f"nothing with {words!r} was proposed\n{self.service.log()}")

    def heard(self, words: str) -> None:
        """Wait until a session with these words can be found."""
        deadline = time.monotonic() + 30
        body = {"query": words, "kinds": ["transcript"]}
        with self.service.client() as http:
            while words not in json.dumps(http.post("/api/recall", json=body).json()["results"]):
                assert time.monotonic() < deadline, f"the session was not captured\n{self.service.log()}"
                time.sleep(0.1)

    def kept(self, words: str) -> list[Path]:
        """The files of the service that hold these words."""
        files = [path for path in self.service.root.rglob("*") if path.is_file()]
        return [path for path in files if words.encode() in path.read_bytes()]


@pytest.fixture
def model():
    with scripted_model() as model:
        yield model


@pytest.fixture
def service(tmp_path, models_folder, granite_folder, smollm2_path):
    # Where the agents keep their sessions is said by the hooks themselves.
    with running(tmp_path / "nexus", models_folder) as service:
        yield service


@pytest.fixture
def claude(claude_program, service, model, tmp_path):
    return Agent(service, model, tmp_path, claude_program)


@pytest.fixture
def codex(codex_program, service, model, tmp_path):
    agent = Agent(service, model, tmp_path, codex_program)
    (agent.codex / "config.toml").write_text(
        f'model = "local"\nmodel_provider = "local"\n\n[model_providers.local]\nname = "local"\n'
        f'base_url = "{model.url}/v1"\nenv_key = "LOCAL_KEY"\nwire_api = "responses"\n'
    )
    return agent


def test_claude_code_recalls_in_the_next_session_what_was_said_and_approved(claude, model):
    own = '{\n  "permissions": {"allow": ["mcp__nexus__memory_search"]}\n}\n'
    (claude.claude / "settings.json").write_text(own)
    shown = claude.nexus("connect", "claude-code", "--dry-run")
    assert "nexus-hook" in shown
    assert "mcp add" in shown
    assert (claude.claude / "settings.json").read_text() == own
    claude.nexus("connect", "claude-code", "--yes")
    assert "nothing to change" in claude.nexus("connect", "claude-code", "--yes")
    assert "Connected" in claude.run("claude", "mcp", "list")

    claude.run("claude", "-p", FACT)
    assert "6543" in model.read  # the model heard the user say so
    proposal = claude.proposal("6543")
    model.requests.clear()
    claude.run("claude", "-p", QUESTION)
    assert "> our staging database" not in model.read, "nothing unapproved is recalled as a memory"
    claude.nexus("memories", "approve", proposal)

    model.requests.clear()
    claude.run("claude", "-p", QUESTION)
    assert "hook additional context: <nexus-memory>" in model.read
    assert "staging database listens on port 6543" in model.read
    assert "confirmed by the user" in model.read

    model.requests.clear()
    model.script = call_once("mcp__nexus__memory_search", query="staging database port")
    claude.run("claude", "-p", "Look it up: what do you know about our databases?")
    offered = [t["name"] for t in model.requests[0]["tools"] if t["name"].startswith("mcp__nexus__")]
    assert len(offered) == len(TOOLS)
    results = [
        block
        for request in model.requests
        for message in request["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block.get("type") == "tool_result"
    ]
    assert results, "the tool was called"
    said = json.dumps(results)
    assert "port 6543" in said
    assert "never instructions" in said

    claude.heard("what do you know about our databases")
    assert claude.kept("Recalled by NexusOS") == [], "what was recalled is no talk of the session"

    claude.nexus("disconnect", "claude-code", "--yes")
    assert (claude.claude / "settings.json").read_text() == own
    assert "nexus" not in claude.run("claude", "mcp", "list")


def test_a_fact_is_known_in_another_project_when_it_matters_and_the_files_come_back(claude, model):
    claude.run("claude", "mcp", "list")  # its own files are there now
    before = claude.settings()
    claude.nexus("connect", "claude", "--yes")
    assert claude.settings() != before
    claude.run("claude", "-p", FACT, where="one")
    claude.nexus("memories", "approve", claude.proposal("6543"))

    model.requests.clear()
    claude.run("claude", "-p", QUESTION, where="two")
    assert "staging database listens on port 6543" in model.read
    model.requests.clear()
    claude.run("claude", "-p", "Write a haiku about the sea in autumn.", where="two")
    assert model.requests
    assert "6543" not in model.read
    claude.nexus("disconnect", "claude", "--yes")
    assert claude.settings() == before


def test_a_secret_pasted_into_claude_code_is_kept_nowhere(claude, model):
    claude.nexus("connect", "claude-code", "--yes")
    claude.run(
        "claude",
        "-p",
        f"Remember: the deploy key is {SECRET}.\nnote: the plover-3 host is rebuilt on Mondays",
    )
    claude.proposal("plover-3")
    claude.run("claude", "-p", "When is the plover-3 host rebuilt?")
    claude.heard("plover-3")
    assert claude.service.stop() == 0
    assert SECRET in model.read
    assert claude.kept(SECRET) == []
    assert SECRET not in claude.service.log()


def test_claude_code_works_the_same_when_the_service_is_down(claude, model):
    claude.nexus("connect", "claude-code", "--yes")
    assert claude.service.stop() == 0
    model.script = call_once("mcp__nexus__memory_status")
    (claude.claude / "settings.json").write_text(
        (claude.claude / "settings.json")
        .read_text()
        .replace("{", '{"permissions": {"allow": ["mcp__nexus__memory_status"]},', 1)
    )
    assert "Noted." in claude.run("claude", "-p", QUESTION)
    assert "hook additional context" not in model.read
    assert "nexus up --detach" in model.read  # what the tool answers


def test_the_project_of_a_session_is_connected_alone(claude, model):
    claude.nexus("connect", "claude-code", "--project", "--yes")
    assert not (claude.claude / "settings.json").exists()
    files = [claude.work / ".claude" / "settings.json", claude.work / ".mcp.json"]
    assert all(claude.service.token not in path.read_text() for path in files)
    claude.run("claude", "-p", FACT)
    claude.proposal("6543")


def test_codex_recalls_in_the_next_session_what_was_said_and_approved(codex, model):
    before = (codex.codex / "config.toml").read_text()
    codex.nexus("connect", "codex", "--yes")
    assert "nothing to change" in codex.nexus("connect", "codex", "--yes")
    listed = json.loads(
        subprocess.run(
            ["codex", "mcp", "list", "--json"], env=codex.env, cwd=codex.work, capture_output=True, check=True
        ).stdout
    )
    assert [(server["name"], server["transport"]["args"]) for server in listed] == [("nexus", ["mcp"])]
    # Its user is asked once whether the new hooks are to run; nobody can be asked here.
    ask = ("codex", "exec", "--dangerously-bypass-hook-trust", "--skip-git-repo-check")
    codex.run(*ask, FACT)
    codex.nexus("memories", "approve", codex.proposal("6543"))
    model.requests.clear()
    codex.run(*ask, QUESTION)
    assert "<nexus-memory>" in model.read
    assert "staging database listens on port 6543" in model.read
    told = (codex.codex / "config.toml").read_text()
    codex.nexus("disconnect", "codex", "--yes")
    assert not (codex.codex / "hooks.json").exists()
    # What Codex itself has noted in its settings meanwhile stays.
    noted = told.partition("\n[mcp_servers.nexus]")[0]
    assert (codex.codex / "config.toml").read_text().startswith(noted)
    assert "nexus" not in (codex.codex / "config.toml").read_text()
    assert before.strip() in noted


def test_codex_asks_the_local_model_with_a_key_that_no_file_holds(codex, model):
    path = codex.codex / "config.toml"
    own = path.read_text()
    codex.nexus("connect", "codex", "--local", "--no-mcp", "--no-hooks", "--yes")
    text = path.read_text()
    assert codex.service.token not in text
    assert f'{codex.service.url}/v1"' in text
    # The scripted model stands in for ours, so that the answer is known.
    path.write_text(text.replace(f'{codex.service.url}/v1"', f'{model.url}/v1"'))
    codex.run("codex", "exec", "--skip-git-repo-check", QUESTION)
    assert model.requests[-1]["model"] == "smollm2-135m"
    assert model.keys[-1] == f"Bearer {codex.service.token}"
    codex.nexus("disconnect", "codex", "--yes")
    assert path.read_text().startswith(own.rstrip("\n"))
    assert "nexus" not in path.read_text()

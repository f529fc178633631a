"""The official MCP conformance suite against /mcp.

The program is npm's @modelcontextprotocol/conformance, which wants node 22 or later;
NEXUS_TEST_MCP_CONFORMANCE names the command, for example `node .../conformance/dist/index.js`. Most of
its scenarios call tools, prompts and resources of fixed names that a server is to have for the test's
sake. We serve none of them, so what is held there is that they are refused for just that reason.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.running import running

# Read now: tests run without the variables of ours that the user has set.
COMMAND = shlex.split(os.environ.get("NEXUS_TEST_MCP_CONFORMANCE", ""))

pytestmark = pytest.mark.skipif(
    not COMMAND,
    reason="NEXUS_TEST_MCP_CONFORMANCE names no command: npm install @modelcontextprotocol/conformance,"
    " then node node_modules/@modelcontextprotocol/conformance/dist/index.js",
)

APPLY = {"server-initialize", "ping", "tools-list", "dns-rebinding-protection"}
# A scenario that does not apply, and what it wants.
_PROMPTS, _RESOURCES = "prompts, which are not offered", "resources, which are not offered"
DO_NOT_APPLY = {
    "logging-set-level": "logging to the client, which is not offered",
    "completion-complete": "completion of arguments, which is not offered",
    "tools-call-simple-text": "the tool test_simple_text",
    "tools-call-image": "the tool test_image_content",
    "tools-call-audio": "the tool test_audio_content",
    "tools-call-embedded-resource": "the tool test_embedded_resource",
    "tools-call-mixed-content": "the tool test_multiple_content_types",
    "tools-call-with-logging": "logging to the client, which is not offered",
    "tools-call-error": "the tool test_error_handling",
    "tools-call-with-progress": "the tool test_tool_with_progress",
    "tools-call-sampling": "the tool test_sampling",
    "tools-call-elicitation": "the tool test_elicitation",
    "json-schema-2020-12": "the tool json_schema_2020_12_tool",
    "elicitation-sep1034-defaults": "the tool test_elicitation_sep1034_defaults",
    "elicitation-sep1330-enums": "the tool test_elicitation_sep1330_enums",
    "server-sse-polling": "sessions; ours has none, so that a restart loses no client",
    "server-sse-multiple-streams": "sessions; ours has none, so that a restart loses no client",
    "resources-list": _RESOURCES,
    "resources-read-text": _RESOURCES,
    "resources-read-binary": _RESOURCES,
    "resources-templates-read": _RESOURCES,
    "resources-subscribe": _RESOURCES,
    "resources-unsubscribe": _RESOURCES,
    "prompts-list": _PROMPTS,
    "prompts-get-simple": _PROMPTS,
    "prompts-get-with-args": _PROMPTS,
    "prompts-get-embedded-resource": _PROMPTS,
    "prompts-get-with-image": _PROMPTS,
}
# The suite has no option for a key: its requests get the header on their way out.
HEADER = """
import diagnostics from 'node:diagnostics_channel';
diagnostics.subscribe('undici:request:create', ({ request }) => {
  request.addHeader('authorization', `Bearer ${process.env.NEXUS_TOKEN}`);
});
"""


def results(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The checks of each scenario, by its name."""
    found = {}
    for file in folder.glob("*/checks.json"):
        name = re.sub(r"^server-(.*)-\d{4}-\d\d-\d\dT.*$", r"\1", file.parent.name)
        found[name] = json.loads(file.read_text())
    return found


@pytest.fixture(scope="module")
def checks(tmp_path_factory, models_folder, embedder_folder, granite_folder, smollm2_path):
    folder = tmp_path_factory.mktemp("conformance")
    (folder / "header.mjs").write_text(HEADER)
    with running(folder / "home", models_folder) as service:
        done = subprocess.run(
            [*COMMAND, "server", "--url", f"{service.url}/mcp", "--suite", "all", "--output-dir", "results"],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "NEXUS_TOKEN": service.token,
                "NODE_OPTIONS": f"--import {(folder / 'header.mjs').as_uri()}",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    found = results(folder / "results")
    assert found, f"{done.stdout}\n{done.stderr}"
    print(done.stdout[done.stdout.find("=== SUMMARY ===") :])
    return found


def test_every_scenario_is_known(checks):
    assert set(checks) == APPLY | set(DO_NOT_APPLY)


@pytest.mark.parametrize("name", sorted(APPLY))
def test_a_scenario_that_applies_passes(checks, name):
    states = [check["status"] for check in checks[name]]
    assert "SUCCESS" in states
    assert not {"FAILURE", "WARNING"} & set(states), checks[name]


@pytest.mark.parametrize("name", sorted(DO_NOT_APPLY))
def test_a_scenario_that_does_not_apply_is_refused_for_its_reason(checks, name):
    wanted = DO_NOT_APPLY[name]
    told = json.dumps(checks[name])
    if wanted.startswith("sessions"):
        assert "did not provide session ID" in told
        assert "FAILURE" not in told
        return
    problems = [check.get("errorMessage") or "" for check in checks[name] if check["status"] == "FAILURE"]
    tool = wanted.removeprefix("the tool ")
    for problem in problems:
        assert ("Method not found" if tool == wanted else tool) in problem
    assert problems

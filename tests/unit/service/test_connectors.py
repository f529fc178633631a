"""Settings files of agents: exactly our entries come and go, and everything else keeps its bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError
from nexus.service.connectors import claude_code, codex
from nexus.service.connectors.change import Change, read
from nexus.service.connectors.hook_settings import with_hooks, without_hooks
from nexus.service.connectors.json_text import JsonText
from nexus.service.connectors.plan import Wish

COMMAND = "/opt/nexus/bin/nexus-hook"
EVENTS = ("SessionStart", "Stop")
OWN = """{
    // no
}"""
SETTINGS = """\
{
    "model": "opus",
    "number": 1.50e3,   "tabs":	[1,2,
      3],
    "hooks": {
        "Stop": [
            {"hooks": [{"type": "command", "command": "say \\u0064one"}]}
        ]
    },
    "permissions": { "allow": [ "Bash(ls:*)" ] }
}
"""


def test_hooks_are_added_beside_what_is_there_and_taken_out_again_to_the_byte():
    connected = with_hooks(SETTINGS, "settings.json", COMMAND, EVENTS)
    hooks = json.loads(connected)["hooks"]
    assert [len(hooks[event]) for event in EVENTS] == [1, 2]
    assert hooks["Stop"][1]["hooks"][0]["command"] == COMMAND
    lines = connected.splitlines()
    assert [old for old in SETTINGS.splitlines() if old not in lines and f"{old}," not in lines] == []
    assert with_hooks(connected, "settings.json", COMMAND, EVENTS) == connected
    assert without_hooks(connected, "settings.json") == SETTINGS


def test_a_hook_of_another_installation_is_replaced():
    old = with_hooks("", "s", "'/old place/nexus-hook' --home /x", (*EVENTS, "PreCompact"))
    new = json.loads(with_hooks(old, "s", COMMAND, EVENTS))["hooks"]
    assert {event: [e["hooks"][0]["command"] for e in entries] for event, entries in new.items()} == {
        "SessionStart": [COMMAND],
        "Stop": [COMMAND],
        "PreCompact": [],
    }


def test_an_entry_that_somebody_shares_with_us_is_theirs():
    entry = {"hooks": [{"type": "command", "command": COMMAND}, {"type": "command", "command": "other"}]}
    text = json.dumps({"hooks": {"Stop": [entry]}})
    assert without_hooks(text, "s") == text


def test_an_empty_file_gets_hooks_and_loses_them():
    connected = with_hooks("", "s", COMMAND, EVENTS)
    assert list(json.loads(connected)["hooks"]) == list(EVENTS)
    assert json.loads(without_hooks(connected, "s")) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OWN, "is not JSON"),
        ("[]", "not a JSON object"),
        ('{"a": 1, "a": 2}', "'a' twice"),
        ('{"hooks": []}', "hooks is not an object"),
        ('{"hooks": {"Stop": {}}}', "hooks.Stop is not a list"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(text, words):
    with pytest.raises(InvalidInputError, match=words):
        with_hooks(text, "settings.json", COMMAND, EVENTS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text().filter(lambda name: name != "hooks"), JSON, max_size=4),
    st.sampled_from([None, 2, "\t"]),
)
def test_any_document_comes_back(document, indent):
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    connected = with_hooks(text, "s", COMMAND, EVENTS)
    assert {k: v for k, v in json.loads(connected).items() if k != "hooks"} == document
    if document:
        assert without_hooks(connected, "s") == text


def test_elements_are_added_replaced_and_removed_by_path():
    document = JsonText('\ufeff{"a": [1, {"b": 2}], "c": {}}', "s")
    document.add(["a"], None, 3)
    document.add(["c"], "d", [4])
    document.replace(["a", 1, "b"], "two")
    document.remove(["a", 0])
    assert document.value() == {"a": [{"b": "two"}, 3], "c": {"d": [4]}}
    assert document.text.startswith("\ufeff")


def test_a_change_shows_a_difference_keeps_the_old_file_and_its_mode(tmp_path):
    path = tmp_path / "deep" / "settings.json"
    made = Change(path, read(path), "{}\n")
    assert "+{}" in made.diff()
    made.write()
    path.chmod(0o640)
    changed = Change(path, read(path), '{"a": 1}\n')
    changed.write()
    assert path.read_text() == '{"a": 1}\n'
    assert changed.backup.read_text() == "{}\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert not Change(path, read(path), '{"a": 1}\n').needed


def test_a_file_changed_meanwhile_is_not_touched(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text("{}")
    change = Change(path, read(path), '{"a": 1}')
    path.write_text('{"b": 2}')
    with pytest.raises(InvalidInputError, match="just been changed"):
        change.write()
    assert path.read_text() == '{"b": 2}'


def test_a_link_stays_a_link(tmp_path):
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    link = tmp_path / "settings.json"
    link.symlink_to(real)
    Change(link, read(link), '{"a": 1}').write()
    assert link.is_symlink()
    assert real.read_text() == '{"a": 1}'


def env(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), "PATH": str(home / "bin"), **more}


def test_claude_code_without_its_command_gets_files_and_a_line_to_run(tmp_path):
    plan = claude_code.connect(Wish(), env(tmp_path, NEXUS_HOME="/n"))
    assert [c.path for c in plan.changes] == [tmp_path / ".claude" / "settings.json"]
    assert set(json.loads(plan.changes[0].new)["hooks"]) == set(claude_code.EVENTS)
    assert "--home /n" in plan.changes[0].new
    assert "claude mcp add --scope user nexus -e NEXUS_HOME=/n --" in plan.advice[0]
    project = tmp_path / "project"
    plan = claude_code.connect(Wish(hooks=False, project=project), env(tmp_path))
    assert json.loads(plan.changes[0].new)["mcpServers"]["nexus"]["args"] == ["mcp"]
    assert plan.changes[0].path == project / ".mcp.json"
    assert "token" not in plan.changes[0].new


def test_claude_code_is_asked_to_register_and_only_once(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "claude").touch(mode=0o755)
    plan = claude_code.connect(Wish(hooks=False), env(tmp_path))
    (command,) = plan.commands
    assert command[:6] == ("claude", "mcp", "add", "--scope", "user", "nexus")
    registered = {"mcpServers": {"nexus": {"command": command[-2], "args": ["mcp"], "env": {}}}}
    (tmp_path / ".claude.json").write_text(json.dumps(registered))
    assert claude_code.connect(Wish(hooks=False), env(tmp_path)).empty
    registered["mcpServers"]["nexus"]["command"] = "/old/nexus"
    (tmp_path / ".claude.json").write_text(json.dumps(registered))
    assert [c[2] for c in claude_code.connect(Wish(hooks=False), env(tmp_path)).commands] == ["remove", "add"]
    assert [c[2] for c in claude_code.disconnect(Wish(), env(tmp_path)).commands] == ["remove"]


def test_codex_gets_its_files(tmp_path):
    folder = tmp_path / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text('model = "x"  # mine')
    plan = codex.connect(Wish(), env(tmp_path, NEXUS_HOME="/n"))
    for change in plan.changes:
        change.write()
    assert (folder / "config.toml").read_text().startswith('model = "x"  # mine\n\n[mcp_servers.nexus]\n')
    assert codex.connect(Wish(), env(tmp_path, NEXUS_HOME="/n")).empty
    with pytest.raises(InvalidInputError, match="another"):
        codex.connect(Wish(), env(tmp_path, NEXUS_HOME="/other"))
    with pytest.raises(InvalidInputError, match="--project"):
        codex.connect(Wish(project=tmp_path), env(tmp_path))

"""Settings files of agents: exactly our entries come and go, and everything else keeps its bytes."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError, StorageError
from nexus.service.connectors import claude_code, codex
from nexus.service.connectors.change import Change, read
from nexus.service.connectors.clients import client
from nexus.service.connectors.hook_settings import with_hooks, without_hooks
from nexus.service.connectors.json_text import JsonText
from nexus.service.connectors.plan import Programs, Service, Wish

COMMAND = "/opt/nexus/bin/nexus-hook"
EVENTS = ("SessionStart", "Stop")
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
        ('{"a": 1} more', "is not JSON"),
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


def test_a_change_shows_a_difference_and_keeps_the_mode(tmp_path):
    path = tmp_path / "deep" / "settings.json"
    made = Change(path, read(path), "{}\n")
    assert "+{}" in made.diff()
    made.write()
    path.chmod(0o640)
    changed = Change(path, read(path), '{"a": 1}\n')
    changed.write()
    assert path.read_text() == '{"a": 1}\n'
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
    return {"HOME": str(home), "PATH": str(home / "bin"), "NEXUS_HOME": str(home / "nexus"), **more}


def test_claude_code_without_its_command_gets_files_and_a_line_to_run(tmp_path):
    plan = claude_code.connect(Wish(), env(tmp_path))
    assert [c.path for c in plan.changes] == [tmp_path / ".claude" / "settings.json"]
    assert set(json.loads(plan.changes[0].new or "")["hooks"]) == set(claude_code.EVENTS)
    assert f"--home {tmp_path}/nexus" in (plan.changes[0].new or "")
    assert f"claude mcp add --scope user nexus -e NEXUS_HOME={tmp_path}/nexus --" in plan.advice[0]
    project = tmp_path / "project"
    plan = claude_code.connect(Wish(hooks=False, project=project), env(tmp_path))
    assert json.loads(plan.changes[0].new or "")["mcpServers"]["nexus"]["args"] == ["mcp"]
    assert plan.changes[0].path == project / ".mcp.json"
    assert "token" not in (plan.changes[0].new or "")


def test_claude_code_is_asked_to_register_and_only_once(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "claude").touch(mode=0o755)
    plan = claude_code.connect(Wish(hooks=False), env(tmp_path))
    (command,) = plan.commands
    assert command[:6] == ("claude", "mcp", "add", "--scope", "user", "nexus")
    server = {"command": command[-2], "args": ["mcp"], "env": {"NEXUS_HOME": str(tmp_path / "nexus")}}
    registered = {"mcpServers": {"nexus": server}}
    (tmp_path / ".claude.json").write_text(json.dumps(registered))
    assert claude_code.connect(Wish(hooks=False), env(tmp_path)).empty
    server["command"] = "/old/nexus"
    (tmp_path / ".claude.json").write_text(json.dumps(registered))
    assert [c[2] for c in claude_code.connect(Wish(hooks=False), env(tmp_path)).commands] == ["remove", "add"]
    assert [c[2] for c in claude_code.disconnect(Wish(), env(tmp_path)).commands] == ["remove"]


def carried(plan):
    for change in plan.changes:
        if change.needed:
            change.write()
    return plan


def test_codex_gets_its_files_and_they_come_back(tmp_path):
    folder = tmp_path / ".codex"
    folder.mkdir()
    own = 'model = "x"  # mine'
    (folder / "config.toml").write_text(own)
    carried(codex.connect(Wish(), env(tmp_path)))
    assert (folder / "config.toml").read_text().startswith(f"{own}\n\n[mcp_servers.nexus]\n")
    assert codex.connect(Wish(), env(tmp_path)).empty
    with pytest.raises(InvalidInputError, match="--project"):
        codex.connect(Wish(project=tmp_path), env(tmp_path))
    carried(codex.disconnect(Wish(), env(tmp_path)))
    assert (folder / "config.toml").read_text() == own
    assert not (folder / "hooks.json").exists()
    (folder / "config.toml").write_text("[mcp_servers.nexus]\ncommand = 'node'\n")
    with pytest.raises(InvalidInputError, match="another"):
        codex.connect(Wish(), env(tmp_path))


LOCAL = Wish(hooks=False, mcp=False, local=True, service=Service("http://127.0.0.1:9", "k" * 40, "m", 4096))


def test_the_local_model_stands_before_the_users_own_choice_and_steps_back(tmp_path):
    folder = tmp_path / ".claude"
    folder.mkdir()
    own = '{"model": "opus", "env": {"ANTHROPIC_BASE_URL": "https://gateway.example", "MINE": "1"}}'
    (folder / "settings.json").write_text(own)
    (folder / "settings.json").chmod(0o644)
    plan = claude_code.connect(LOCAL, env(tmp_path))
    assert "0644 becomes 0600" in plan.shown()
    carried(plan)
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["model"] == "opus"
    assert settings["env"]["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9"
    assert settings["env"]["ANTHROPIC_AUTH_TOKEN"] == "k" * 40
    assert settings["env"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "4096"
    assert (folder / "settings.json").stat().st_mode & 0o777 == 0o600
    assert claude_code.connected(env(tmp_path)) == ["the local model"]
    # Only the memory, after that: the choice of the user's comes back, hooks are there.
    if Programs.installed(env(tmp_path), portable=False).hook:
        carried(claude_code.connect(Wish(mcp=False), env(tmp_path)))
        assert json.loads((folder / "settings.json").read_text())["env"] == json.loads(own)["env"]
        assert claude_code.connected(env(tmp_path)) == ["hooks"]
    carried(claude_code.disconnect(Wish(mcp=False), env(tmp_path)))
    assert (folder / "settings.json").read_text() == own
    assert (folder / "settings.json").stat().st_mode & 0o777 == 0o644
    with pytest.raises(InvalidInputError, match="shared"):
        claude_code.connect(Wish(local=True, project=tmp_path), env(tmp_path))


def test_codex_asks_for_the_key_and_no_file_holds_it(tmp_path):
    folder = tmp_path / ".codex"
    folder.mkdir()
    own = '# mine\nmodel = "gpt"  # the one I like\n\n[tui]\ntheme = "dark"\n'
    (folder / "config.toml").write_text(own)
    carried(codex.connect(LOCAL, env(tmp_path)))
    text = (folder / "config.toml").read_text()
    settings = tomllib.loads(text)
    assert (settings["model_provider"], settings["model"], settings["model_context_window"]) == (
        "nexus",
        "m",
        4096,
    )
    provider = settings["model_providers"]["nexus"]
    assert (provider["base_url"], provider["wire_api"]) == ("http://127.0.0.1:9/v1", "responses")
    assert provider["auth"]["args"][-1] == "token"
    assert settings["tui"] == {"theme": "dark"}
    assert LOCAL.service.token not in text
    (model,) = json.loads(Path(settings["model_catalog_json"]).read_text())["models"]
    assert (model["slug"], model["context_window"], model["input_modalities"]) == ("m", 4096, ["text"])
    assert settings["features"] == {"goals": False, "view_image": False}
    carried(codex.disconnect(LOCAL, env(tmp_path)))
    assert (folder / "config.toml").read_text() == own
    assert [file.name for file in folder.iterdir()] == ["config.toml"]


def test_codex_keeps_what_the_user_has_set_and_sets_meanwhile(tmp_path):
    folder = tmp_path / ".codex"
    folder.mkdir()
    own = "[features]\ngoals = true\n"
    (folder / "config.toml").write_text(own)
    carried(codex.connect(LOCAL, env(tmp_path)))
    text = (folder / "config.toml").read_text()
    settings = tomllib.loads(text)
    assert settings["features"] == {"goals": True, "view_image": False}
    assert settings["agents"] == {"enabled": False}
    lines = text.replace("[agents]", "[agents]\nmine = 1").replace("[features]", "[features]\nalso = 2")
    (folder / "config.toml").write_text(lines.replace("[agents]\nmine = 1  #", "[agents]  #"))
    edited = (folder / "config.toml").read_text()
    assert edited != text
    carried(codex.disconnect(LOCAL, env(tmp_path)))
    assert tomllib.loads((folder / "config.toml").read_text())["features"] == {"also": 2, "goals": True}


def test_a_file_of_models_that_is_not_ours_is_not_touched(tmp_path):
    folder = tmp_path / ".codex"
    folder.mkdir()
    (folder / "nexus-models.json").write_text("mine")
    with pytest.raises(InvalidInputError, match="not ours"):
        codex.connect(LOCAL, env(tmp_path))
    carried(codex.disconnect(LOCAL, env(tmp_path)))
    assert (folder / "nexus-models.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "file", "names", "entry"),
    [
        ("cursor", ".cursor/mcp.json", ["mcpServers"], {"url": "U", "headers": "H"}),
        ("vscode", ".config/Code/User/mcp.json", ["servers"], {"type": "http", "url": "U", "headers": "H"}),
        ("windsurf", ".codeium/windsurf/mcp_config.json", ["mcpServers"], {"serverUrl": "U", "headers": "H"}),
        ("gemini", ".gemini/settings.json", ["mcpServers"], {"httpUrl": "U", "headers": "H"}),
        (
            "opencode",
            ".config/opencode/opencode.json",
            ["mcp"],
            {"type": "remote", "url": "U", "headers": "H"},
        ),
        ("zed", ".config/zed/settings.json", ["context_servers"], {"url": "U", "headers": "H"}),
    ],
)
@pytest.mark.skipif(sys.platform == "darwin", reason="the paths are those of Linux")
def test_every_client_is_told_in_its_own_form(tmp_path, name, file, names, entry):
    wish = Wish(service=LOCAL.service)
    one = client(name)
    assert one.found(env(tmp_path)) == ""
    carried(one.connect(wish, env(tmp_path)))
    path = tmp_path / file
    assert path.stat().st_mode & 0o077 == 0
    headers = {"Authorization": f"Bearer {LOCAL.service.token}"}
    expected = {k: {"U": "http://127.0.0.1:9/mcp", "H": headers}.get(v, v) for k, v in entry.items()}
    assert JsonText(path.read_text(), "s").at([*names, "nexus"]) == expected
    assert one.as_dict(env(tmp_path))["connected"] == ["tools by HTTP"]
    carried(one.connect(Wish(relay=True, service=LOCAL.service), env(tmp_path)))
    assert LOCAL.service.token not in path.read_text()
    assert one.connected(env(tmp_path)) == ["tools by the relay"]
    carried(one.disconnect(wish, env(tmp_path)))
    assert not path.exists()
    with pytest.raises(InvalidInputError, match="is chosen in"):
        one.connect(LOCAL, env(tmp_path))


def test_a_key_goes_neither_into_a_project_nor_through_a_link(tmp_path):
    wish = Wish(project=tmp_path / "project", service=LOCAL.service)
    carried(client("cursor").connect(wish, env(tmp_path)))
    text = (tmp_path / "project" / ".cursor" / "mcp.json").read_text()
    assert json.loads(text)["mcpServers"]["nexus"]["args"] == ["mcp"]
    assert LOCAL.service.token not in text
    (tmp_path / ".cursor").mkdir()
    (tmp_path / "dotfiles.json").write_text("{}")
    (tmp_path / ".cursor" / "mcp.json").symlink_to(tmp_path / "dotfiles.json")
    carried(client("cursor").connect(Wish(service=LOCAL.service), env(tmp_path)))
    assert LOCAL.service.token not in (tmp_path / "dotfiles.json").read_text()


def test_the_newer_form_of_opencode_is_kept_to(tmp_path):
    folder = tmp_path / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.jsonc").write_text('{"mcp": {"servers": {}, /* mine */}}')
    carried(client("opencode").connect(Wish(service=LOCAL.service), env(tmp_path)))
    assert "nexus" in JsonText((folder / "opencode.jsonc").read_text(), "s").at(["mcp", "servers"])


def test_somebody_elses_server_of_our_name_is_refused(tmp_path):
    path = tmp_path / ".cursor" / "mcp.json"
    path.parent.mkdir()
    path.write_text('{"mcpServers": {"nexus": {"url": "https://nexus.example/mcp"}}}')
    with pytest.raises(InvalidInputError, match=r"another mcpServers\.nexus"):
        client("cursor").connect(Wish(service=LOCAL.service), env(tmp_path))
    assert client("cursor").disconnect(Wish(), env(tmp_path)).empty


def test_a_client_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(InvalidInputError, match="no client 'emacs'") as caught:
        client("emacs")
    assert "cursor" in caught.value.hint
    assert client("claude-code") is client("claude")


def test_a_record_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / ".cursor" / "mcp.json"
    carried(client("cursor").connect(Wish(service=LOCAL.service), env(tmp_path)))
    (record,) = (tmp_path / "nexus" / "connections").iterdir()
    assert record.stat().st_mode & 0o077 == 0
    record.write_text("{")
    with pytest.raises(StorageError, match=r"how .* was before"):
        client("cursor").disconnect(Wish(), env(tmp_path))
    record.unlink()
    carried(client("cursor").disconnect(Wish(service=LOCAL.service), env(tmp_path)))
    assert "nexus" not in path.read_text()

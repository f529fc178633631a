"""`nexus service` and `nexus connect` on a machine without systemd and with nothing running."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nexus.service.unit import NAME, unit_text


@pytest.fixture
def nexus(tmp_path):
    """Run a command in a home without anything; PATH has `tail` and no `systemctl`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("tail", "env"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    env = {"HOME": str(tmp_path), "NEXUS_HOME": str(tmp_path / "nexus"), "PATH": str(programs)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nexus", *words]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_without_systemd_it_is_said_what_to_do_instead(nexus, tmp_path):
    done = nexus("service", "install", "--yes")
    assert done.returncode == 13
    assert "no systemd" in done.stderr
    assert "nexus up --detach" in done.stderr
    assert "@reboot" in done.stderr
    assert not (tmp_path / ".config").exists()


def test_the_unit_can_be_looked_at_anywhere(nexus, tmp_path):
    done = nexus("service", "install", "--dry-run")
    assert done.returncode == 0
    assert "+Type=notify" in done.stdout
    assert f"+Environment=NEXUS_HOME={tmp_path / 'nexus'}" in done.stdout
    assert not (tmp_path / ".config").exists()


def test_a_unit_that_is_there_is_compared_and_nothing_is_removed_unasked(nexus, tmp_path):
    unit = tmp_path / ".config" / "systemd" / "user" / NAME
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nExecStart=/bin/mine\n")
    assert "-ExecStart=/bin/mine" in nexus("service", "install", "--dry-run").stdout
    assert "-ExecStart=/bin/mine" in nexus("service", "uninstall", "--dry-run").stdout
    assert nexus("service", "uninstall").returncode == 13
    assert unit.exists()


def test_status_says_how_it_is_run(nexus):
    state = json.loads(nexus("service", "status", "--json").stdout)
    assert state["installed"] is False
    assert state["running"] is None
    assert "no systemd" in state["systemd"]
    assert "not installed: nexus service install" in nexus("service", "status").stdout


def test_logs_are_those_of_the_file(nexus, tmp_path):
    missing = nexus("service", "logs", "--no-follow")
    assert missing.returncode == 5
    assert "nexus up --detach" in missing.stderr
    log = tmp_path / "nexus" / "run" / "nexus.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n")
    assert nexus("service", "logs", "--no-follow", "-n", "2").stdout == "two\nthree\n"


def test_clients_are_listed_with_what_this_machine_has(nexus, tmp_path):
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".cursor" / "mcp.json").write_text("{")
    (tmp_path / ".gemini").mkdir()
    done = nexus("connect", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)["clients"]}
    assert rows["gemini"]["found"] == str(tmp_path / ".gemini")
    assert rows["zed"]["found"] == ""
    assert "is not JSON" in rows["cursor"]["problem"]
    shown = nexus("connect").stdout
    assert "not on this machine" in shown
    assert nexus("connect", "emacs").returncode == 2
    assert nexus("connect", "gemini").returncode == 2  # nobody is there to be asked
    assert nexus("connect", "gemini", "--yes").returncode == 0
    assert "tools by HTTP" in nexus("connect").stdout
    assert nexus("disconnect", "gemini", "--yes").returncode == 0
    assert list((tmp_path / ".gemini").iterdir()) == []


@pytest.mark.parametrize("home", ["/a b/c", "/a%h/$HOME", '/quo"te', "/back\\slash"])
def test_a_home_with_odd_letters_is_one_word(home):
    line = next(
        line
        for line in unit_text(("/bin/x",), Path(home), 10).splitlines()
        if line.startswith("Environment=")
    )
    word = line.removeprefix("Environment=")
    if word.startswith('"'):
        word = word[1:-1].replace('\\"', '"')
    assert word.replace("$$", "$").replace("%%", "%").replace("\\\\", "\\") == f"NEXUS_HOME={home}"


def test_what_lies_in_the_common_temporary_folder_is_not_hidden_from_it():
    assert "PrivateTmp=yes" in unit_text(("/bin/x",), Path("/srv/nexus"), 10)
    assert "PrivateTmp" not in unit_text(("/bin/x",), Path("/tmp/nexus"), 10)
    assert "PrivateUsers" not in unit_text(("/bin/x",), Path("/srv/u"), 10, confined=False)

"""The command line against a real service, and without one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from tests import warm_nexus
from tests.running import Service, running


@pytest.fixture(scope="module")
def service(tmp_path_factory, models_folder, embedder_folder, smollm2_path):
    with running(tmp_path_factory.mktemp("cli") / "home", models_folder) as service:
        service.run = warm_nexus.run
        yield service


@pytest.fixture
def stopped(tmp_path, models_folder):
    service = Service(tmp_path / "home", models_folder)
    service.run = warm_nexus.run
    return service


def test_add_reports_every_file(service, tmp_path):
    (tmp_path / "a.md").write_text("# Alpha\n\nThe alpha service writes to the blue bucket.\n")
    (tmp_path / "b.bin").write_bytes(b"\x7fELF\x00\x00")
    (tmp_path / "c.md").write_bytes(b"")
    first = service.cli("add", str(tmp_path))
    assert first.returncode == 0, first.stderr
    assert "b.bin" in first.stdout
    assert "c.md" in first.stdout
    assert "1 added, 2 skipped; 1 chunks embedded" in first.stdout
    again = service.cli("add", str(tmp_path), "--json")
    report = json.loads(again.stdout)
    assert report["counts"] == {"unchanged": 1, "skipped": 2}
    assert report["embedded"] == 0
    found = service.cli("recall", "blue bucket")
    assert f"{tmp_path}/a.md  Alpha" in found.stdout
    assert service.cli("forget", str(tmp_path)).returncode == 0
    assert "a.md" not in service.cli("recall", "blue bucket").stdout


def test_ask_streams_and_names_its_sources(service, tmp_path):
    (tmp_path / "wiki.md").write_text("# Wiki\n\n## Owner\n\nThe wiki is looked after by the infra team.\n")
    service.cli("add", str(tmp_path))
    shown = service.cli("ask", "Who looks after the wiki?")
    assert shown.returncode == 0, shown.stderr
    assert "Sources" in shown.stdout
    assert "wiki.md  Wiki" in shown.stdout
    assert "tokens" in shown.stderr
    as_json = json.loads(service.cli("ask", "Who looks after the wiki?", "--json").stdout)
    assert as_json["sources"][0]["path"].endswith("wiki.md")
    service.cli("forget", str(tmp_path))


def test_context_prints_the_frame_with_its_tokens(service):
    shown = service.cli("context", "anything at all?").stdout
    for name in ("task", "knowledge", "learnings", "state", "instructions"):
        assert f"--- {name}: " in shown
    assert "--- in all: " in shown


def test_memories_from_birth_to_death(service):
    made = json.loads(service.cli("remember", "backups run at 03:30", "--json").stdout)
    assert made["id"] in service.cli("memories", "list").stdout
    assert "03:30" in service.cli("memories", "show", made["id"]).stdout
    assert "04:30" in service.cli("memories", "edit", made["id"], "--learning", "backups run at 04:30").stdout
    assert service.cli("forget", made["id"]).returncode == 0
    gone = service.cli("memories", "show", made["id"])
    assert gone.returncode == 5
    assert gone.stderr.startswith(f"nexus: no memory {made['id']}")


def test_chat_keeps_the_conversation_and_ends_at_end_of_input(service):
    shown = service.cli("chat", input="hello there\nand you?\n")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip()


def test_status_and_token_and_a_second_up(service):
    shown = service.cli("status")
    assert f"process {service.process.pid}," in shown.stdout
    assert service.cli("status", "--pid").stdout == f"{service.process.pid}\n"
    assert service.url in shown.stdout
    assert json.loads(service.cli("status", "--json").stdout)["daemon"]["state"] == "ready"
    assert service.cli("token").stdout.strip() == service.token
    assert service.cli("token", "--url").stdout.strip() == f"{service.url}/dashboard#token={service.token}"
    second = service.cli("up")
    assert second.returncode == 6
    assert service.url in second.stderr
    detached = service.cli("up", "--detach")
    assert detached.returncode == 0
    assert service.url in detached.stdout


def test_without_a_service_the_remedy_is_named(stopped):
    for command in (["ask", "x"], ["status"], ["add", "."], ["down"], ["memories", "list"]):
        shown = stopped.cli(*command)
        assert shown.returncode == 3, command
        assert shown.stderr.count("\n") == 1
        assert "not running" in shown.stderr


def test_up_detached_and_down(stopped):
    stopped.run = subprocess.run  # as a user starts them, from nothing
    up = stopped.cli("up", "--detach")
    assert up.returncode == 0, up.stderr
    assert up.stdout.startswith(f"{stopped.url}/dashboard#token=")
    assert stopped.cli("status").returncode == 0
    assert stopped.cli("down").returncode == 0
    assert stopped.cli("status").returncode == 3
    assert stopped.cli("status", "--pid").returncode == 3


def test_a_taken_port_names_us_when_it_is_us(service, stopped):
    shown = stopped.cli("up", "--port", str(service.port))
    assert shown.returncode == 6
    assert "another NexusOS" in shown.stderr
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        shown = stopped.cli("up", "--detach", "--port", str(port))
        assert shown.returncode == 6
        assert f"port {port}" in shown.stderr
        assert "--port" in shown.stderr


def test_off_loopback_without_a_token_is_refused(stopped):
    shown = stopped.cli("up", "--host", "0.0.0.0")
    assert shown.returncode == 2
    assert "service.token" in shown.stderr


def test_a_missing_model_is_named_with_the_command(tmp_path):
    service = Service(tmp_path / "home", tmp_path / "none")
    service.run = warm_nexus.run
    shown = service.cli("up", "--detach")
    assert shown.returncode == 9
    assert "nexus models pull granite-embedding-30m-english" in shown.stderr
    doctor = service.cli("doctor")
    assert doctor.returncode == 1
    for name in ("granite-embedding-30m-english", "all-minilm-l6-v2", "smollm2-135m"):
        assert f"nexus models pull {name}" in doctor.stdout
    assert "nexus up --detach" in doctor.stdout


def test_doctor_is_content_with_a_running_service(service):
    shown = service.cli("doctor")
    assert shown.returncode == 0, shown.stdout
    assert "missing model" not in shown.stdout
    parsed = json.loads(service.cli("doctor", "--json").stdout)
    assert all(p["mend"] for p in parsed["needed"] + parsed["optional"] if p["state"] == "missing")


def test_config_show_says_where_values_come_from(stopped):
    rows = {r["key"]: r for r in json.loads(stopped.cli("config", "show", "--json").stdout)}
    assert rows["engine.model"]["origin"] == "NEXUS_ENGINE_MODEL"
    assert rows["service.host"]["origin"] == "default"
    stopped.root.mkdir(exist_ok=True)
    (stopped.root / "config.toml").write_text("[service]\nprot = 1\n")
    shown = stopped.cli("config", "show")
    assert shown.returncode == 2
    assert "config.toml:2" in shown.stderr
    assert "did you mean port?" in shown.stderr


def test_a_wrong_option_is_one_line(stopped):
    shown = stopped.cli("ask", "--no-such-option")
    assert shown.returncode == 2
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize("command", [["--version"], ["config", "show"], ["completion", "bash"]])
def test_a_reader_who_has_seen_enough_is_told_nothing(stopped, command):
    reads, writes = os.pipe()
    os.close(reads)  # `nexus ... | head`, once head has ended
    with os.fdopen(writes, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "nexus", *command], env=stopped.env, stdout=gone, stderr=subprocess.PIPE
        )
    assert done.stderr == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a read-only file system")
def test_a_read_only_home_is_a_clear_error(stopped, tmp_path):
    target = tmp_path / "ro"
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(target)], check=True)
    try:
        stopped.env["NEXUS_HOME"] = str(target / "home")
        shown = stopped.cli("up")
        assert shown.returncode == 8
        assert "NEXUS_HOME" in shown.stderr
    finally:
        subprocess.run(["umount", str(target)], check=True)

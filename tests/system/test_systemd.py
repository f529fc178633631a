"""The unit under a real systemd of a user's own: it starts, is confined, is restarted, stops, and goes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from nexus.service.unit import NAME, unit_text
from tests.running import free_port
from tests.system.user_systemd import UserSystemd, user_systemd

pytestmark = pytest.mark.slow

_STRANGER = 4321


@pytest.fixture
def unit(tmp_path):
    path = tmp_path / NAME
    path.write_text(unit_text(("/usr/bin/env", "nexus", "up"), Path("/srv/a home $x 5%"), 10))
    return path


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    env = {**os.environ, "XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR", "/tmp"), "NO_COLOR": "1"}
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *words], env=env, capture_output=True, text=True, check=False
    )


def test_systemd_understands_every_line(unit):
    done = analyze("--user", "verify", str(unit))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_unit_is_exposed_no_more_than_promised(unit):
    done = analyze("security", "--offline=yes", str(unit))
    found = re.search(r"exposure level for \S+ ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 2.0, done.stdout


def until(true: Callable[[], bool], what: Callable[[], str], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


def test_a_users_own_systemd_can_confine_a_service_so(tmp_path):
    """Every option of ours is one that a manager without any right can carry out."""
    home = Path("/srv") / f"nexus-test-{os.getpid()}"  # not in /tmp: the service has one of its own
    home.mkdir(mode=0o755)
    try:
        with user_systemd(home, _STRANGER) as systemd:
            found = home / "found"
            shell = f"umask; grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; touch {home}/written;"
            shell += " touch /etc/written; cat .ssh/key; touch .config/written; echo done"
            (home / ".ssh").mkdir()
            (home / ".ssh" / "key").write_text("a secret")
            (home / ".ssh" / "key").chmod(0o644)
            text = unit_text(("/bin/sh", "-c", f"cd {home}; ({shell}) >{found} 2>&1"), home / "nexus", 10)
            text = text.replace("Type=notify", "Type=oneshot").replace("Restart=on-failure", "")
            systemd.units.mkdir(parents=True)
            (home / "nexus").mkdir()
            (systemd.units / "a.service").write_text(text)
            for path in (home / "nexus", *systemd.units.parents, systemd.units):
                if path.is_relative_to(home):
                    os.chown(path, _STRANGER, _STRANGER)
            done = systemd.systemctl("start", "a.service")
            assert done.returncode == 0, done.stderr + systemd.property("a.service", "ExecMainStatus")
            said = found.read_text()
            assert "0077" in said
            assert "CapBnd:\t0000000000000000" in said
            assert "NoNewPrivs:\t1" in said
            assert "Seccomp:\t2" in said
            assert "a secret" not in said
            assert said.count("Read-only file system") == 2, said
            assert (home / "written").exists()
            assert "done" in said
    finally:
        shutil.rmtree(home)


def test_it_is_installed_watched_restarted_and_removed(tmp_path, models_folder, granite_folder, smollm2_path):
    home = tmp_path / "home"
    home.mkdir()
    with user_systemd(home, os.getuid()) as systemd:
        port = free_port()
        root = home / "nexus"
        root.mkdir(mode=0o700)
        (root / "config.toml").write_text(
            f'[service]\nport = {port}\n[models]\nfolder = "{models_folder}"\n'
            '[engine]\nmodel = "smollm2-135m"\ncontext = 2048\nreply_tokens = 16\n'
        )

        def nexus(*words: str) -> str:
            done = systemd.run(sys.executable, "-m", "nexus", *words, NEXUS_HOME=str(root))
            assert done.returncode == 0, done.stderr + done.stdout + log(systemd)
            return done.stdout + done.stderr

        assert "ProtectSystem=strict" in nexus("service", "install", "--dry-run")
        assert not (systemd.units / NAME).exists()
        said = nexus("service", "install", "--yes")
        assert "not confined" not in said, said
        assert systemd.property(NAME, "ActiveState") == "active", log(systemd)
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        state = json.loads(nexus("service", "status", "--json"))
        assert state["by_systemd"] is True
        assert state["says"] == "ready"
        assert nexus("service", "install", "--yes")  # again: nothing to ask, and it runs

        asked = {"prompt": "Say hello.", "max_tokens": 8}
        token = (root / "run" / "token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}

        def answer() -> httpx.Response:
            return httpx.post(
                f"http://127.0.0.1:{port}/api/interact", json=asked, headers=headers, timeout=120
            )

        reply = answer()
        assert reply.status_code == 200, reply.text + log(systemd)
        assert "MEM-" in nexus("remember", "the staging database listens on port 6543")
        assert "6543" in nexus("recall", "staging port")

        # It dies, and is started again.
        first = systemd.property(NAME, "MainPID")
        os.kill(int(first), signal.SIGKILL)
        until(lambda: systemd.property(NAME, "MainPID") not in (first, "0"), lambda: log(systemd))
        until(lambda: systemd.property(NAME, "ActiveState") == "active", lambda: log(systemd))
        assert "6543" in nexus("recall", "staging port")
        assert systemd.systemctl("stop", NAME).returncode == 0
        assert systemd.property(NAME, "Result") == "success", log(systemd)
        nexus("service", "uninstall", "--yes")
        assert not (systemd.units / NAME).exists()
        assert (root / "memories").is_dir()


def log(systemd: UserSystemd) -> str:
    """What can be known without a journal."""
    return systemd.systemctl("status", NAME).stdout

"""MemexFS with a service that systemd confines: mounted beside it, documents read inside it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from nexus.service.unit import NAME
from tests.memex_corpus import files
from tests.memex_mounts import needs_fuse
from tests.running import free_port
from tests.system.user_systemd import user_systemd

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), needs_fuse]


def test_the_mount_is_made_beside_the_service_and_outlives_it(
    tmp_path: Path, models_folder: Path, granite_folder: Path
) -> None:
    home, root = tmp_path / "home", tmp_path / "home" / "nexus"
    root.mkdir(mode=0o700, parents=True)
    point = home / "memex"
    (root / "config.toml").write_text(
        f'[service]\nport = {free_port()}\n[models]\nfolder = "{models_folder}"\n'
        f'[engine]\nmodel = "{home}/none.gguf"\n[memex]\nmount = "{point}"\n'
        "[training]\nenabled = false\n[agentmem]\nenabled = false\n"
    )
    with user_systemd(home, os.getuid()) as systemd:

        def run(*words: str) -> str:
            done = systemd.run(*words, NEXUS_HOME=str(root))
            assert done.returncode == 0, done.stderr + done.stdout + systemd.systemctl("status", NAME).stdout
            return done.stdout

        def nexus(*words: str) -> str:
            return run(sys.executable, "-m", "nexus", *words)

        def state() -> dict[str, object]:
            found: dict[str, object] = json.loads(nexus("memex", "status", "--json"))
            return found

        nexus("service", "install", "--yes")
        deadline = time.monotonic() + 240
        while not state()["mount"]:
            assert time.monotonic() < deadline, state()
            time.sleep(0.2)
        one_of_each = {Path(name).suffix: (name, data) for name, data in reversed([*files(60)])}
        for name, data in one_of_each.values():
            (home / Path(name).name).write_bytes(data)
            run("cp", str(home / Path(name).name), str(point / "files"))
        while state()["files"] != {"indexed": len(one_of_each)}:
            assert time.monotonic() < deadline, nexus("memex", "files")
            time.sleep(0.2)
        assert "returns.pdf" in run("ls", str(point / "search" / "how we handle refunds"))
        letter = point / "files" / "letter.txt"
        run("sh", "-c", f"echo before > {letter}; echo after > {letter}")
        while not json.loads(nexus("memex", "versions", str(letter), "--json"))["versions"]:
            assert time.monotonic() < deadline
        nexus("memex", "restore", str(letter))
        assert run("cat", str(letter)) == "before\n"
        assert systemd.systemctl("stop", NAME).returncode == 0
        assert "returns.pdf" in run("ls", str(point / "files"))
        nexus("umount")
        nexus("service", "uninstall", "--yes")

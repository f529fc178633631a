"""A systemd of one user, started for a test: this machine's own may not be running.

It needs to believe that the machine was booted with systemd, so it lives in a mount namespace with a /run of
its own; nothing outside sees it. Needs root to make that namespace.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SYSTEMD = Path("/usr/lib/systemd/systemd")
_SCRIPT = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/systemd/unit-root "$XDG_RUNTIME_DIR"
# What the first process of a machine makes for the root user's services.
mkdir -p /run/systemd/inaccessible/dir
touch /run/systemd/inaccessible/reg
mknod /run/systemd/inaccessible/chr c 0 0
chmod 000 /run/systemd/inaccessible/*
chmod 700 "$XDG_RUNTIME_DIR"
chown "$OWNER" "$XDG_RUNTIME_DIR" "$HOME"
for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    mkdir -p "$hierarchy/$GROUP"
    chown -R "$OWNER" "$hierarchy/$GROUP"
    echo $$ > "$hierarchy/$GROUP/cgroup.procs"
done
cd /
exec setpriv --reuid="$OWNER" --regid="$OWNER" --clear-groups "$SYSTEMD" --user
"""


class UserSystemd:
    """The manager of the services of user `owner`, whose home is `home`."""

    def __init__(self, home: Path, owner: int) -> None:
        self.home, self.owner = home, owner
        self.units = home / ".config" / "systemd" / "user"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("NEXUS_", "XDG_", "DBUS_"))},
            "HOME": str(home),
            "XDG_RUNTIME_DIR": f"/run/user/{owner}",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the user, where it sees this systemd."""
        assert self.process is not None
        inside = ["nsenter", f"--target={self.process.pid}", "--mount", "--"]
        as_user = ["setpriv", f"--reuid={self.owner}", f"--regid={self.owner}", "--clear-groups", "--"]
        return subprocess.run(
            [*inside, *as_user, *command],
            env={**self.env, **more},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def systemctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`systemctl --user WORDS...`."""
        return self.run("systemctl", "--user", "--no-pager", *words)

    def property(self, unit: str, name: str) -> str:
        """What systemd knows of a unit."""
        return self.systemctl("show", unit, f"--property={name}", "--value").stdout.strip()


@contextmanager
def user_systemd(home: Path, owner: int) -> Iterator[UserSystemd]:
    """A running one; ended with everything it started. Skips, with the reason, where there cannot be one."""
    if os.getuid() != 0:
        pytest.skip("only root can make the mount namespace for a systemd of a test")
    needed = ("unshare", "nsenter", "setpriv", "systemctl")
    missing = [name for name in needed if not shutil.which(name)]
    if missing or not _SYSTEMD.exists():
        pytest.skip(f"not installed: {', '.join(missing) or _SYSTEMD}")
    manager = UserSystemd(home, owner)
    group = f"nexus-test-{os.getpid()}-{owner}"
    env = {**manager.env, "OWNER": str(owner), "GROUP": group, "SYSTEMD": str(_SYSTEMD)}
    with tempfile.NamedTemporaryFile(prefix="nexus-systemd-", suffix=".log") as log:
        manager.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _SCRIPT],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        yield from _ready(manager, group, Path(log.name))


def _ready(manager: UserSystemd, group: str, log: Path) -> Iterator[UserSystemd]:
    assert manager.process is not None
    try:
        deadline = time.monotonic() + 30
        while manager.systemctl("is-system-running").stdout.strip() != "running":
            if manager.process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-500:]
                pytest.skip(f"no systemd of a user's own comes up here: {said or 'it says nothing'}")
            time.sleep(0.2)
        yield manager
    finally:
        manager.process.send_signal(signal.SIGTERM)
        try:
            manager.process.wait(60)
        except subprocess.TimeoutExpired:
            manager.process.kill()
            manager.process.wait()
        for hierarchy in ("systemd", "unified"):
            folders = sorted(Path("/sys/fs/cgroup", hierarchy, group).rglob("*/"), reverse=True)
            for folder in [*folders, Path("/sys/fs/cgroup", hierarchy, group)]:
                if folder.is_dir():
                    folder.rmdir()

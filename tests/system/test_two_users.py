"""Two users of one machine: what is one's, the other can neither read nor talk to."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from tests.running import running

_NOBODY = 65534
# What the other user tries. It prints what it could do.
_STRANGER = textwrap.dedent(
    """
    import encodings.idna, json, os, socket, sys, urllib.error, urllib.request
    os.setgroups([])
    os.setgid({nobody})
    os.setuid({nobody})
    home, url, sockets, files = json.loads(sys.stdin.read())
    could = []
    for path in files:
        try:
            open(path, "rb").read(1)
            could.append(f"read {{path}}")
        except OSError:
            pass
    for folder in [home, *{{os.path.dirname(path) for path in files}}]:
        try:
            os.listdir(folder)
            could.append(f"list {{folder}}")
        except OSError:
            pass
        try:
            open(os.path.join(folder, "planted"), "w")
            could.append(f"write into {{folder}}")
        except OSError:
            pass
    for path in sockets:
        for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
            try:
                with socket.socket(socket.AF_UNIX, kind) as talk:
                    talk.settimeout(5)
                    talk.connect(path)
                    could.append(f"connect to {{path}}")
            except OSError:
                pass
    for path in ("/api/status", "/api/memories", "/mcp", "/v1/models"):
        for headers in ({{}}, {{"authorization": "Bearer guessed"}}, {{"x-api-key": ""}}):
            request = urllib.request.Request(url + path, headers=headers)
            try:
                urllib.request.urlopen(request, timeout=30)
                could.append(f"get {{path}}")
            except urllib.error.HTTPError as refused:
                if refused.code != 401:
                    could.append(f"get {{refused.code}} of {{path}}")
    assert os.getuid() == {nobody}
    print(json.dumps(could))
    """
).format(nobody=_NOBODY)


@pytest.fixture
def open_folder():
    """A folder that others may enter, so that what is tested is our own protection."""
    with tempfile.TemporaryDirectory(prefix="nexus-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def stranger():
    if os.getuid() != 0:
        pytest.skip("only root can run a process as another user")

    def attempt(home: Path, url: str, sockets: list[Path], files: list[Path]) -> list[str]:
        told = json.dumps([str(home), url, [*map(str, sockets)], [*map(str, files)]])
        done = subprocess.run(
            [sys.executable, "-c", _STRANGER],
            input=told,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        could: list[str] = json.loads(done.stdout)
        return could

    return attempt


def test_another_user_reads_nothing_and_talks_to_nothing(
    stranger, open_folder, models_folder, granite_folder, smollm2_path
):
    home = open_folder / "nexus"
    with running(home, models_folder) as service:
        assert service.cli("remember", "the staging database listens on port 6543").returncode == 0
        sockets = [path for path in home.rglob("*") if path.is_socket()]
        files = [path for path in home.rglob("*") if path.is_file()]
        assert "token" in {path.name for path in files}
        assert len(sockets) >= 2, "the hooks' and the engine's"
        assert stranger(home, service.url, sockets, files) == []
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        open_paths = [
            path
            for path in home.rglob("*")
            if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
        ]
        assert open_paths == [], "every file, folder and socket is its owner's alone"
        # Where others may pass through the home, what is inside is still closed, one by one.
        home.chmod(0o711)
        assert stranger(home, service.url, sockets, files) == []

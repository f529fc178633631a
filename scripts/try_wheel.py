"""Try a wheel as a stranger would: a fresh environment, no checkout, a fresh NEXUS_HOME.

Usage: try_wheel.py WHEEL. The models are those in NEXUS_TEST_MODELS; without it they are fetched. Says what
was seen, one line each; a failed assertion says what was not. Knows the repository only to compare: what lies
beside the Python files there must be in the wheel, and none of the wheel's files may name the repository.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("_agentmem", "_engine", "_flowing", "_native")
PROGRAMS = ("agentmemd", "hook", "pageout", "relay", "tender-kvm", "tender-spt")
_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


def look_inside(wheel: Path) -> None:
    """The wheel has all that the package reads, and points nowhere."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        pointing = [name for name in names if str(ROOT).encode() in archive.read(name)]
    listed = subprocess.run(
        ["git", "ls-files", "src/nexus", "share"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    data = f"{'-'.join(wheel.name.split('-')[:2])}.data"
    wanted = {
        f"{data}/data/{name}" if name.startswith("share/") else name.removeprefix("src/") for name in listed
    }
    wanted |= {f"{data}/scripts/nexus-{program}" for program in PROGRAMS}
    assert not wanted - names, f"not in the wheel: {sorted(wanted - names)}"
    for module in MODULES:
        assert any(name.startswith(f"nexus/{module}.") and name.endswith(".so") for name in names), module
    assert not pointing, f"these name {ROOT}: {pointing}"
    print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size / 1e6:.1f} MB; none names the checkout")


class Place:
    """A folder with an environment, a NEXUS_HOME and nothing else of ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        kept = {k: v for k, v in os.environ.items() if k not in _OURS and not k.startswith("NEXUS_")}
        mine = {
            "NEXUS_HOME": str(folder / "home"),
            "NEXUS_SERVICE_PORT": str(self.port),
            "NEXUS_ENGINE_MODEL": "smollm2-135m",
        }
        if models := os.environ.get("NEXUS_TEST_MODELS"):
            mine["NEXUS_MODELS_FOLDER"] = models
        # Without the checkout's programs; ours are not on the PATH either.
        path = ":".join(p for p in os.environ["PATH"].split(":") if not p.startswith(str(ROOT)))
        self.env = kept | mine | {"PATH": path}

    def run(self, *words: str | Path, status: int = 0) -> str:
        """What a command in the environment prints. Any other exit status than `status` is an error."""
        command = [str(self.bin / words[0]), *map(str, words[1:])]
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def get(self, path: str, token: str) -> bytes:
        """What the service answers."""
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"authorization": f"Bearer {token}"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=60) as answer:
            return bytes(answer.read())


def install(place: Place, wheel: Path) -> None:
    """A fresh environment with the wheel and what it asks for."""
    subprocess.run([sys.executable, "-m", "venv", place.bin.parent], env=place.env, check=True)
    place.run("pip", "install", "--quiet", wheel)
    place.run("pip", "check")
    source = Path(place.run("python", "-c", "import nexus; print(nexus.__file__)"))
    assert source.is_relative_to(place.folder), source
    print(f"{place.run('nexus', '--version')}, installed without the checkout")


def serve(place: Place) -> None:
    """The service comes up, answers, shows its dashboard and goes."""
    place.run("nexus", "up", "--detach", "--yes")
    try:
        token = place.run("nexus", "token")
        status = json.loads(place.get("/api/status", token))
        assert status["version"] == place.run("nexus", "--version").split()[-1]
        parts = {part["name"]: part["state"] for part in status["parts"]}
        for name in ("native", "agentmem", "agentmem broker", "hook client"):
            assert parts[name] == "available", (name, parts[name])
        print(f"/api/status: {status['daemon']['state']}, {len(parts)} parts")
        page = place.get("/dashboard", token)
        assert b"NexusOS" in page
        for name in ("dashboard.css", "app.js", "vendor/htmx.min.js"):
            assert place.get(f"/dashboard/static/{name}", token)
        print(f"/dashboard: {len(page)} bytes, and its files")
    finally:
        place.run("nexus", "down", "--timeout", "120")
    place.run("nexus", "status", status=3)
    print("nexus down: stopped")


def main(wheel: Path) -> None:
    """All of it, in a folder that is removed afterwards."""
    look_inside(wheel)
    with tempfile.TemporaryDirectory(prefix="nexus-wheel-") as folder:
        place = Place(Path(folder))
        install(place, wheel)
        serve(place)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())

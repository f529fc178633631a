"""`make up` in a fresh clone with an empty home: a service that knows the project's own docs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.running import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = "Left out: the sandbox for agents' code."


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_clone_becomes_a_running_service(tmp_path, models_folder, granite_folder, smollm2_path):
    clone, home, port = tmp_path / "clone", tmp_path / "home", free_port()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith("NEXUS_") and k != "VIRTUAL_ENV"},
        "NEXUS_HOME": str(home),
        "NEXUS_SERVICE_PORT": str(port),
        "NEXUS_ENGINE_MODEL": "smollm2-135m",
        # The weights are on this machine already: a source like any other.
        "NEXUS_MODELS_SEARCH_PATH": f"{granite_folder}:{smollm2_path.parent}",
    }

    def make_up(**more: str) -> str:
        began = time.monotonic()
        done = subprocess.run(["make", "up"], cwd=clone, env=env | more, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        print(f"make up took {time.monotonic() - began:.1f} s")
        return done.stdout + done.stderr

    try:
        first = make_up()
        assert f"http://127.0.0.1:{port}/dashboard#token=" in first
        assert "nexus ask" in first
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        again = make_up()
        assert f"http://127.0.0.1:{port}/dashboard#token=" in again
        assert "0 chunks embedded" in again
        nexus = clone / ".venv" / "bin" / "nexus"
        asked = subprocess.run(
            [nexus, "recall", "how do I add my own documents?"], env=env, capture_output=True, text=True
        )
        assert str(clone / "docs") in asked.stdout
        run = subprocess.run(
            [nexus, "sandbox", "run", "-"], env=env, input="print(6 * 7)", capture_output=True, text=True
        )
        if LEFT_OUT in first:  # no compiler, or no sources: the reason and the way on are said
            print(first[first.index(LEFT_OUT) :])
            assert "nexus unikernel build" in run.stderr
        else:
            assert run.stdout == "42\n", run.stderr
            assert "Building the Python" not in again
        # What cannot be built is left out, with the reason; the rest stands.
        shutil.rmtree(home / "cache" / "unikernel")
        without = make_up(NEXUS_UNIKERNEL_SOURCES=str(tmp_path / "none"))
        assert f"{LEFT_OUT} NEXUS_UNIKERNEL_SOURCES={tmp_path}/none has no micropython" in without
        assert "nexus unikernel doctor" in without
    finally:
        subprocess.run([clone / ".venv" / "bin" / "nexus", "down"], env=env)

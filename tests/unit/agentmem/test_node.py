"""The Node addon, by its own tests (native/agentmem/node/test) against a broker of this test's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.agentmem_store import running

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "native/agentmem/node"
ADDON = ROOT / "build/python/native/agentmem/node/agentmem.node"


def test_the_addon_keeps_its_word() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not ADDON.exists():
        pytest.skip(f"{ADDON} was not built; it needs Node's headers: apt-get install libnode-dev && make up")
    with running() as launcher:
        done = subprocess.run(
            [node, "--expose-gc", "--test", "test/"],
            cwd=PACKAGE,
            env={
                **os.environ,
                "NEXUS_AGENTMEM": str(launcher.socket),
                "NEXUS_AGENTMEM_ADDON": str(ADDON),
                "NEXUS_AGENTMEM_SCRATCH": str(launcher.folder),
            },
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 9" in done.stdout, done.stdout

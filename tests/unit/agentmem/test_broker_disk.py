"""A bare disk for the cold tier, where there is none: what the broker says to a wrong one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import agentmem_wire as wire

pytestmark = pytest.mark.skipif(wire.MISSING, reason=wire.WHY)
NOWHERE = "nvme:ffff:ff:1f.7"  # an address that no machine has


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [wire.PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    "disk", ["/dev/nvme0n1", "nvme:", "nvme:..", "nvme:0000:00:04", "nvme:0000:00:04.0/", f"{NOWHERE}/0"]
)
def test_what_is_no_address_is_refused_before_anything_is_opened(disk: str) -> None:
    for option in ("--cold-on", "--take"):
        done = run(option, disk)
        assert done.returncode == 2
        assert "give a disk such as nvme:0000:00:04.0" in done.stderr


def test_options_that_do_not_go_together() -> None:
    assert "--erase goes with --take" in run("--erase", "S1").stderr
    done = run("--cold-on", NOWHERE, "--cold", "0")
    assert done.returncode == 2
    assert "--cold 0 leaves nothing for the disk" in done.stderr


def test_a_disk_that_is_not_there(tmp_path: Path) -> None:
    for mode in (["--take", NOWHERE], ["--take", NOWHERE, "--erase", "S1"], ["--check", NOWHERE]):
        done = run(*mode)
        assert done.returncode == 2
        assert done.stderr == "nexus-agentmemd: ffff:ff:1f.7: there is no such PCI device\n"
    done = run(
        *("--socket", tmp_path / "socket", "--folder", tmp_path / "folder"),
        *("--cold-on", NOWHERE, "--foreground"),
    )
    assert done.returncode != 0
    assert "there is no such PCI device" in done.stderr
    assert "restarts=1" not in done.stderr  # the next broker would not find it either

"""Workers and supervisors are killed again and again while programs work on the mount; none notices."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from nexus.memexfs import launch
from tests.memex_mounts import needs_root
from tests.memex_supervised import ROOT, Mount, until

pytestmark = [pytest.mark.slow, needs_root]

KILLS = 100  # a worker is killed up to .3 s after it was started, so many die before they begin


@pytest.mark.parametrize("passthrough", [False, True], ids=["by us", "passed through"])
def test_programs_notice_nothing_of_a_hundred_deaths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passthrough: bool
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    mount, random_ = Mount(tmp_path), random.Random(1)
    programs: list[subprocess.Popen[bytes]] = []
    try:
        mount.start(passthrough=passthrough)
        deaths, number = 0, 0
        while deaths < KILLS:
            for program in [program for program in programs if program.poll() is not None]:
                assert program.returncode == 0
                programs.remove(program)
            while len(programs) < 2:
                number += 1
                client = ROOT / "tests" / "memex_client.py"
                command = [sys.executable, str(client), str(mount.at / str(number)), "60"]
                programs.append(subprocess.Popen(command))
            time.sleep(random_.random() * 0.3)
            found = launch.serving(mount.home)
            if found is None:  # one supervisor is gone, the next one is on its way
                continue
            mount.pids |= {found.pid, found.worker}
            victim = found.pid if random_.random() < 0.2 else found.worker
            if victim == found.pid and not _reads(found.worker):
                continue  # a worker that does not run yet could not replace it, and that is no promise
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            until(lambda: (now := launch.serving(mount.home)) is not None and now != found)  # noqa: B023
            deaths += 1
        for program in programs:
            assert program.wait(120) == 0
        assert number > 2
    finally:
        for program in programs:
            program.kill()
        mount.end()
        for program in programs:
            program.wait(60)


def _reads(worker: int) -> bool:
    """Whether the process has come as far as to watch its supervisor."""
    with suppress(OSError):
        return len(list(Path(f"/proc/{worker}/task").iterdir())) > 4
    return False

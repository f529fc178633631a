"""The kernel module in Debian's kernels under QEMU: what `make test-kernel` runs, each machine a test.

Runs where NEXUS_TEST_KERNEL=1 asks for it, as it boots four machines without KVM. Skips, and says why, where
apt's packages, QEMU or a compiler are not to be had.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from scripts.kernel import packages, stats
from scripts.kernel.packages import META, MissingError
from scripts.kernel.suite import ROOT, Outcome, Suite

from tests import agentmem_wire as wire

FOLDER = ROOT / "build" / "kernel"
# Read now: tests run without the variables of ours that the user has set.
pytestmark = pytest.mark.skipif(
    os.environ.get("NEXUS_TEST_KERNEL") != "1",
    reason="boots kernels for minutes: NEXUS_TEST_KERNEL=1 runs it",
)


@pytest.fixture(scope="module", params=list(META))
def suite(request: pytest.FixtureRequest) -> Suite:
    """Guests and module built for a kernel."""
    try:
        packages.need("qemu-system-x86_64", "qemu-system-x86")
        made = Suite(packages.debian_kernel(request.param, FOLDER), FOLDER)
        made.build()
    except MissingError as error:
        pytest.skip(str(error))
    return made


def _judge(outcome: Outcome) -> None:
    assert outcome.problems == [], "\n".join(outcome.boot.lines[-80:])


def _text_of_a_broker(folder: Path) -> str:
    with wire.broker(folder) as running:
        command = [str(wire.PROGRAM), "--stats", str(running.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_module_does_what_its_interface_says(suite: Suite, tmp_path: Path) -> None:
    outcome = suite.plain()
    _judge(outcome)
    # One parser reads the kernel's file and the broker's text: the same names in the same order.
    seen = stats.parse(stats.marked(outcome.boot.lines))
    assert list(seen.totals) == list(stats.parse(_text_of_a_broker(tmp_path)).totals)
    assert (seen.totals["Agents"], len(seen.agents)) == (20, 20)
    assert {agent.state for agent in seen.agents} == {"paused"}
    figures = {name: value for name, (value, _) in outcome.report.figures.items()}
    assert figures["dedup"] > 2
    assert figures["compression"] > 1.5
    assert figures["cost-acquire-release"] < figures["cost-publish-new-64k"]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_module_bears_stress_fuzzing_and_want_of_memory(suite: Suite) -> None:
    _judge(suite.harsh())


def test_a_machine_without_apt_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingError, match="apt-cache is missing"):
        packages.debian_kernel("6.1", tmp_path)

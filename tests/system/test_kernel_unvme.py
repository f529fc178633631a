"""The cold tier on a bare NVMe disk, in QEMU: what `python3 -m scripts.kernel.unvme` runs, each part a test.

Runs where NEXUS_TEST_KERNEL=1 asks for it, as it boots six machines without KVM. Skips, and says why, where
apt's packages, QEMU or a compiler are not to be had.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from scripts.kernel import packages, unvme
from scripts.kernel.packages import MissingError
from scripts.kernel.suite import ROOT

# Read now: tests run without the variables of ours that the user has set.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(
        os.environ.get("NEXUS_TEST_KERNEL") != "1",
        reason="boots kernels for minutes: NEXUS_TEST_KERNEL=1 runs it",
    ),
]


@pytest.fixture(scope="module")
def trials() -> unvme.Trials:
    """Guests built for a kernel."""
    folder = ROOT / "build" / "kernel"
    try:
        made = unvme.Trials(packages.debian_kernel("6.1", folder), folder, verbose=False)
        made.build()
    except MissingError as error:
        pytest.skip(str(error))
    return made


@pytest.mark.parametrize("part", [unvme.uio, unvme.vfio, unvme.cuts])
def test_the_cold_tier_on_a_bare_disk(
    trials: unvme.Trials, part: Callable[[unvme.Trials], None], capsys: pytest.CaptureFixture[str]
) -> None:
    before = trials.bad
    part(trials)
    assert trials.bad == before, capsys.readouterr().out

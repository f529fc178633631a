"""100,000 random operations on files of the mount leave what a model in memory has."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.memex_mounts import needs_fuse, needs_root
from tests.memex_posix import served
from tests.memex_random import exercise

pytestmark = [pytest.mark.slow, needs_root, needs_fuse, pytest.mark.timeout(900)]


@pytest.mark.parametrize("options", [(), ("--passthrough",)], ids=["served", "passthrough"])
def test_random_operations_agree_with_a_model(tmp_path: Path, options: tuple[str, ...]) -> None:
    with (
        served(tmp_path, *options) as place,
        # Not by fork: a child would close what this process has open on the mount.
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
    ):
        runs = [pool.submit(exercise, place / f"x{n}", 10_000, n) for n in range(5)]
        for run in runs:
            run.result()

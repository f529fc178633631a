"""What several files of contract tests ask: one service as a newcomer has it. Homes are in RAM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.in_ram import tmp_path, tmp_path_factory
from tests.running import Service, running

__all__ = ["plain_service", "tmp_path", "tmp_path_factory"]


@pytest.fixture(scope="session")
def plain_service(
    tmp_path_factory, models_folder, granite_folder, embedder_folder, smollm2_path
) -> Iterator[Service]:
    """With the settings of all tests and no others. To start one takes seconds, so it is shared by all who
    only ask; who changes what it knows, kills it or counts what it was asked has one of its own."""
    with running(tmp_path_factory.mktemp("plain") / "home", models_folder) as service:
        yield service

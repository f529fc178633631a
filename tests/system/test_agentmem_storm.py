"""A thousand clients killed with -9 at random points leave nothing and change nothing for the others."""

from __future__ import annotations

import pytest

from tests.agentmem_deaths import deaths


@pytest.mark.slow
def test_a_thousand_clients_killed_at_random_points_leave_nothing() -> None:
    deaths(1000, seed=2)


@pytest.mark.slow
def test_clients_killed_while_the_broker_evicts_leave_nothing() -> None:
    deaths(300, "--hot", "2M", "--warm", "32M", seed=3)

"""Clients killed with -9 at random points leave nothing behind and change nothing for the others."""

from __future__ import annotations

from tests.agentmem_deaths import deaths


def test_sixty_clients_killed_at_random_points_leave_nothing() -> None:
    deaths(60, seed=1)

"""Which requests make the service active."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from nexus.core.settings import BackgroundSettings
from nexus.service.activity import Activity
from nexus.service.resource import ResourceGovernor


def asked(method: str, path: str, headers: dict[str, str] | None = None, *, ready: bool = True) -> list[str]:
    """The modes of the governor during a request and an hour after."""
    now = [1000.0]
    governor = ResourceGovernor(BackgroundSettings(), clock=lambda: now[0])
    state = SimpleNamespace(daemon=SimpleNamespace(resources=governor)) if ready else SimpleNamespace()
    modes = []

    async def inner(scope, receive, send):
        now[0] += 3600
        modes.append(governor.mode)

    sent = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": sent,
        "app": SimpleNamespace(state=state),
    }
    app: Any = Activity(inner)
    anyio.run(app, scope, None, None)
    now[0] += 3600
    return [*modes, governor.mode]


@pytest.mark.parametrize("path", ["/v1/messages", "/api/interact", "/mcp", "/api/hooks"])
def test_who_asks_is_served_until_the_answer_has_ended(path):
    assert asked("POST", path) == ["active", "idle"]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/api/events", {}),
        ("GET", "/api/status", {}),
        ("HEAD", "/dashboard", {}),
        ("POST", "/api/control", {}),
        ("POST", "/v1/chat/completions", {"x-nexus-background": "1"}),
    ],
)
def test_who_looks_and_what_works_in_the_background_does_not_count(method, path, headers):
    assert asked(method, path, headers) == ["idle", "idle"]


def test_before_the_daemon_is_there_nothing_is_counted():
    assert asked("POST", "/api/interact", ready=False) == ["idle", "idle"]

"""`nexus config show` says what is set, and of keys and tokens only that they are."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.cli.config import show
from nexus.core.config import load


def secrets() -> list[str]:
    return [value.key for value in load().values() if value.key.endswith(("key", "token"))]


@pytest.mark.parametrize("as_json", [False, True])
def test_no_key_is_shown(home: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, as_json: bool) -> None:
    assert len(secrets()) == 5
    for key in secrets():
        monkeypatch.setenv(f"NEXUS_{key.replace('.', '_').upper()}", "never-to-be-shown")
    show(as_json=as_json)
    told = capsys.readouterr().out
    assert "never-to-be-shown" not in told
    assert told.count("(set)") == 5

"""Where the home lies when nobody says so: where platformdirs would put it."""

from __future__ import annotations

import platformdirs
import pytest

from nexus.core.paths import Home


@pytest.mark.parametrize("value", [None, "", "/srv/data", "/srv/data/", "relative", " /srv/data", "~/data"])
def test_it_is_the_folder_of_the_platform(monkeypatch, tmp_path, value):
    monkeypatch.delenv("NEXUS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if value is None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_DATA_HOME", value)
    assert str(Home.from_env().root) == platformdirs.user_data_dir("nexus", appauthor=False).rstrip("/")

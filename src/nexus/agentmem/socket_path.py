"""Where the broker of this user listens. Knows names only; whether one answers is seen by connecting."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from nexus.core.errors import ConfigError
from nexus.core.paths import Home

NAME = "agentmem.sock"
LONGEST = 107  # bytes of a Unix socket's path


def find_socket(env: Mapping[str, str] = os.environ) -> Path:
    """NEXUS_AGENTMEM where set, else run/agentmem.sock in NEXUS_HOME. Raises `ConfigError`."""
    named = env.get("NEXUS_AGENTMEM", "")
    path = Path(named).expanduser() if named else Home.from_env(env).run / NAME
    if len(os.fsencode(path)) > LONGEST:
        raise ConfigError(
            f"the socket's path has {len(os.fsencode(path))} bytes, and {LONGEST} are the most: {path}",
            hint="set NEXUS_AGENTMEM to a shorter path",
        )
    return path

"""Where the broker of this user listens, or the kernel module's device where that stands in for it. Knows
names only; whether one answers is seen by connecting."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from nexus.core.errors import ConfigError
from nexus.core.paths import Home

NAME = "agentmem.sock"
LONGEST = 107  # bytes of a Unix socket's path
DEVICE = Path("/dev/agentmem")


def find_socket(env: Mapping[str, str] = os.environ, *, device: Path | None = DEVICE) -> Path:
    """NEXUS_AGENTMEM where set, else run/agentmem.sock in NEXUS_HOME; where nothing lies there and the kernel
    module's `device` may be opened, that (None: never). Raises `ConfigError`."""
    named = env.get("NEXUS_AGENTMEM", "")
    path = Path(named).expanduser() if named else Home.from_env(env).run / NAME
    if len(os.fsencode(path)) > LONGEST:
        raise ConfigError(
            f"the socket's path has {len(os.fsencode(path))} bytes, and {LONGEST} are the most: {path}",
            hint="set NEXUS_AGENTMEM to a shorter path",
        )
    if not named and device is not None and not os.path.lexists(path) and _may_open(device):
        return device
    return path


def _may_open(device: Path) -> bool:
    return device.is_char_device() and os.access(device, os.R_OK | os.W_OK)

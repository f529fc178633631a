"""The user's own systemd: the unit's file, and the commands that start, stop and question it.

Knows nothing of what the unit holds. Invariant: nothing but the unit of this name is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from nexus.core.errors import MissingPartError, NexusError
from nexus.service.connectors.change import Change, read
from nexus.service.unit import NAME

_INSTEAD = "run it without: nexus up --detach, and at every start by a line of `crontab -e`: {line}"
# systemd's own exit statuses for a step before the program runs: its confinement was not possible.
_CONFINING = frozenset({*range(214, 231), 237, 238, 240, 242})
_SECONDS = 600


class Systemd:
    """The manager of the user's own services."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._env = env

    @property
    def path(self) -> Path:
        """Where the unit's file is."""
        home = Path(self._env.get("HOME") or "~").expanduser()
        return Path(self._env.get("XDG_CONFIG_HOME") or home / ".config") / "systemd" / "user" / NAME

    @property
    def installed(self) -> bool:
        """Whether there is a unit's file."""
        return self.path.exists()

    def missing(self) -> str:
        """Why it cannot be used; empty when it can."""
        if not shutil.which("systemctl", path=self._env.get("PATH")):
            return "this machine has no systemd"
        done = self._run("show-environment")
        if done.returncode == 0:
            return ""
        said = done.stderr.strip().splitlines()
        return f"systemd does not manage services of yours: {said[-1] if said else 'it does not answer'}"

    def require(self, crontab: str) -> None:
        """Raise `MissingPartError` when it cannot be used, with what to do instead."""
        why = self.missing()
        if why:
            raise MissingPartError(why, hint=_INSTEAD.format(line=crontab))

    def change(self, text: str | None) -> Change:
        """The change after which the unit's file holds `text`; None: there is none."""
        return Change(self.path, read(self.path), text)

    def start(self) -> None:
        """Read the file anew, enable it, and start it again. Raises `NexusError` with what systemd said."""
        for words in (("daemon-reload",), ("enable", NAME), ("restart", NAME)):
            self._must(*words)

    def remove(self) -> None:
        """Stop and disable the unit, if it is known."""
        self._must("disable", "--now", NAME)

    def reload(self) -> None:
        """Read the files of units anew."""
        self._must("daemon-reload")

    def confinement_failed(self) -> bool:
        """Whether the unit's last start failed before the program ran."""
        status = self.properties("ExecMainStatus").get("ExecMainStatus", "")
        return status.isdecimal() and int(status) in _CONFINING

    def properties(self, *names: str) -> dict[str, str]:
        """What systemd knows of the unit."""
        done = self._run("show", NAME, *(f"--property={name}" for name in names))
        pairs = (line.partition("=") for line in done.stdout.splitlines())
        return {name: value for name, _, value in pairs}

    def lingers(self) -> bool | None:
        """Whether the user's services run without a login; None where nobody knows."""
        if not shutil.which("loginctl", path=self._env.get("PATH")):
            return None
        done = self._call("loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value")
        return {"yes": True, "no": False}.get(done.stdout.strip())

    def _must(self, *words: str) -> None:
        done = self._run(*words)
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise NexusError(
                f"systemctl --user {' '.join(words)} failed: {said[0] if said else done.returncode}",
                hint="nexus service logs shows more",
            )

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._call("systemctl", "--user", "--no-pager", *words)

    def _call(self, *words: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                words,
                env=dict(self._env),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NexusError(f"{' '.join(words)}: {error}", hint="run it yourself to see more") from error

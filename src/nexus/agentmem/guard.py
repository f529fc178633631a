"""Nothing stays frozen when who froze it dies, even by kill -9.

A shell waits for the end of this process and thaws the groups it was told then: 1 MB, once for all agents,
and there only while one is frozen. Knows nothing of why agents are frozen.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection

# `read` returns when the other end of the pipe is closed, however that came to be.
_WAIT_AND_THAW = """
read nothing
for group; do
    [ ! -e "$group/cgroup.freeze" ] || echo 0 >"$group/cgroup.freeze"
    [ ! -e "$group/freezer.state" ] || echo THAWED >"$group/freezer.state"
done
"""


class Guard:
    """Thaws control groups when this process ends."""

    def __init__(self) -> None:
        self._shell: subprocess.Popen[bytes] | None = None
        self._groups: frozenset[str] = frozenset()

    def keep(self, groups: Collection[str]) -> bool:
        """Stand guard over these from now on, and over no others.

        False where no shell can be started: then nothing new may be frozen.
        """
        wanted = frozenset(groups)
        if wanted == self._groups and (not wanted or (self._shell and self._shell.poll() is None)):
            return True
        before, self._shell, self._groups = self._shell, None, frozenset()
        try:
            if wanted:
                self._shell = subprocess.Popen(
                    ["/bin/sh", "-c", _WAIT_AND_THAW, "nexus-guard", *sorted(wanted)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            self._groups = wanted
        except OSError:
            return False
        finally:
            if before and before.stdin:
                # Not by closing its pipe: it would thaw what is to stay frozen.
                before.kill()
                before.stdin.close()
                before.wait()
        return True

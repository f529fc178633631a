"""A worker's eye on its supervisor: when that dies, the worker starts another one and serves on.

So a mount ends by its unmount, or when both are killed at once. Knows the supervisor's command line only.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from typing import Final

from nexus.memexfs.inherited import Inherited

_log = logging.getLogger(__name__)

_RETRY: Final = 5.0  # seconds until it is tried again where none could be started


def guard(own: Inherited) -> None:
    """Watch the supervisor from a thread, for as long as this process lives."""
    threading.Thread(target=_watch, args=(own,), name="memexfs-guardian", daemon=True).start()


def _watch(own: Inherited) -> None:
    alive = own.alive
    while True:
        while os.read(alive, 1):  # nothing is ever written: it ends with the supervisor
            pass
        os.close(alive)
        _log.warning("the supervisor of %s is gone; starting another one", own.point)
        alive, theirs = os.pipe()
        started = None
        try:
            started = subprocess.Popen(
                [sys.executable, "-m", "nexus.memexfs.supervisor", "--adopt", str(os.getpid())],
                env=own.environment(theirs),
                pass_fds=(own.fuse, own.log, own.table, theirs),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            _log.error("no supervisor could be started: %s", error)
        os.close(theirs)
        if started is None:
            time.sleep(_RETRY)
        else:
            threading.Thread(target=started.wait, daemon=True).start()  # it leaves no zombie

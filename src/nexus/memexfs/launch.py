"""Starting and finding the supervisor of a home: what `nexus mount` does before it returns."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from nexus.core.errors import StorageError, revived
from nexus.memexfs.mount import answers
from nexus.memexfs.mount_table import mounted_at
from nexus.memexfs.supervisor import LOCK, LOG, STATE

_LOG_BYTES: Final = 2**20  # above, the log begins anew and the last one is kept beside it
_BEGIN: Final = 60.0  # seconds that a worker gets until it answers


class Serving(NamedTuple):
    """Who serves a home's mount: process ids of supervisor and worker, the folder, seconds since 1970 of the
    beginning, and how many workers died since."""

    pid: int
    worker: int
    point: Path
    since: float
    restarts: int


def start(home: Path, point: Path, command: Sequence[str], *, passthrough: bool = True) -> Serving:
    """Mount at `point`, served by processes that outlive this one. Returns once the folder answers.

    `command` starts a worker. Raises what the supervisor failed with, as `nexus.memexfs.mount.mount`, and
    `AlreadyRunningError` where this home is mounted. What the processes say is in run/memexfs.log.
    """
    log = home / "run" / LOG
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_name(f"{LOG}.1"))
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise StorageError.from_os(error, log) from error
    arguments = ["--home", str(home), "--point", str(point), *([] if passthrough else ["--no-passthrough"])]
    with os.fdopen(descriptor) as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "nexus.memexfs.supervisor", "--detach", *arguments, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout:
        line = process.stdout.readline()
    process.wait()  # the supervisor is nobody's child
    try:
        answer = json.loads(line)
    except ValueError:
        answer = {"code": "", "message": "the supervisor ended at once", "hint": f"see {log}"}
    if "pid" not in answer:
        raise revived(answer["code"], answer["message"], answer["hint"])
    deadline = time.monotonic() + _BEGIN
    while not answers(point, 1.0) or mounted_at(point) is None:
        if serving(home) is None or time.monotonic() > deadline:
            raise StorageError(f"{point} is mounted and does not answer", hint=f"see {log}")
    found = serving(home)
    if found is None:
        raise StorageError(f"{point} was unmounted at once", hint=f"see {log}")
    return found


def serving(home: Path) -> Serving | None:
    """Who serves the mount of this home; None where nobody does."""
    try:
        lock = os.open(home / "run" / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        pass
    finally:
        os.close(lock)
    try:
        said = json.loads((home / "run" / STATE).read_text())
        return Serving(said["pid"], said["worker"], Path(said["point"]), said["since"], said["restarts"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

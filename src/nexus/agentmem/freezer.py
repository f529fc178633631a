"""A control group for one agent, in which the kernel can hold all of its processes still.

Both kinds are spoken: v2 (`cgroup.freeze`) and the freezer of v1. Light, because an agent's start makes the
group. Invariant: only folders that this code made are written to or removed. Never SIGSTOP: the shell that
started the agent would report a stopped job.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

PREFIX = "nexus-agent-"
_THAWED = (("cgroup.freeze", "0"), ("freezer.state", "THAWED"))
_FROZEN = (("cgroup.freeze", "1"), ("freezer.state", "FROZEN"))


def enter(key: str, root: str = "/sys/fs/cgroup", proc: str = "/proc") -> str:
    """Put this process into a new group named after `key`. Returns its folder; empty: none can be made."""
    for parent, control in _places(root, proc):
        folder = f"{parent}/{PREFIX}{key}"
        _sweep(parent, proc)
        try:
            os.mkdir(folder, 0o755)  # noqa: PTH102 - this is a start that should be quick
        except OSError:
            continue
        try:
            os.stat(f"{folder}/{control}")  # noqa: PTH116
            with open(f"{folder}/cgroup.procs", "w") as file:
                file.write(str(os.getpid()))
            return folder
        except OSError:
            os.rmdir(folder)  # noqa: PTH106
    return ""


def leave(folder: str) -> None:
    """Take this process out of its group and remove that: the agent could not be started."""
    if folder:
        try:
            with open(f"{os.path.dirname(folder)}/cgroup.procs", "w") as file:  # noqa: PTH120
                file.write(str(os.getpid()))
            os.rmdir(folder)  # noqa: PTH106
        except OSError:
            pass  # the group goes with the registration's removal


def freeze(folder: str) -> bool:
    """Hold every process of the group. Whether the kernel took the order."""
    return _order(folder, _FROZEN)


def thaw(folder: str) -> bool:
    """Let them go on. Harmless where they do."""
    return _order(folder, _THAWED)


def is_frozen(folder: str) -> bool:
    """Whether the group is held, or about to be."""
    for name, value in _FROZEN:
        try:
            with open(f"{folder}/{name}") as file:
                return file.read().strip() in (value, "FREEZING")
        except OSError:
            continue
    return False


def _sweep(parent: str, proc: str) -> None:
    """Take away the groups of agents that have ended; one that somebody is left in stays by itself."""
    try:
        names = [name for name in os.listdir(parent) if name.startswith(PREFIX)]  # noqa: PTH208
    except OSError:
        return
    for name in names:
        pid = name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not os.path.exists(f"{proc}/{pid}"):  # noqa: PTH110
            with suppress(OSError):
                os.rmdir(f"{parent}/{name}")  # noqa: PTH106


def _order(folder: str, words: tuple[tuple[str, str], ...]) -> bool:
    for name, value in words:
        try:
            # Without O_CREAT: where the file is not there, the group is of the other kind.
            descriptor = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            os.write(descriptor, value.encode())
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)
    return False


def _places(root: str, proc: str) -> Iterator[tuple[str, str]]:
    """Folders in which a group may be made, with the file by which it is frozen; v2 first.

    A frozen process of v2 can still be killed.
    """
    try:
        with open(f"{proc}/self/cgroup") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    v1 = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = "" if path == "/" or ".." in path else _outside_agents(path)
        if number == "0" and not controllers:
            mount = root if os.path.exists(f"{root}/cgroup.controllers") else f"{root}/unified"  # noqa: PTH110
            yield f"{mount}{inside}", "cgroup.freeze"
        elif "freezer" in controllers.split(","):
            mount = f"{root}/{controllers}"
            # In a container the path may be the host's, which is not to be seen from here.
            own = f"{mount}{inside}"
            v1.append((own if os.path.isdir(own) else mount, "freezer.state"))  # noqa: PTH112
    yield from v1


def _outside_agents(path: str) -> str:
    """An agent that starts another one gets a group beside its own, not inside: each is frozen alone."""
    parts = path.split("/")
    kept = next((i for i, part in enumerate(parts) if part.startswith(PREFIX)), len(parts))
    return "/".join(parts[:kept])

"""`nexus` in processes that have already imported it: what a test of many commands asks for.

Each command is a process of its own, with its own environment, folder, input, output and status, forked from
one that has loaded the command line and done nothing with it. It does not know how long a cold start takes or
what one imports (`tests/architecture/test_startup.py`). Invariant: a command changes nothing for the next.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_REQUEST = 1 << 20


class _Nursery:
    """The process that has everything loaded, and the end of its socket that is ours."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REQUEST)
        with theirs:
            # It ends with this process: nobody has the other end of its socket then.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm_nexus", str(theirs.fileno())],
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def start(self, request: dict[str, object], files: list[int]) -> None:
        socket.send_fds(self._ours, [json.dumps(request).encode()], files)


_nursery: _Nursery | None = None


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    input: str = "",  # noqa: A002
    cwd: Path | None = None,
    capture_output: bool = True,
    text: bool = True,
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of [Python, "-m", "nexus", ...], with text in and out."""
    global _nursery
    assert list(command[:3]) == [sys.executable, "-m", "nexus"]
    assert capture_output
    assert text
    _nursery = _nursery or _Nursery()
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as errors,
    ):
        given.write(input.encode())
        given.seek(0)
        told, teller = os.pipe()
        with open(told, "rb", buffering=0) as said:
            try:
                request: dict[str, object] = {
                    "arguments": command[3:],
                    "env": dict(env),
                    "cwd": str(cwd or Path.cwd()),
                }
                _nursery.start(request, [given.fileno(), out.fileno(), errors.fileno(), teller])
            finally:
                os.close(teller)
            status = _status(said.fileno(), timeout, command)
        out.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(command, status, out.read().decode(), errors.read().decode())


def _status(told: int, timeout: float, command: Sequence[str]) -> int:
    """What the command ended with: its pid comes first, then its status."""
    deadline, said = time.monotonic() + timeout, b""
    while said.count(b"\n") < 2:
        if not select.select([told], [], [], max(0.0, deadline - time.monotonic()))[0]:
            if said:
                os.kill(int(said.split()[0]), signal.SIGKILL)
            raise subprocess.TimeoutExpired(command, timeout)
        part = os.read(told, 100)
        assert part, "the process that forks commands is gone"
        said += part
    return int(said.split()[1])


# ---- the process that forks --------------------------------------------------------------------


def _serve(channel: socket.socket) -> None:
    """Fork a command for each request, until the other end is closed."""
    import gc

    # What nearly every command imports, and nothing that starts a thread.
    import httpx
    import rich.console
    import rich.table
    import typer._adapters

    import nexus.cli.client
    import nexus.cli.main

    # Until its first connection a client loads nothing of its transport.
    httpx.HTTPTransport(verify=False).close()
    assert rich.console
    assert rich.table
    assert typer._adapters
    assert nexus.cli.main
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, files, _, _ = socket.recv_fds(channel, _REQUEST, 4)
        if not request:
            return
        if os.fork() == 0:
            channel.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _look_after(json.loads(request), *files)
        for file in files:
            os.close(file)


def _look_after(request: dict[str, object], given: int, out: int, errors: int, teller: int) -> None:
    """Fork the command, tell its pid, then its status; does not return but in the command."""
    pid = os.fork()
    if pid:
        os.write(teller, f"{pid}\n".encode())
        _, ended = os.waitpid(pid, 0)
        os.write(teller, f"{os.waitstatus_to_exitcode(ended)}\n".encode())
        os._exit(0)
    os.close(teller)
    for number, file in enumerate((given, out, errors)):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    os.chdir(str(request["cwd"]))
    sys.path.remove(str(_ROOT))
    sys.argv = [str(_ROOT / "src" / "nexus" / "__main__.py"), *request["arguments"]]  # type: ignore[misc]
    from nexus.cli.entry import main

    main()
    sys.exit(0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))

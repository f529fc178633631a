"""What the supervisor is told, on a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket
import threading

import pytest

from nexus.core.errors import StorageError
from nexus.service.notify import Notifier, Supervised


@pytest.fixture(params=["path", "abstract"])
def supervisor(request, tmp_path):
    """A supervisor's socket, and the environment it gives its service."""
    address = str(tmp_path / "n") if request.param == "path" else f"@nexus-test-{os.getpid()}-{id(request)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1))
        listener.settimeout(60)
        yield (
            listener,
            {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())},
        )


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def heard(listener: socket.socket, line: str) -> list[str]:
    """Everything until a datagram with `line`."""
    said: list[str] = []
    while line not in said:
        said += listener.recv(4096).decode().split("\n")
    return said


def test_ready_is_said_once_and_stopping_at_the_end(supervisor, loop):
    listener, env = supervisor
    state = ["starting"]
    supervised = Supervised(Notifier(env), lambda: (state[0], None), lambda: 0.0)
    supervised.start(loop)
    first = heard(listener, "STATUS=starting")
    assert "READY=1" not in first
    assert heard(listener, "EXTEND_TIMEOUT_USEC=120000000")
    state[0] = "ready"
    said = heard(listener, "READY=1")
    assert "STATUS=ready" in said
    assert heard(listener, "WATCHDOG=1").count("READY=1") == 0
    heard(listener, "WATCHDOG=1")  # and again: the loop was asked again
    state[0] = "draining"
    heard(listener, "STATUS=draining")
    supervised.stop()
    supervised.stop()
    assert "STATUS=stopping" in heard(listener, "STOPPING=1")


def test_a_service_that_failed_is_up_and_says_why_in_one_line(supervisor, loop):
    listener, env = supervisor
    failure = StorageError("the store\nis damaged", hint="see the guide")
    supervised = Supervised(Notifier(env), lambda: ("failed", failure), lambda: 0.0)
    supervised.start(loop)
    assert "STATUS=failed: the store is damaged (see the guide)" in heard(listener, "READY=1")
    supervised.stop()


def test_a_service_that_hangs_is_not_called_alive(supervisor, loop):
    listener, env = supervisor
    still = [100.0]
    supervised = Supervised(Notifier(env), lambda: ("ready", None), lambda: still[0])
    supervised.start(loop)
    heard(listener, "READY=1")
    listener.settimeout(3)
    with pytest.raises(TimeoutError):
        heard(listener, "WATCHDOG=1")  # the conductor hangs
    still[0] = 0.0
    listener.settimeout(60)
    heard(listener, "WATCHDOG=1")
    held, go = threading.Event(), threading.Event()

    def hang() -> None:
        held.set()
        go.wait(60)

    loop.call_soon_threadsafe(hang)
    assert held.wait(60)
    listener.settimeout(3)
    heard_once = True
    try:
        heard(listener, "WATCHDOG=1")  # the sign it gave before it hung may still be told, once
        heard(listener, "WATCHDOG=1")
    except TimeoutError:
        heard_once = False
    go.set()
    assert not heard_once
    listener.settimeout(60)
    heard(listener, "WATCHDOG=1")
    supervised.stop()


def test_without_a_supervisor_nothing_is_sent_and_nothing_runs(loop):
    notifier = Notifier({})
    assert not notifier.wanted
    assert not notifier.send("READY=1")
    supervised = Supervised(notifier, lambda: ("ready", None), lambda: 0.0)
    supervised.start(loop)
    supervised.stop()


def test_a_supervisor_that_is_gone_is_no_failure(tmp_path):
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).send("READY=1")


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "2000000"}, 2.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_the_interval_is_for_this_process_only(env, seconds):
    assert Notifier(env).alive_seconds == seconds

"""The real hook client against the real socket: what arrives, what is printed, and that it never fails."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from nexus.service.hook_socket import Call, HookSocket

PROGRAM = Path(sysconfig.get_path("scripts")) / "nexus-hook"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert PROGRAM.is_file(), f"{PROGRAM} is missing; `make up` builds it"
    (tmp_path / "run").mkdir()
    return tmp_path


def hook(
    home: Path, event: bytes, *options: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(PROGRAM), *options],
        input=event,
        env={"NEXUS_HOME": str(home), **(env or {})},
        capture_output=True,
        timeout=20,
        check=False,
    )


@contextmanager
def listening(home: Path, answer: bytes = b"") -> Iterator[list[Call]]:
    calls: list[Call] = []

    def take(call: Call) -> bytes:
        calls.append(call)
        return answer

    service = HookSocket(home / "run" / "hook.sock", take)
    service.start()
    try:
        yield calls
    finally:
        service.stop()


@contextmanager
def raw_service(home: Path, reply: bytes, *, hang: bool = False) -> Iterator[None]:
    """A service that sends `reply` as it is, and then closes, or does nothing more."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "run" / "hook.sock"))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply)
                if hang:
                    done.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def silent(done: subprocess.CompletedProcess[bytes]) -> bool:
    return (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_answer_is_printed_and_only_what_the_service_needs_leaves_the_process(home):
    event = {
        "session_id": "s",
        "hook_event_name": "PostToolUse",
        "cwd": "/a/ö",
        "tool_input": {"prompt": "inner"},
        "tool_response": {"file": "x" * 100_000},
        "stop_hook_active": False,
    }
    with listening(home, b'{"a": "\xc3\xb6"}') as calls:
        done = hook(home, json.dumps(event).encode())
    assert (done.returncode, done.stdout) == (0, b'{"a": "\xc3\xb6"}')
    assert json.loads(calls[0].event) == {
        "session_id": "s",
        "hook_event_name": "PostToolUse",
        "cwd": "/a/ö",
        "stop_hook_active": False,
    }


def test_it_says_where_its_agent_keeps_sessions(home):
    with listening(home) as calls:
        hook(home, b"{}", env={"CLAUDE_CONFIG_DIR": "/c", "CODEX_HOME": "/d"})
    assert calls == [Call("/c", "/d", b"{}")]


def test_the_folder_may_be_an_option_and_its_path_long(home, tmp_path):
    deep = tmp_path / ("n" * 100) / ("m" * 100)
    (deep / "run").mkdir(parents=True)
    with listening(deep, b"yes"):
        assert hook(home, b"{}", "--home", str(deep)).stdout == b"yes"
        assert (deep / "run" / "hook.sock").stat().st_mode & 0o777 == 0o600


def test_a_prompt_of_megabytes_is_named_and_not_cut(home):
    event = {"hook_event_name": "UserPromptSubmit", "prompt": "word " * 500_000, "session_id": "s"}
    with listening(home) as calls:
        assert silent(hook(home, json.dumps(event).encode()))
    got = json.loads(calls[0].event)
    assert got == {"hook_event_name": "UserPromptSubmit", "session_id": "s", "left_out": ["prompt"]}


@pytest.mark.parametrize("event", [b"", b"{", b'{"cwd": "/', b"[]", b"\xff\xfe\x00", b"null", b"{" * 100_000])
def test_what_is_no_event_reaches_the_service_as_nothing(home, event):
    with listening(home) as calls:
        assert silent(hook(home, event))
    assert calls[0].event == b""


def test_without_a_service_it_ends_at_once_and_says_nothing(home):
    assert silent(hook(home, b'{"cwd": "/a"}'))
    assert silent(hook(home / "nowhere", b'{"tool_response": "' + b"x" * 3_000_000 + b'"}'))
    assert silent(hook(home, b"{}", env={"NEXUS_HOME": "x" * 5000}))
    (home / "run" / "hook.sock").write_text("not a socket")
    assert silent(hook(home, b"{}"))


def test_without_a_service_an_agent_that_keeps_the_pipe_open_is_not_waited_for(home):
    with subprocess.Popen([str(PROGRAM)], stdin=subprocess.PIPE, env={"NEXUS_HOME": str(home)}) as process:
        assert process.wait(1) == 0


def test_the_socket_of_a_killed_service_is_no_service(home):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "run" / "hook.sock"))
    assert silent(hook(home, b"{}"))
    with listening(home, b"again"):
        assert hook(home, b"{}").stdout == b"again"


@pytest.mark.parametrize(
    "reply", [b"", b"\0\0", struct.pack("!I", 100) + b"half", struct.pack("!I", 2**31) + b"x" * 1000]
)
def test_half_an_answer_is_no_answer(home, reply):
    with raw_service(home, reply):
        assert silent(hook(home, b"{}"))


def test_a_service_that_hangs_is_left(home):
    with raw_service(home, b"", hang=True):
        assert silent(hook(home, b"{}"))


def test_foreign_frames_do_not_disturb_the_service(home):
    with listening(home, b"fine") as calls:
        path = str(home / "run" / "hook.sock")
        for frame in (b"", b"GET / HTTP/1.1\r\n\r\n", b"NXH1" + struct.pack("!I", 2**31), os.urandom(5000)):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(frame)
                with suppress(ConnectionResetError):  # refused with bytes of ours unread
                    client.shutdown(socket.SHUT_WR)
                    assert client.recv(10) == b""
        assert calls == []
        assert hook(home, b"{}").stdout == b"fine"


def test_many_at_once_are_answered(home):
    frame = b"NXH1" + 3 * struct.pack("!I", 0)

    def ask(_: int) -> bytes:
        # Not the program: on a busy machine forty of them may well meet their deadline.
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(home / "run" / "hook.sock"))
            client.sendall(frame)
            return client.makefile("rb").read()

    with listening(home, b"fine"), ThreadPoolExecutor(40) as pool:
        assert list(pool.map(ask, range(200))) == [struct.pack("!I", 4) + b"fine"] * 200

"""HELLO: who is let in, what a client gets, and what it may do with it."""

from __future__ import annotations

import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import agentmem_wire as wire
from tests.agentmem_wire import Broker, broker

pytestmark = pytest.mark.skipif(wire.MISSING, reason=wire.WHY)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


def test_a_client_gets_keys_a_table_to_read_and_a_page_to_write(running: Broker) -> None:
    with running.attached("ada") as client:
        _, layout, epoch, realm_key, space_key, _, _ = client.welcome
        assert layout == 1
        assert epoch == running.stats()["epoch"]
        assert len({realm_key, space_key, bytes(32)}) == 3
        with mmap.mmap(client.table, 4096, prot=mmap.PROT_READ) as table:
            assert table[:8] == struct.pack("<Q", 0x31304D454D474100)
        with pytest.raises(PermissionError):
            mmap.mmap(client.table, 4096)
        with mmap.mmap(client.page, 4096) as page:
            page[64:68] = b"\0\0\0\0"
        assert running.agents()["ada"]["state"] == "active"


@pytest.mark.parametrize("said", [{"wire": 2}, {"api": 9}, {"flags": 6}])
def test_another_version_is_told_which_both_speak_and_closed(running: Broker, said: dict[str, int]) -> None:
    with running.client() as client:
        answer = client.hello("agent", "realm", **said)
        assert answer.status == wire.EPROTOCOL
        assert str(*said.values()) in answer.text
        assert client.receive() is None


def test_a_second_hello_and_a_request_before_the_first_are_the_end(running: Broker) -> None:
    with running.attached() as client:
        assert client.hello().status == wire.EPROTOCOL
        assert client.receive() is None
    with running.client() as client:
        answer = client.ask(wire.OWN, wire.NO_ID)
        assert answer.status == wire.EPROTOCOL
        assert "HELLO" in answer.text
        assert client.receive() is None


@pytest.mark.parametrize(
    ("agent", "realm", "said"),
    [
        ("", "realm", {}),
        ("agent", "", {}),
        ("a" * 256, "realm", {}),
        ("a\nb", "realm", {}),
        ("a\0b", "realm", {}),
        ("agent", "realm", {"importance": 101}),
        ("agent", "realm", {"pid": -4}),
    ],
)
def test_a_wrong_value_is_named_and_can_be_mended(
    running: Broker, agent: str, realm: str, said: dict[str, int]
) -> None:
    with running.client() as client:
        assert client.hello(agent, realm, **said).status == wire.EINVAL
        assert client.hello("mended").status == wire.OK


def test_a_name_that_is_no_utf8_is_refused(running: Broker) -> None:
    with running.client() as client:
        head = struct.pack("<IIIIiHH", 1, 1, 50, 0, 0, 5, 2)
        answer = client.ask(wire.HELLO, head + b"realm\xc0\xaf")
        assert answer.status == wire.EINVAL
        assert "0xc0" in answer.text


def test_the_agent_may_live_in_another_process_of_the_same_user(running: Broker) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        client = running.attached("proxied", pid=other.pid)
        assert running.agents()["proxied"]["pid"] == other.pid
        other.kill()
        other.wait()
        assert client.receive() is None
        client.close()
    wire.until(lambda: "proxied" not in running.agents(), "its agent ends with it")
    with running.client() as client:
        answer = client.hello(pid=other.pid)
        assert answer.status == wire.ENOTFOUND
        assert str(other.pid) in answer.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_another_user_is_refused_even_where_the_folder_lets_him_in() -> None:
    # Not in tmp_path: its parents are this user's alone.
    with tempfile.TemporaryDirectory(prefix="am-") as place, broker(Path(place)) as own:
        for folder in (own.path, *own.path.parents):
            if folder.is_relative_to(place):
                folder.chmod(0o777)
        child = os.fork()
        if child == 0:
            try:
                wire.drop_to(65534)
                with own.client() as client:
                    answer = client.hello()
                    refused = answer.status == wire.EACCESS and "65534" in answer.text
                    os._exit(0 if refused and client.receive() is None else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        ready, told = os.pipe()
        other = os.fork()
        if other == 0:
            wire.drop_to(65534)
            os.write(told, b"1")
            signal.pause()
        try:
            assert os.read(ready, 1) == b"1"
            with own.client() as client:
                answer = client.hello(pid=other)
                assert answer.status == wire.EACCESS
                assert "65534" in answer.text
        finally:
            os.kill(other, signal.SIGKILL)
            os.waitpid(other, 0)
            os.close(ready)
            os.close(told)


def test_folder_socket_and_secret_are_the_users_alone(running: Broker) -> None:
    assert running.folder.stat().st_mode & 0o777 == 0o700
    assert running.path.parent.stat().st_mode & 0o777 == 0o700
    assert running.path.stat().st_mode & 0o777 == 0o600
    secret = running.folder / "secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.stat().st_size == 32


def test_an_open_folder_a_second_broker_and_a_taken_socket_are_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)

    def refused(folder: Path, socket: Path) -> str:
        run = subprocess.run(
            [wire.PROGRAM, "--foreground", "--folder", folder, "--socket", socket],
            capture_output=True,
            text=True,
        )
        assert run.returncode == 1
        assert run.stderr.count("\n") == 1
        return run.stderr

    assert "chmod 700" in refused(tmp_path / "open", tmp_path / "run2" / "s")
    with broker(tmp_path) as own:
        assert "another broker" in refused(own.folder, tmp_path / "run2" / "s")
        assert "another broker" in refused(tmp_path / "other", own.path)
    (tmp_path / "run" / "s").write_text("no socket")
    assert "not a socket" in refused(tmp_path / "other", tmp_path / "run" / "s")

"""Who owns the other end of a loopback connection, asked with real sockets of real users."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nexus.service.peer import owner_uid, uid_by_question, uid_by_tables

NOBODY = 65534
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who owns a connection")


@contextmanager
def listening(family: socket.AddressFamily, host: str) -> Iterator[socket.socket]:
    with socket.socket(family, socket.SOCK_STREAM) as server:
        try:
            server.bind((host, 0))
        except OSError as error:
            pytest.skip(f"{host} cannot be listened on: {error}")
        server.listen()
        server.settimeout(20)
        yield server


@linux
@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"]
)
def test_a_connection_of_ours_is_ours(family: socket.AddressFamily, host: str) -> None:
    with listening(family, host) as server:
        client = socket.create_connection(server.getsockname()[:2], timeout=20)
        accepted, _ = server.accept()
        with accepted:
            ends = client.getsockname()[:2], client.getpeername()[:2]
            assert owner_uid(*ends) == os.getuid()
            # The quick way says what the slow one says.
            assert uid_by_question(*ends) == uid_by_tables(*ends) == os.getuid()
            client.close()
            # A socket that was closed has no owner any more, whatever the tables say of it.
            assert owner_uid(*ends) is None


@linux
@pytest.mark.skipif(os.getuid() != 0, reason="only root can act for another user")
def test_a_connection_of_another_user_is_that_users() -> None:
    program = (
        "import encodings.idna, os, socket, sys; os.setuid(int(sys.argv[1]));"
        "s = socket.create_connection(('127.0.0.1', int(sys.argv[2])));"
        "print(s.getsockname()[1], flush=True);"
        "sys.stdin.read()"
    )
    with listening(socket.AF_INET, "127.0.0.1") as server:
        here = server.getsockname()
        command = [sys.executable, "-c", program, str(NOBODY), str(here[1])]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            port = int(child.stdout.readline())
            for asked in (owner_uid, uid_by_question, uid_by_tables):
                assert asked(("127.0.0.1", port), here) == NOBODY
            child.communicate()


def test_a_connection_that_is_not_there_is_nobodys() -> None:
    assert owner_uid(("127.0.0.1", 1), ("127.0.0.1", 2)) is None

"""The relay's HTTP: what a server may answer, and what is no answer, byte for byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from nexus.cli.plain_http import PlainConnection


@contextmanager
def answering(*replies: bytes) -> Iterator[tuple[PlainConnection, list[bytes]]]:
    """A connection to something that answers each request with the next of `replies`, then hangs up."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as client, client.makefile("rb") as file:
                for reply in replies:
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        head += file.readline()
                    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                    seen.append(head + file.read(length))
                    client.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        connection = PlainConnection("127.0.0.1", listener.getsockname()[1], 20)
        try:
            yield connection, seen
        finally:
            connection.close()
            thread.join()


def test_a_connection_is_used_again():
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with answering(first, b"HTTP/1.1 401 No\r\ncontent-length: 3\r\n\r\nno!") as (connection, seen):
        assert connection.post("/mcp", b"one", {"accept": "x"}) == (200, b"{}")
        assert connection.reusable
        assert connection.post("/mcp", b"two", {}) == (401, b"no!")
    assert seen[0].startswith(b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\naccept: x\r\n" in seen[0]
    assert [request[-3:] for request in seen] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("reply", "expected", "reusable"),
    [
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
            b"abcd",
            True,
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", b"x", True),
        (b"HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 1\r\n\r\nx", b"x", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", b"x", False),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"", True),
    ],
)
def test_what_a_server_may_answer(reply, expected, reusable):
    with answering(reply) as (connection, _):
        assert connection.post("/mcp", b"", {}) == (200, expected)
        assert connection.reusable is reusable


def test_a_reply_without_a_body():
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as (connection, _):
        assert connection.post("/mcp", b"", {}) == (204, b"")
        assert connection.reusable


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
    ],
)
def test_what_is_no_whole_reply_is_an_error_of_the_connection(reply):
    with answering(reply) as (connection, _):
        with pytest.raises(OSError, match=r"."):
            connection.post("/mcp", b"", {})
        assert not connection.reusable


@pytest.mark.parametrize("value", ["a\r\nx-api-key: b", "a\nb", "a\0b", "ü€"])
def test_no_header_smuggles_in_another(value):
    with answering() as (connection, seen), pytest.raises(ValueError, match=r"."):
        connection.post("/mcp", b"", {"mcp-name": value})
    assert seen == []


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        PlainConnection("127.0.0.1", port, 5)

"""One HTTP connection to the service on this machine: POST, and the whole reply.

For the relay, of which every agent runs one: the standard library's client costs 2.5 MB more, most of it
for TLS and mail headers, which loopback has no use for. Knows no JSON and no redirects. Invariants: no
header can smuggle in another; a reply is whole or an `OSError`.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

_LONGEST_LINE = 65_536
_NOT_IN_HEADERS = frozenset("\r\n\0")


class PlainConnection:
    """Stays open from request to request until `reusable` is false."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        """`timeout` in seconds for each step. Raises `OSError` when nobody listens."""
        self._host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._socket = socket.create_connection((host, port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self.reusable = True

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body. Raises `ValueError` for a header that is none, `OSError` for a broken reply."""
        lines = [f"POST {path} HTTP/1.1", f"host: {self._host}", f"content-length: {len(body)}"]
        for name, value in headers.items():
            if _NOT_IN_HEADERS.intersection(name + value):
                raise ValueError(f"{value!r} cannot be sent in the header {name}")
            lines.append(f"{name}: {value}")
        self.reusable = False  # until this reply has been read to its end
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        status, told = self._head()
        if told.get("transfer-encoding", "").lower() == "chunked":
            reply = self._chunks()
        elif "content-length" in told:
            reply = self._exactly(_number(told["content-length"], 10))
        elif status == 204:
            reply = b""
        else:
            told["connection"] = "close"
            reply = self._file.read()
        self.reusable = told.get("connection", "").lower() != "close"
        return status, reply

    def close(self) -> None:
        """Let go. Calling it twice is harmless."""
        self._file.close()
        self._socket.close()

    def _head(self) -> tuple[int, dict[str, str]]:
        version, _, rest = self._line().partition(" ")
        status = _number(rest[:3], 10)
        told: dict[str, str] = {"connection": "close"} if version != "HTTP/1.1" else {}
        while line := self._line():
            name, _, value = line.partition(":")
            told[name.strip().lower()] = value.strip()
        # 100 and its like come before the reply itself.
        return (status, told) if status >= 200 else self._head()

    def _chunks(self) -> bytes:
        parts = []
        while size := _number(self._line().partition(";")[0], 16):
            parts.append(self._exactly(size))
            self._line()
        while self._line():
            pass
        return b"".join(parts)

    def _line(self) -> str:
        line = self._file.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise ConnectionError("the reply broke off")
        return line.rstrip(b"\r\n").decode("latin-1")

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise ConnectionError(f"the reply broke off after {len(data)} of {size} bytes")
        return data


def _number(text: str, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        number = -1
    if number < 0:
        raise ConnectionError(f"the reply is not HTTP: {text[:40]!r}")
    return number

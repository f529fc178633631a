"""HTTP requests that the host makes for a guest, to the hosts that were granted and no other.

A grant is a host as it stands in the URL ("api.example.org": its standard ports; "api.example.org:8080": that
port) or all names below one ("*.example.org"). Redirects are followed where they lead to a granted host.
Names that lead into private networks are refused unless the address itself, or "localhost", was granted: a
name's owner chooses its address, and must not choose one of this machine's neighbours. No proxy, cookie,
password or certificate setting of this user is used but the system's list of authorities. Knows nothing of
JSON or guests. Invariant: no connection is opened to an address that was not checked, and no more than `most`
bytes are held.
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import socket
import ssl
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from nexus.unikernel.http_rule import Address, Rule, is_host, is_public

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_REDIRECTS_MOST = 10
_STANDARD = {"http": 80, "https": 443}
# Of one connection, which is ours: not sent on.
_OURS = frozenset(
    "accept-encoding connection content-length expect keep-alive proxy-authorization proxy-connection te "
    "trailer transfer-encoding upgrade".split()
)
_SECRET = frozenset(("authorization", "cookie"))  # not sent on to another host


class Http:
    """Requests to `granted` hosts. Raises `InvalidInputError` for a grant that is no host."""

    def __init__(self, granted: Sequence[str], most: int) -> None:
        self._rules = [Rule.of(grant) for grant in granted]
        self._most = most

    def request(
        self,
        deadline: float,
        *,
        url: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        body_b64: str | None = None,
    ) -> dict[str, Any]:
        """{"status", "url", "headers", "body_b64"} of the last answer.

        Raises `PermissionError` for what is not granted, `ValueError` for arguments that are none and answers
        that are too large, `TimeoutError` after `deadline` (time.monotonic()), `ConnectionError`.
        """
        method = method.upper()
        if method not in METHODS:
            raise ValueError(f"method {method!r} is not one of {', '.join(METHODS)}")
        content = base64.b64decode(body_b64, validate=True) if body_b64 else (body or "").encode()
        sent = _allowed(headers or {})
        target = _parsed(url)
        for _ in range(_REDIRECTS_MOST + 1):
            answer, content_back = self._once(deadline, method, target, sent, content)
            leads_to = answer.headers.get("location")
            if not answer.is_redirect or leads_to is None:
                return {
                    "status": answer.status_code,
                    "url": str(target),
                    "headers": _told(answer.headers),
                    "body_b64": base64.b64encode(content_back).decode(),
                }
            before, target = target, _parsed(str(target.join(leads_to)))
            if answer.status_code == 303 or (answer.status_code in (301, 302) and method == "POST"):
                method, content = ("HEAD" if method == "HEAD" else "GET"), b""
                sent = {name: value for name, value in sent.items() if not name.startswith("content-")}
            if (before.scheme, before.host, before.port) != (target.scheme, target.host, target.port):
                sent = {name: value for name, value in sent.items() if name not in _SECRET}
        raise ConnectionError(f"{url} redirects more than {_REDIRECTS_MOST} times")

    def _once(
        self, deadline: float, method: str, target: httpx.URL, headers: Mapping[str, str], content: bytes
    ) -> tuple[httpx.Response, bytes]:
        problem: httpx.HTTPError | None = None
        for address in self._addresses(target):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no time is left for {method} {target}")
            secure = target.scheme == "https"
            try:
                with (
                    httpx.Client(
                        trust_env=False, verify=_authorities() if secure else False, timeout=left
                    ) as client,
                    client.stream(
                        method,
                        target.copy_with(host=str(address), username=None, password=None),
                        headers=_host(target) | dict(headers) | {"accept-encoding": "identity"},
                        content=content or None,
                        extensions={"sni_hostname": target.raw_host.decode("ascii")} if secure else None,
                    ) as answer,
                ):
                    return answer, self._read(answer, target, deadline)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                problem = error  # the next address may do
            except httpx.TimeoutException:
                raise TimeoutError(f"{method} {target}: no answer in the time of this run") from None
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
                raise ConnectionError(f"{method} {target}: {error or type(error).__name__}") from None
        raise ConnectionError(f"{method} {target}: {problem or type(problem).__name__}")

    def _read(self, answer: httpx.Response, target: httpx.URL, deadline: float) -> bytes:
        pieces, size = [], 0
        for piece in answer.iter_raw():
            size += len(piece)
            if size > self._most:
                raise ValueError(self._too_large(answer, target))
            if time.monotonic() > deadline:
                raise TimeoutError(f"the answer of {target} takes longer than the run may")
            pieces.append(piece)
        content = b"".join(pieces)
        packed = answer.headers.get("content-encoding", "identity").lower()
        if packed == "identity" or not content:
            return content
        if packed not in ("gzip", "x-gzip", "deflate"):
            raise ValueError(f"the answer of {target} is packed as {packed!r}, which nobody asked for")
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            unpacked = unpacker.decompress(content, self._most + 1)
        except zlib.error as error:
            raise ValueError(f"the answer of {target} is said to be {packed!r} and is not: {error}") from None
        if len(unpacked) > self._most:
            raise ValueError(self._too_large(answer, target))
        return unpacked

    def _too_large(self, answer: httpx.Response, target: httpx.URL) -> str:
        announced = answer.headers.get("content-length")
        return (
            f"the answer of {target} is larger than the {self._most} bytes that the limit `reply` allows"
            + (f" ({announced} announced)" if announced else "")
        )

    def _addresses(self, target: httpx.URL) -> list[Address]:
        """Where to connect. Raises `PermissionError` where nothing of it is granted."""
        host, port = target.host, target.port or _STANDARD[target.scheme]
        rule = next((r for r in self._rules if r.covers(host, port, _STANDARD[target.scheme])), None)
        if rule is None:
            granted = ", ".join(rule.text for rule in self._rules) or "none"
            place = host if port == _STANDARD[target.scheme] else f"{host}:{port}"
            raise PermissionError(
                f"HTTP to {place} is not granted; granted: {granted}; grant it as {place!r}"
            )
        try:
            # As httpx writes it: Python would translate some names of other alphabets differently.
            found = socket.getaddrinfo(target.raw_host.decode("ascii"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectionError(f"{host} has no address: {error}") from None
        addresses = list(
            dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found)
        )
        allowed = [
            a for a in addresses if is_public(a) or rule.means(a) or self._granted(a, port, target.scheme)
        ]
        if not allowed:
            raise PermissionError(
                f"{host} is at {addresses[0]}, an address of a private network; grant the address as well: "
                f"{str(addresses[0])!r}"
            )
        return allowed

    def _granted(self, address: Address, port: int, scheme: str) -> bool:
        return any(rule.covers(str(address), port, _STANDARD[scheme]) for rule in self._rules if rule.literal)


def _parsed(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise ValueError(f"URL {url!r}: {error}") from None
    if target.scheme not in _STANDARD or not is_host(target):
        raise ValueError(f"URL {url!r} is not http:// or https:// with a host")
    if target.userinfo:
        raise ValueError(
            f"URL {target.copy_with(userinfo=b'')!s}: give a password as a header, not in the URL"
        )
    return target


def _host(target: httpx.URL) -> dict[str, str]:
    return {"host": target.netloc.decode("ascii"), "user-agent": "nexus-sandbox"}


def _allowed(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers to send. Those of the connection are left out; raises `ValueError` for a Host header."""
    if not isinstance(headers, Mapping):
        raise ValueError("headers are an object of names and texts")
    allowed = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower == "host":
            raise ValueError("the header Host is the URL's and cannot be set")
        if lower not in _OURS:
            allowed[lower] = str(value)
    return allowed


def _told(headers: httpx.Headers) -> dict[str, str]:
    """Headers of an answer, lower case, without those that spoke of how it was sent."""
    gone = ("content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive")
    return {name: value for name, value in headers.items() if name not in gone}


@functools.cache
def _authorities() -> ssl.SSLContext:
    return ssl.create_default_context()  # 20 ms: made once, and only for https

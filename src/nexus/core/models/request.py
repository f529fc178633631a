"""One HTTP (or file://) request, opened safely.

Connecting has its own, short timeout; proxies come from the environment; a redirect may not leave
HTTPS. Knows nothing of files and of retrying.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO, Any, cast

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
_SCHEMES = ("https", "http", "file")


class UnreachableError(Exception):
    """No connection could be made: trying again at once does not help."""


class StatusError(Exception):
    """The server answered with an error status. `retry` says whether that may pass."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status} {reason}".rstrip())
        self.status = status
        self.retry = status in (408, 425, 429) or status >= 500


class Response:
    """An open answer: `status` (200 for files), lower-case header names, `read`, `close`."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.status: int = getattr(raw, "status", None) or 200
        headers = cast(Message, raw.headers)
        self.headers = {name.lower(): value for name, value in headers.items()}

    def read(self, count: int) -> bytes:
        """What has arrived, up to `count` bytes; empty at the end.

        It does not wait for `count` bytes: on a slow line they would be lost with the connection.
        Raises `OSError` or `HTTPException`.
        """
        return cast(bytes, self._raw.read1(count))

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()


def open_url(url: str, headers: Mapping[str, str]) -> Response:
    """Request `url`. Raises `StatusError`, `UnreachableError`, `OSError`, `HTTPException`."""
    check(url)
    request = urllib.request.Request(url, headers={"User-Agent": "nexus", **headers})  # noqa: S310
    try:
        return Response(_opener().open(request, timeout=CONNECT_SECONDS))
    except urllib.error.HTTPError as error:
        error.close()
        raise StatusError(error.code, error.reason) from error
    except urllib.error.URLError as error:
        raise UnreachableError(_why(error.reason)) from error
    except (TimeoutError, ConnectionError):
        raise
    except (ValueError, http.client.InvalidURL) as error:
        raise UnreachableError(str(error)) from error


def check(url: str) -> None:
    """Raise `UnreachableError` for a URL that is not fetched at all; it is not repeated."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise UnreachableError("the URL is malformed") from error
    if parts.scheme not in _SCHEMES:
        raise UnreachableError(f"a URL of scheme {parts.scheme!r}; only {', '.join(_SCHEMES)} are fetched")
    if "@" in parts.netloc:
        raise UnreachableError("a URL with a user name or password, which is not supported")


def host(url: str) -> str:
    """The server's name and port; the path of a file:// URL."""
    parts = urllib.parse.urlsplit(url)
    name = parts.netloc.rpartition("@")[2]
    return name or parts.path or url


def shown(url: str) -> str:
    """The URL without user, password and query, which may hold credentials."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _why(reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"certificate not trusted ({reason.verify_message}); "
            "SSL_CERT_FILE may name your organisation's certificates"
        )
    if isinstance(reason, socket.gaierror):
        return "host name not found"
    if isinstance(reason, TimeoutError):
        return f"no connection within {CONNECT_SECONDS:.0f} s"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return str(reason)


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_SECONDS)


class _SecureConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(READ_SECONDS)


class _HTTP(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, request)


class _HTTPS(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, request, context=ssl.create_default_context())


class _Redirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        target = urllib.parse.urlsplit(newurl).scheme
        if target not in ("http", "https") or (req.type == "https" and target == "http"):
            raise urllib.error.URLError(f"redirected from {req.type} to {target}, which is refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Without FTP and data URLs, which the standard opener would follow."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        _HTTP(),
        _HTTPS(),
        _Redirect(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.FileHandler(),
    ):
        opener.add_handler(handler)
    return opener

"""The tree as a network folder (WebDAV) on this machine, for those who have no FUSE.

Windows, macOS, file managers and phones' apps speak it without installing anything. Knows no tree but by its
operations. Invariants: it listens on the loopback only; nothing is answered without the token, nor to a page
in a browser that is not its own (other origins, rebound names).
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from nexus.core.errors import AlreadyRunningError, InvalidInputError
from nexus.memexfs.operations import Caller, FileSystem
from nexus.memexfs.pathwise import NoKernel, Pathwise

_log = logging.getLogger(__name__)

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

USER = "nexus"
"""Any name is taken; this is the one to tell people."""

_THREADS = 8


class WebDAV:
    """A server of the file system. The password is `token`; in digest form it never crosses the wire."""

    def __init__(self, filesystem: FileSystem, token: str, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Port 0 takes a free one. Raises `InvalidInputError` where `host` is not of this machine alone."""
        if not _is_loopback(host):
            raise InvalidInputError(
                f"WebDAV on {host!r} would be open to the network",
                hint="use 127.0.0.1; reach it from elsewhere through ssh -L",
            )
        self._filesystem = filesystem
        self._token = token
        self._address = (host, port)
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Serve from now on; the address to open. Raises `AlreadyRunningError` where the port is taken."""
        from cheroot import wsgi

        self._filesystem.begin(NoKernel())
        server = wsgi.Server(self._address, _application(self._filesystem, self._token), numthreads=_THREADS)
        server.max_request_header_size = 2**16
        self._check_port()
        server.prepare()
        self._server = server
        self._thread = threading.Thread(target=server.serve, name="memexfs-webdav", daemon=True)
        self._thread.start()
        host, port = server.bind_addr[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def _check_port(self) -> None:
        """cheroot says of a port that is taken what only its authors understand, and loses a socket."""
        host, port = self._address
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise AlreadyRunningError(
                    f"WebDAV cannot listen on {host}:{port}: {error.strerror}", hint="choose another port"
                ) from None

    def stop(self) -> None:
        """Answer no more; what is being answered is finished first."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()
            self._server = None
            self._filesystem.end()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _application(filesystem: FileSystem, token: str) -> Application:
    from wsgidav.dc.base_dc import BaseDomainController
    from wsgidav.wsgidav_app import WsgiDAVApp

    from nexus.memexfs.dav_properties import Properties
    from nexus.memexfs.dav_resources import Provider, names_of

    class Token(BaseDomainController):  # type: ignore[misc]
        """Everybody who knows the token."""

        def get_domain_realm(self, path_info: str, environ: Any) -> str:
            return "MemexFS"

        def require_authentication(self, realm: str, environ: Any) -> bool:
            return True

        def basic_auth_user(self, realm: str, user_name: str, password: str, environ: Any) -> bool:
            return hmac.compare_digest(password.encode(), token.encode())

        def supports_http_digest_auth(self) -> bool:
            return True

        def digest_auth_user(self, realm: str, user_name: str, environ: Any) -> str:
            return str(self._compute_http_digest_a1(realm, user_name, token))

    caller = Caller(os.geteuid(), os.getegid(), os.getpid())
    tree = Pathwise(filesystem, lambda: caller, follow=True)
    application: Application = WsgiDAVApp(
        {
            "provider_mapping": {"/": Provider(tree)},
            "http_authenticator": {"domain_controller": Token},
            "logging": {"enable": False},
            "verbose": 1,
            "block_size": 2**18,
            "property_manager": Properties(tree, names_of),
            "mutable_live_props": ["{DAV:}getlastmodified"],
            "honor_mtime_header": True,
            "hotfixes": {"emulate_win32_lastmod": True},
            "suppress_version_info": True,
            "dir_browser": {
                "davmount": False, "ms_sharepoint_support": False, "libre_office_support": False,
                "response_trailer": "", "show_user": False, "ignore": [],
            },
        }
    )  # fmt: skip
    return _own_pages_only(application)


def _own_pages_only(application: Application) -> Application:
    """Refuses what a page of somebody else could make a browser send: a browser keeps passwords."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        host = str(environ.get("HTTP_HOST", ""))
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        origin = environ.get("HTTP_ORIGIN")
        foreign = origin is not None and origin != f"http://{host}"
        if (
            not _is_loopback(name.strip("[]"))
            or foreign
            or environ.get("HTTP_SEC_FETCH_SITE") == "cross-site"
        ):
            return _refused(start_response, "403 Forbidden", b"this is not for other pages\n")
        # WsgiDAV refuses these, too, but promises a body that it never sends.
        if {".", ".."} & set(str(environ.get("PATH_INFO", "")).split("/")):
            return _refused(start_response, "400 Bad Request", b"a path has no dots\n")
        return application(environ, start_response)

    return guarded


def _refused(start_response: Callable[..., Any], status: str, why: bytes) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(why)))])
    return [why]

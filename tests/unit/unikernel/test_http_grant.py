"""HTTP for guests: to granted hosts, wherever names and redirects may lead."""

from __future__ import annotations

import base64
import gzip
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nexus.unikernel.http_grant import Http


class Handler(BaseHTTPRequestHandler):
    """Tells what it was sent; paths make it redirect, flood, drip, pack."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, dict[str, str], bytes]]

    def do_GET(self) -> None:
        size = int(self.headers.get("content-length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers, self.rfile.read(size)))  # type: ignore[attr-defined]
        kind, _, rest = self.path[1:].partition("/")
        status, body, more = 200, b"hello", {}
        if kind == "to":
            code, _, where = rest.partition("/")
            status, body, more = int(code), b"", {"location": where}
        elif kind == "size":
            body = b"x" * int(rest)
        elif kind == "gzip":
            body, more = gzip.compress(b"y" * int(rest)), {"content-encoding": "gzip"}
        elif kind == "br":
            more = {"content-encoding": "br"}
        elif kind == "hang":
            time.sleep(float(rest))
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    do_POST = do_GET  # noqa: N815

    def log_message(self, *words: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Says nothing of clients that leave early."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = Server(("127.0.0.1", 0), Handler)
    server.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def place(server: ThreadingHTTPServer) -> str:
    return f"127.0.0.1:{server.server_port}"


def ask(
    granted: str | tuple[str, ...], url: str, most: int = 100_000, left: float = 60, **more: Any
) -> dict[str, Any]:
    grants = (granted,) if isinstance(granted, str) else granted
    return Http(grants, most).request(time.monotonic() + left, url=url, **more)


def names(monkeypatch: pytest.MonkeyPatch, known: dict[str, list[str]]) -> None:
    """A name service of ours."""

    def found(host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        if host in known:
            return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in known[host]]
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise socket.gaierror(f"no address for {host}") from None
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))]

    monkeypatch.setattr("nexus.unikernel.http_grant.socket.getaddrinfo", found)


def test_an_answer_comes_back_whole(server, place):
    got = ask(place, f"http://{place}/x?y=1", headers={"X-Mine": "a"})
    assert (got["status"], got["url"]) == (200, f"http://{place}/x?y=1")
    assert base64.b64decode(got["body_b64"]) == b"hello"
    method, path, headers, body = server.seen[0]
    assert (method, path, body) == ("GET", "/x?y=1", b"")
    assert headers["host"] == place
    assert headers["x-mine"] == "a"


@pytest.mark.parametrize(
    "more", [{"body": "grüße"}, {"body_b64": base64.b64encode("grüße".encode()).decode()}]
)
def test_bodies_are_sent(server, place, more):
    ask(place, f"http://{place}/", method="post", **more)
    assert (server.seen[0][0], server.seen[0][3].decode()) == ("POST", "grüße")


def test_the_environments_proxies_are_not_used(place, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    assert ask(place, f"http://{place}/")["status"] == 200


def test_headers_of_the_connection_are_ours(server, place):
    ask(
        place, f"http://{place}/", headers={"Connection": "x", "Content-Length": "7", "Accept-Encoding": "br"}
    )
    headers = server.seen[0][2]
    assert headers["accept-encoding"] == "identity"
    assert "content-length" not in headers
    with pytest.raises(ValueError, match="Host"):
        ask(place, f"http://{place}/", headers={"hOsT": "other"})


@pytest.mark.parametrize("headers", [{"a": "b\r\nhost: x"}, {"a b": "c"}, {"a": "é"}])
def test_headers_that_are_none_are_refused(place, headers):
    with pytest.raises((ConnectionError, ValueError)):
        ask(place, f"http://{place}/", headers=headers)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET / HTTP/1.1\r\n", ""])
def test_methods_are_those_listed(place, method):
    with pytest.raises(ValueError, match="method"):
        ask(place, f"http://{place}/", method=method)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "/x",
        "http:///x",
        "http://user:secret@127.0.0.1/",
        "http://[/",
    ],
)
def test_urls_that_are_none_are_refused(url):
    with pytest.raises(ValueError, match="URL"):
        ask("127.0.0.1", url)


def test_what_was_not_granted_is_refused_with_what_to_grant(place):
    with pytest.raises(PermissionError, match=f"grant it as '{place}'"):
        ask("127.0.0.1", f"http://{place}/")  # the standard port only
    with pytest.raises(PermissionError, match=r"granted: 127\.0\.0\.1"):
        ask("127.0.0.1", "https://example.org/")


def test_redirects_to_granted_hosts_are_followed(server, place):
    got = ask(place, f"http://{place}/to/302//to/301/http://{place}/end")
    assert (got["status"], got["url"]) == (200, f"http://{place}/end")


@pytest.mark.parametrize(
    "where", ["http://169.254.169.254/latest", "//127.0.0.2/", "http://127.0.0.1:1/", "http://localhost/"]
)
def test_redirects_to_others_are_refused(server, place, where):
    with pytest.raises(PermissionError, match="not granted"):
        ask(place, f"http://{place}/to/302/{where}")


def test_redirects_to_another_scheme_are_refused(place):
    with pytest.raises(ValueError, match="URL"):
        ask(place, f"http://{place}/to/302/file:///etc/passwd")


def test_a_circle_of_redirects_ends(server, place):
    server.RequestHandlerClass = type("Circle", (Handler,), {"do_GET": lambda self: to_itself(self)})
    with pytest.raises(ConnectionError, match="more than 10"):
        ask(place, f"http://{place}/")


def to_itself(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("location", "/")
    handler.send_header("content-length", "0")
    handler.end_headers()


@pytest.mark.parametrize(("status", "method"), [(303, "GET"), (302, "GET"), (307, "POST"), (308, "POST")])
def test_a_redirected_post_is_what_the_status_says(server, place, status, method):
    ask(place, f"http://{place}/to/{status}//end", method="POST", body="b", headers={"Content-Type": "a/b"})
    seen = server.seen[1]
    assert (seen[0], seen[3]) == (method, b"b" if method == "POST" else b"")
    assert ("content-type" in seen[2]) == (method == "POST")


def test_secrets_stay_with_their_host(server, place):
    other = f"localhost:{server.server_port}"
    ask(
        (place, other),
        f"http://{place}/to/307/http://{other}/end",
        headers={"Authorization": "a", "X-Other": "b"},
    )
    assert "authorization" in server.seen[0][2]
    assert "authorization" not in server.seen[1][2]
    assert server.seen[1][2]["x-other"] == "b"
    assert server.seen[1][2]["host"] == other


@pytest.mark.parametrize("path", ["size/1001", "size/100000000", "gzip/1001", "gzip/100000000"])
def test_an_answer_beyond_the_limit_is_refused(place, path):
    with pytest.raises(ValueError, match="larger than the 1000 bytes"):
        ask(place, f"http://{place}/{path}", most=1000)


def test_an_answer_of_just_the_limit_is_given_unpacked(place):
    got = ask(place, f"http://{place}/gzip/1000", most=1000)
    assert base64.b64decode(got["body_b64"]) == b"y" * 1000
    assert "content-encoding" not in got["headers"]


def test_another_packing_is_refused(place):
    with pytest.raises(ValueError, match="packed as 'br'"):
        ask(place, f"http://{place}/br")


def test_a_server_that_hangs_is_left_at_the_deadline(place):
    with pytest.raises(TimeoutError):
        ask(place, f"http://{place}/hang/3", left=0.2)


def test_nobody_there_is_a_connection_error():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionError, match="refused"):
        ask(place, f"http://{place}/")


def test_a_name_without_address_is_a_connection_error(monkeypatch):
    names(monkeypatch, {})
    with pytest.raises(ConnectionError, match=r"api\.test has no address"):
        ask("api.test", "http://api.test/")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_leads_to_a_neighbour_is_refused_with_what_to_grant(monkeypatch, address):
    names(monkeypatch, {"evil.test": [address]})
    with pytest.raises(PermissionError, match="private network; grant the address as well"):
        ask("evil.test", "http://evil.test/")


def test_a_name_and_its_private_address_granted_together_are_asked(server, monkeypatch):
    port = server.server_port
    names(monkeypatch, {"wiki.test": ["127.0.0.1"]})
    assert ask((f"wiki.test:{port}", f"127.0.0.1:{port}"), f"http://wiki.test:{port}/")["status"] == 200
    assert server.seen[0][2]["host"] == f"wiki.test:{port}"


def test_localhost_is_granted_by_its_name(server):
    port = server.server_port
    assert ask(f"localhost:{port}", f"http://localhost:{port}/")["status"] == 200


def test_the_address_that_was_checked_is_the_one_connected_to(server, monkeypatch):
    """A name that answers differently the second time gains nothing."""
    port, asked = server.server_port, []

    def rebound(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        # 192.0.2.1 of RFC 5737 is nobody's; 93.184.215.14 is public.
        return [(0, 0, 0, "", ("93.184.215.14" if len(asked) == 1 else "127.0.0.1", port))]

    monkeypatch.setattr("nexus.unikernel.http_grant.socket.getaddrinfo", rebound)
    connected: list[object] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(address)
        raise OSError("not in a test")

    monkeypatch.setattr("socket.create_connection", connect)
    with pytest.raises(ConnectionError):
        ask(f"rebind.test:{port}", f"http://rebind.test:{port}/")
    assert connected == [("93.184.215.14", port)]
    assert asked == ["rebind.test"]


def test_a_certificate_nobody_vouches_for_is_refused(server, place, tmp_path):
    with pytest.raises(ConnectionError, match=r"(?i)ssl|wrong version"):
        ask(place, f"https://{place}/")
    assert ssl.create_default_context().verify_mode == ssl.CERT_REQUIRED

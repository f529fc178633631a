"""The guard and the gate, request by request; the attacks with a real browser are in tests/system."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from nexus.core.settings import ServiceSettings
from nexus.service.guard import LocalGuard, TokenGate, is_loopback
from nexus.service.server import names_of

TOKEN = "t" * 40
PORT = 8000
AUTH = {"authorization": f"Bearer {TOKEN}"}
JSON = {"content-type": "application/json"}


async def echo(request: Request) -> JSONResponse:
    return JSONResponse({"path": request.url.path})


def call(method="GET", path="/api/status", headers=None, host=f"127.0.0.1:{PORT}", names=()):
    routes = [Route("/{path:path}", echo, methods=["GET", "POST", "DELETE", "PATCH"])]
    app = LocalGuard(TokenGate(Starlette(routes=routes), TOKEN), names)

    async def go():
        transport = httpx.ASGITransport(app)
        # httpx tells the application the port of the URL, as a server tells that of its socket.
        async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{PORT}") as client:
            sent = [("host", host), *(headers or {}).items()]
            return await client.request(method, path, headers=sent)

    return asyncio.run(go())


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "LOCALHOST:8000"])
def test_our_own_names_are_answered(host):
    assert call(headers=AUTH, host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example:8000", "127.0.0.1:8001", "127.0.0.1", "localhost.evil.example:8000", "0.0.0.0:8000", ""],
)
def test_a_foreign_host_is_refused_even_with_the_token(host):
    reply = call(headers=AUTH, host=host)
    assert reply.status_code == 421
    assert reply.json()["error"]["code"] == "foreign_host"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "https://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_foreign_page_is_refused_even_with_the_token(headers):
    assert call("POST", headers={**AUTH, **JSON, **headers}).status_code == 403


def test_our_own_page_is_answered():
    headers = {**AUTH, **JSON, "origin": f"http://127.0.0.1:{PORT}", "sec-fetch-site": "same-origin"}
    assert call("POST", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
def test_a_write_must_be_json(method, kind):
    headers = {**AUTH, **({"content-type": kind} if kind else {})}
    assert call(method, headers=headers).status_code == 415


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"x-api-key": ""},
        {"authorization": f"Bearer {TOKEN}", "x-api-key": "wrong"},
        {"authorization": "Bearer wrong", "x-api-key": TOKEN},
    ],
)
def test_without_the_token_nothing_is_read(headers):
    reply = call(headers=headers)
    assert reply.status_code == 401
    assert "nexus token" in reply.json()["error"]["hint"]


@pytest.mark.parametrize("headers", [AUTH, {"x-api-key": TOKEN}, {"authorization": f"bearer {TOKEN}"}])
def test_both_header_styles_open_the_gate(headers):
    assert call(headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/dashboard", "/dashboard/static/x.css"])
def test_what_holds_no_data_is_open(path):
    assert call(path=path).status_code == 200
    assert call("POST", path=path, headers=JSON).status_code == 401


@pytest.mark.parametrize(
    "path", ["/dashboard/memories", "/dashboard/", "/dashboardx", "/v1/models", "/api/x"]
)
def test_what_holds_data_is_not(path):
    assert call(path=path).status_code == 401


def test_openai_clients_get_their_own_envelope():
    error = json.loads(call(path="/v1/models").text)["error"]
    assert set(error) == {"message", "type", "code"}


def test_a_configured_name_is_answered():
    assert call(headers=AUTH, host=f"box.lan:{PORT}", names=("box.lan",)).status_code == 200


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.1.2.3", True), ("0.0.0.0", False),
     ("::", False), ("192.0.2.1", False), ("example.org", False)],
)  # fmt: skip
def test_loopback(host, local):
    assert is_loopback(host) is local


@contextmanager
def served() -> Iterator[str]:
    """The gate in front of a real server, whose address is returned."""
    routes = [Route("/{path:path}", echo, methods=["GET", "POST"])]
    config = uvicorn.Config(LocalGuard(TokenGate(Starlette(routes=routes), TOKEN)), port=0, log_level="error")
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    thread = Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who owns a connection")
def test_the_users_own_programs_steer_without_the_token_and_see_nothing_else():
    with served() as url, httpx.Client(base_url=url) as http:
        assert http.post("/api/control", json={}).status_code == 200
        assert http.get("/api/status").status_code == 200
        for path in ("/api/interact", "/api/memories", "/v1/models", "/api/control/more"):
            assert http.post(path, json={}).status_code == 401
        # A proxy of the user's speaks for others, a wrong key is an attempt, a page is not the user.
        for name in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
            assert http.get("/api/status", headers={name: "127.0.0.1"}).status_code == 401
        assert http.get("/api/status", headers={"x-api-key": "wrong"}).status_code == 401
        assert http.get("/api/status", headers={"origin": "http://evil.example"}).status_code == 403


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root can act for another user")
def test_another_user_needs_the_token_to_steer():
    program = (
        "import encodings.idna, http.client, os, sys; os.setuid(65534);"
        "c = http.client.HTTPConnection(sys.argv[1]);"
        "c.request('GET', '/api/status'); print(c.getresponse().status)"
    )
    with served() as url:
        done = subprocess.run(
            [sys.executable, "-c", program, url[7:]], capture_output=True, text=True, check=True
        )
    assert done.stdout == "401\n"


def test_figures_are_open_on_loopback_and_nowhere_else():
    assert call(path="/metrics").status_code == 200
    assert call("POST", "/metrics", headers=JSON).status_code == 401
    assert call(path="/api/metrics").status_code == 401
    assert call(path="/metrics/more").status_code == 401
    outside = {
        "type": "http",
        "method": "GET",
        "path": "/metrics",
        "headers": [],
        "server": ("192.0.2.7", 8000),
    }
    for scope in (outside, {**outside, "server": None}):
        sent: list[dict[str, Any]] = []

        async def send(message, sent=sent):
            sent.append(message)

        asyncio.run(TokenGate(echo, TOKEN)(scope, None, send))  # type: ignore[arg-type]
        assert sent[0]["status"] == 401


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("10.0.0.2", ("rack.example", "10.0.0.2")),
        ("fd00::2", ("rack.example", "[fd00::2]")),
        ("0.0.0.0", ("rack.example",)),
        ("::", ("rack.example",)),
    ],
)
def test_the_address_that_it_listens_on_is_a_name_of_its_own(host, names):
    assert names_of(ServiceSettings(host=host, names=("rack.example",))) == names
    for name in names:
        assert call(headers=AUTH, host=f"{name}:{PORT}", names=names).status_code == 200

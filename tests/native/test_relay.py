"""The compiled relay: one answer for each request whatever the service does, Python for the rest."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from nexus.core.instance import Instance
from nexus.core.paths import Home
from nexus.service.tool_schemas import TOOLS

PROGRAM = Path(sysconfig.get_path("scripts")) / "nexus-relay"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the compiled relay is Linux's")


def request(number: Any, method: str = "tools/call", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


class Service:
    """Speaks HTTP by hand, so that a reply can have any form; `reply` makes its bytes."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], Any]] = []
        self.connections = 0
        self.reply = whole

    def handle(self, file: Any, answer: Any) -> bool:
        head = file.readline()
        if not head:
            return False
        headers = {}
        while (line := file.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = json.loads(file.read(int(headers["content-length"])))
        self.seen.append((headers, body))
        if headers["authorization"] != "Bearer secret":
            told = json.dumps({"error": {"code": "unauthorized", "message": "no", "hint": "see"}}).encode()
            answer.sendall(b"HTTP/1.1 401 No\r\ncontent-length: %d\r\n\r\n%s" % (len(told), told))
            return True
        for part in self.reply(body):
            if part is None:
                return False
            answer.sendall(part)
        return True


def result_of(body: Any) -> bytes:
    result = (
        {"protocolVersion": "2025-06-18"} if body["method"] == "initialize" else {"asked": body["params"]}
    )
    return json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": result}).encode()


def whole(body: Any) -> Iterator[bytes | None]:
    if "id" not in body:
        yield b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
        return
    text = result_of(body)
    yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


def chunked(body: Any) -> Iterator[bytes | None]:
    yield b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    text = result_of(body)
    for at in range(0, len(text), 7):
        part = text[at : at + 7]
        yield b"%x;name=value\r\n%s\r\n" % (len(part), part)
    yield b"0\r\nafter: wards\r\n\r\n"


def in_single_bytes(body: Any) -> Iterator[bytes | None]:
    for part in whole(body):
        assert part
        yield from (part[at : at + 1] for at in range(len(part)))


def closing(body: Any) -> Iterator[bytes | None]:
    yield from whole(body)
    yield None


@contextmanager
def running(home: Home, service: Service) -> Iterator[Service]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            service.connections += 1
            with suppress(OSError):
                while service.handle(self.rfile, self.request):
                    pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    instance = Instance(home, f"http://127.0.0.1:{server.server_address[1]}")
    try:
        yield service
    finally:
        instance.release()
        server.shutdown()
        server.server_close()


class Relay:
    """A process, as an agent starts it."""

    def __init__(self, home: Home, project: str = "%2Ftmp%2Fhere") -> None:
        python = [sys.executable, "-P", "-m", "nexus", "mcp"]
        self.process = subprocess.Popen(
            [str(PROGRAM), str(home.root), project, *python],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(os.environ) | {"NEXUS_HOME": str(home.root)},
        )

    def say(self, *messages: Any) -> None:
        assert self.process.stdin
        for each in messages:
            line = each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n"
            self.process.stdin.write(line)
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def ask(self, message: Any) -> Any:
        self.say(message)
        return self.hear()

    @property
    def is_small(self) -> bool:
        return psutil.Process(self.process.pid).exe() == str(PROGRAM.resolve())

    def end(self) -> bytes:
        """What was still to be said."""
        rest, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return rest


@pytest.fixture
def relay(home: Home) -> Iterator[Relay]:
    assert PROGRAM.is_file(), f"{PROGRAM} is missing; `make up` builds it"
    home.token_file.write_text("secret\n")
    relay = Relay(home)
    yield relay
    if relay.process.poll() is None:
        assert relay.end() == b""


@pytest.mark.parametrize("reply", [whole, chunked, in_single_bytes, closing])
def test_each_request_has_its_answer_in_whatever_form_it_comes(home: Home, relay: Relay, reply: Any) -> None:
    service = Service()
    service.reply = reply
    with running(home, service):
        assert relay.ask(request(0, "initialize"))["result"]["protocolVersion"] == "2025-06-18"
        for number in (1, "zwei ü", 'esc"aped\\', 3.5, None, -7):
            assert relay.ask(request(number, x="ü"))["result"] == {"asked": {"x": "ü"}}
        headers, _ = service.seen[-1]
    assert relay.is_small
    assert headers["mcp-protocol-version"] == "2025-06-18"
    assert headers["nexus-project"] == "%2Ftmp%2Fhere"
    assert headers["accept"] == "application/json, text/event-stream"
    if reply is closing:
        assert service.connections == len(service.seen)


def test_the_answer_carries_the_id_as_it_was_asked_and_is_one_line(home: Home, relay: Relay) -> None:
    def spread(body: Any) -> Iterator[bytes | None]:
        text = json.dumps(
            {"result": {"id": 5, "text": "a\nb"}, "id": None, "jsonrpc": "2.0"}, indent=2
        ).encode()
        yield b"HTTP/1.1 400 Bad\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text)

    service = Service()
    service.reply = spread
    with running(home, service):
        answer = relay.ask(b'{"jsonrpc":"2.0", "id" : "\\u00e4" ,"method":"x","params":{}}\n')
    assert answer == {"jsonrpc": "2.0", "id": "ä", "result": {"id": 5, "text": "a\nb"}}
    assert relay.is_small


def test_notifications_have_no_answer_and_large_messages_pass_both_ways(home: Home, relay: Relay) -> None:
    service = Service()
    with running(home, service):
        relay.say({"jsonrpc": "2.0", "method": "notifications/initialized"}, b"\n", b"  \r\n")
        text = "ä" * 150_000  # six bytes each, as they are sent
        assert relay.ask(request(1, text=text))["result"]["asked"]["text"] == text
        assert relay.ask(request(2))["id"] == 2
        assert relay.is_small
        memory = psutil.Process(relay.process.pid).memory_full_info()
        print(f"a relay holds {memory.rss / 1e6:.1f} MB, {memory.uss / 1e6:.1f} of its own")
        assert memory.rss < 10e6
    assert len(service.seen) == 3


def test_an_answer_of_many_megabytes_is_one_line(home: Home, relay: Relay) -> None:
    def large(body: Any) -> Iterator[bytes | None]:
        text = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": {"text": "y" * 20_000_000}}).encode()
        yield b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(text)
        yield text

    service = Service()
    service.reply = large
    with running(home, service):
        assert len(relay.ask(request(1))["result"]["text"]) == 20_000_000
        service.reply = whole
        relay.ask(request(2))
        assert relay.is_small
        assert psutil.Process(relay.process.pid).memory_info().rss < 10e6


def test_a_request_of_the_newest_revision_says_in_headers_what_it_is_about(home: Home, relay: Relay) -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    with running(home, Service()) as service:
        relay.ask(request(1, name="memory_get", _meta=meta))
    ((headers, _),) = service.seen
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert (headers["mcp-method"], headers["mcp-name"]) == ("tools/call", "memory_get")
    assert relay.is_small


@pytest.mark.parametrize(
    ("client", "said"),
    [
        ({"name": "claude code", "version": "2"}, "claude-code"),
        ({"name": "x" * 99}, "x" * 60),
        ({"name": "a\r\nb: c"}, "nexus-mcp"),
        (7, "nexus-mcp"),
    ],
)
def test_the_service_hears_which_agent_asks(home: Home, relay: Relay, client: Any, said: str) -> None:
    with running(home, Service()) as service:
        relay.ask(request(0, "initialize", protocolVersion="2025-06-18", clientInfo=client))
        relay.ask(request(1))
    assert [headers["user-agent"] for headers, _ in service.seen] == [said, said]


def test_a_hundred_at_once_are_answered_by_sixteen_connections_at_most(home: Home, relay: Relay) -> None:
    slow = threading.Semaphore(0)

    def waiting(body: Any) -> Iterator[bytes | None]:
        assert slow.acquire(timeout=60)
        yield from whole(body)

    service = Service()
    service.reply = waiting
    with running(home, service):
        relay.say(*(request(number) for number in range(100)))
        deadline = time.monotonic() + 60
        while len(service.seen) < 16 and time.monotonic() < deadline:
            time.sleep(0.01)
        for _ in range(100):
            slow.release()
        assert {relay.hear()["id"] for _ in range(100)} == set(range(100))
    assert service.connections == 16
    assert relay.is_small


def test_another_service_at_another_port_is_found(home: Home, relay: Relay) -> None:
    for number in range(3):
        with running(home, Service()) as service:
            assert relay.ask(request(number))["id"] == number
            assert len(service.seen) == 1
    assert relay.is_small


def test_python_takes_over_where_no_service_runs_and_goes_on(home: Home, relay: Relay) -> None:
    with running(home, Service()):
        relay.ask(request(0, "initialize"))
    relay.say(request(1, "tools/list"), request(2), request(3, "ping"))
    answers = {answer["id"]: answer for answer in (relay.hear() for _ in range(3))}
    assert len(answers[1]["result"]["tools"]) == len(TOOLS)
    assert "nexus up --detach" in answers[2]["error"]["message"]
    assert not relay.is_small
    with running(home, Service()) as service:
        assert "result" in relay.ask(request(4))
    headers, _ = service.seen[-1]
    assert headers["mcp-protocol-version"] == "2025-06-18"  # what was settled before


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"[1]", -32600),
        (b'{"method": 1, "id": 1}', -32600),
        (b"x" * 2_000_000, -32600),
        (b'{"method": "ping"', -32700),
    ],
)
def test_what_is_no_message_is_pythons_and_what_follows_is_not_lost(
    home: Home, relay: Relay, line: bytes, code: int
) -> None:
    with running(home, Service()):
        relay.say(line + b"\n" + json.dumps(request(2)).encode() + b"\n")
        answers = [relay.hear(), relay.hear()]
        codes = [answer["error"]["code"] for answer in answers if "error" in answer]
        assert codes == [code]
        assert [answer["id"] for answer in answers if "result" in answer] == [2]


def test_a_line_that_is_cut_between_the_two_is_one_line_again(home: Home, relay: Relay) -> None:
    later = json.dumps(request("later", text="x" * 1000)).encode() + b"\n"
    with running(home, Service()):
        relay.say(b"{\n" + later[:500])
        assert relay.hear()["error"]["code"] == -32700
        relay.say(later[500:])
        assert relay.hear()["result"]["asked"]["text"] == "x" * 1000


def test_another_token_is_looked_for_by_python(home: Home, relay: Relay) -> None:
    home.token_file.write_text("an older one\n")
    home.config_file.write_text('[service]\ntoken = "secret"\n')
    with running(home, Service()):
        assert relay.ask(request(1))["result"] == {"asked": {}}


def broken(*parts: bytes) -> Any:
    def reply(body: Any) -> Iterator[bytes | None]:
        yield from parts
        yield None

    return reply


@pytest.mark.parametrize(
    "reply",
    [
        broken(),
        broken(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"),
        broken(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\n{"),
        broken(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n{"),
        broken(b"ICY 200 OK\r\n\r\n"),
        broken(b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 100_000 + b"\r\n\r\n"),
        broken(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
        broken(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"),
    ],
)
def test_a_broken_reply_is_one_answer_that_says_so(home: Home, relay: Relay, reply: Any) -> None:
    service = Service()
    service.reply = reply
    with running(home, service):
        answer = relay.ask(request(1))
        assert answer["id"] == 1
        assert "error" in answer
        service.reply = whole
        assert "result" in relay.ask(request(2))


def test_the_end_of_input_waits_for_the_answers(home: Home, relay: Relay) -> None:
    with running(home, Service()):
        relay.say(*(request(number) for number in range(40)))
        rest = relay.end()
    assert {json.loads(line)["id"] for line in rest.splitlines()} == set(range(40))

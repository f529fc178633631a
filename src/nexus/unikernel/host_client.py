"""The module `host` for code that runs in CPython inside bubblewrap: the host's granted functions.

It lies there as a file of its own and imports nothing of nexus: frames (nx_abi.h: struct nx_request and
nx_reply) over file descriptor 3. Same names as the guests' own module `host`. `begin` runs the code with
`urllib.request` and `requests` sent through the host, there being no network. Any thread may call.
"""

from __future__ import annotations

import base64
import io
import json
import os
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_CHANNEL = 3
_MAGIC = 0x3146584E
_REQUEST, _REPLY = struct.Struct("<IIQII"), struct.Struct("<qII")
_MOST = 1 << 20
_CALL = 7
_lock = threading.Lock()


class HostError(Exception):
    """The host's function failed, or was not granted. `type` is the name of its error."""

    def __init__(self, text: str, type: str = "HostError") -> None:  # noqa: A002
        super().__init__(text)
        self.type = type


class Response:
    """What an HTTP server said: `status`, `headers` (names in lower case), `content` in bytes."""

    def __init__(self, status: int, headers: dict[str, str], content: bytes, url: str) -> None:
        self.status, self.headers, self.content, self.url = status, headers, content, url
        self.status_code = status

    @property
    def ok(self) -> bool:
        """Whether it is no error."""
        return 200 <= self.status < 400

    @property
    def text(self) -> str:
        """The content as UTF-8."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The content as JSON."""
        return json.loads(self.content)


def call(name: str, /, **args: Any) -> Any:
    """Call a function that the host granted, with JSON values. Raises `HostError`."""
    asked = json.dumps({"name": name, "args": args}).encode()
    if len(asked) > _MOST:
        raise HostError(f"{name}: {len(asked)} bytes are asked, {_MOST} is the most", "InvalidInputError")
    with _lock:
        _send(_REQUEST.pack(_MAGIC, _CALL, 0, len(asked), _MOST) + asked)
        result, size, _ = _REPLY.unpack(_receive(_REPLY.size))
        answer = _receive(size) if result != -90 else b""
    if result < 0:
        why = f"the answer is {size} bytes, {_MOST} is the most" if result == -90 else os.strerror(-result)
        raise HostError(f"{name}: {why}", "OSError")
    said = json.loads(answer)
    if "error" in said:
        raise HostError(said["error"], said.get("type", "HostError"))
    return said.get("ok")


def functions() -> Any:
    """What is granted: {"functions": names, "http": hosts, "files": paths}."""
    return call("functions")


def http(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | str = b""
) -> Response:
    """Ask an HTTP server by way of the host. Raises `HostError` where its host is not granted."""
    if isinstance(body, str):
        body = body.encode()
    sent = {_text(name): _text(value) for name, value in (headers or {}).items()}
    sent = {name: value for name, value in sent.items() if name.lower() != "host"}  # the URL's
    args: dict[str, Any] = {"method": method, "url": url, "headers": sent}
    if body:
        args["body_b64"] = base64.b64encode(body).decode()
    said = call("http", **args)
    return Response(
        said["status"], said["headers"], base64.b64decode(said.get("body_b64", "")), said.get("url", url)
    )


def http_get(url: str, headers: Mapping[str, str] | None = None) -> Response:
    """As `http`, to read."""
    return http("GET", url, headers)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _send(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(_CHANNEL, rest) :]


def _receive(size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        piece = os.read(_CHANNEL, size - len(parts))
        if not piece:
            raise HostError("the host is gone", "ConnectionError")
        parts += piece
    return bytes(parts)


class _Ways:
    """Sends what urllib.request and requests ask through the host, once code imports them."""

    def __init__(self) -> None:
        self._ours: dict[str, Callable[[Any], None]] = {
            "urllib.request": _open_urllib,
            "requests.adapters": _open_requests,
        }

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """As importlib.abc.MetaPathFinder."""
        change = self._ours.pop(name, None)
        if change is None:
            return None
        import importlib.util

        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                run(module)
                change(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _open_urllib(request: Any) -> None:
    import email.message
    import urllib.error
    import urllib.response

    def ask(wanted: Any) -> Any:
        headers = dict(wanted.header_items())
        body = wanted.data if wanted.data is not None else b""
        if not isinstance(body, bytes):
            body = b"".join(body) if not hasattr(body, "read") else body.read()
        try:
            got = http(wanted.get_method(), wanted.full_url, headers, body)
        except HostError as error:
            raise urllib.error.URLError(str(error)) from None
        message = email.message.Message()
        for name, value in got.headers.items():
            message[name] = value
        answer: Any = urllib.response.addinfourl(io.BytesIO(got.content), message, got.url, got.status)
        answer.msg = ""
        return answer

    class Http(request.HTTPHandler):  # type: ignore[misc]
        def http_open(self, wanted: Any) -> Any:
            return ask(wanted)

    class Https(request.HTTPSHandler):  # type: ignore[misc]
        def https_open(self, wanted: Any) -> Any:
            return ask(wanted)

    request.install_opener(request.build_opener(request.ProxyHandler({}), Http, Https))


def _open_requests(adapters: Any) -> None:
    def send(self: Any, request: Any, **_: Any) -> Any:
        response = sys.modules["urllib3"].HTTPResponse  # requests has imported it
        body = request.body if request.body is not None else b""
        if hasattr(body, "read"):
            body = body.read()
        try:
            got = http(request.method, request.url, request.headers, body)
        except HostError as error:
            raise adapters.ConnectionError(str(error), request=request) from None
        raw = response(io.BytesIO(got.content), got.headers, got.status, preload_content=False)
        return self.build_response(request, raw)

    adapters.HTTPAdapter.send = send


def begin(given: Iterable[str]) -> None:
    """Run code as `__main__`, by the name main.py. Tracebacks show none of us.

    `given`: anything, the code's file, the folders of packages with ":" between, the code's own words.
    """
    import linecache
    import types

    _, path, packages, *words = given
    with open(path, "rb") as file:
        code = file.read()
    sys.argv = ["main.py", *words]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # so that what was printed is there when time is over
    sys.path += filter(None, packages.split(os.pathsep))
    sys.meta_path.insert(0, _Ways())
    main = types.ModuleType("__main__")
    main.__dict__["__file__"] = "main.py"
    sys.modules["__main__"] = main
    text = code.decode("utf-8", "replace")
    linecache.cache["main.py"] = (len(text), None, text.splitlines(True), "main.py")
    try:
        exec(compile(code, "main.py", "exec", dont_inherit=True), main.__dict__)  # noqa: S102
    except Exception as error:
        ours = error.__traceback__
        trace = ours.tb_next if ours else None
        if sys.excepthook is not sys.__excepthook__:
            sys.excepthook(type(error), error, trace)
        else:
            import traceback

            sys.stdout.flush()
            traceback.print_exception(type(error), error, trace)
        sys.exit(1)

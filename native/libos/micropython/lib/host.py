"""The functions of the host that this run was granted: host.call("name", x=1), host.http_get(url)."""

import json

import _host


class HostError(Exception):
    """The host refused or failed; `kind` is its error's type."""

    def __init__(self, message, kind=""):
        super().__init__(message)
        self.kind = kind


def call(_function, **arguments):
    """Call a granted function with JSON values; gives a JSON value. Raises HostError."""
    reply = json.loads(_host.call(json.dumps({"name": _function, "args": arguments})))
    if "error" in reply:
        raise HostError(reply["error"], reply.get("type", ""))
    return reply.get("ok")


def functions():
    """The names of what is granted."""
    return call("functions")


class Response:
    """An HTTP answer: status, headers (names in lower case), content; text and json()."""

    def __init__(self, status, headers, content):
        self.status, self.headers, self.content = status, headers, content
        self.ok = status < 400

    @property
    def text(self):
        return self.content.decode()

    def json(self):
        return json.loads(self.text)


def http(method, url, *, headers=None, body=None):
    """Ask a granted host. Raises HostError."""
    import binascii

    named = {"method": method, "url": url, "headers": dict(headers or {})}
    if body is not None:
        body = body.encode() if isinstance(body, str) else bytes(body)
        named["body_b64"] = binascii.b2a_base64(body, newline=False).decode()
    told = call("http", **named)
    found = {}
    given = told["headers"]
    for name, value in given.items() if isinstance(given, dict) else given:
        found[name.lower()] = value
    return Response(told["status"], found, binascii.a2b_base64(told["body_b64"]))


def http_get(url, *, headers=None):
    """GET a URL of a granted host. Raises HostError."""
    return http("GET", url, headers=headers)

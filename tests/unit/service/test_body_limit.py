"""A request that is too large is refused, whatever it says about its length."""

from __future__ import annotations

import asyncio
import json

import pytest

from nexus.service.body_limit import BodyLimit

LIMIT = 1 << 20


async def reads_all(scope, receive, send):
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def swallows(scope, receive, send):
    """As frameworks do: what goes wrong while reading becomes an answer of their own."""
    try:
        await reads_all(scope, receive, send)
    except Exception:
        await send({"type": "http.response.start", "status": 400, "headers": []})


async def answers_first(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await reads_all(scope, receive, send)


def sent(app, *parts, headers=()):
    """The messages that a client gets for a body in these parts."""
    coming = [
        {"type": "http.request", "body": part, "more_body": number + 1 < len(parts)}
        for number, part in enumerate(parts)
    ]
    got = []

    async def receive():
        return coming.pop(0)

    async def send(message):
        got.append(message)

    scope = {"type": "http", "path": "/v1/responses", "method": "POST", "headers": list(headers)}
    asyncio.run(BodyLimit(app, LIMIT)(scope, receive, send))
    return got


def test_what_fits_passes():
    assert sent(reads_all, b"x" * LIMIT)[-1]["body"] == str(LIMIT).encode()
    assert sent(reads_all, b"x", b"y", headers=[(b"content-length", b"2")])[-1]["body"] == b"2"


@pytest.mark.parametrize("app", [reads_all, swallows])
@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ([b""], [(b"content-length", str(LIMIT + 1).encode())]),
        ([b""], [(b"content-length", b"1"), (b"content-length", b"9" * 19)]),
        ([b"x" * LIMIT, b"x"], []),
        ([b"x" * LIMIT, b"x"], [(b"content-length", b"5")]),
        ([b"x" * (LIMIT + 1)], [(b"content-length", b"\xb2")]),
    ],
)
def test_what_is_too_large_is_refused_once(app, parts, headers):
    start, body = sent(app, *parts, headers=headers)
    assert start["status"] == 413
    assert "service.body_mib" in json.loads(body["body"])["error"]["message"]


def test_an_answer_that_has_begun_is_not_answered_again():
    assert [m["status"] for m in sent(answers_first, b"x" * LIMIT, b"x") if "status" in m] == [200]


def test_a_bug_stays_a_bug():
    async def broken(scope, receive, send):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        sent(broken, b"")

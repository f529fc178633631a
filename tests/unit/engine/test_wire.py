"""A wire whose server was ended while somebody was about to ask: an error that can be answered to."""

from __future__ import annotations

from threading import Event

import pytest

from nexus.engine.wire import ConnectionLostError, Wire


@pytest.fixture
def closed():
    wire = Wire("http://127.0.0.1:9", label="the model process of x")
    wire.close()
    return wire


def test_a_request_on_a_closed_wire_is_a_lost_connection(closed):
    with pytest.raises(ConnectionLostError, match="the model process of x was closed"):
        closed.post("/tokenize", {})
    with pytest.raises(ConnectionLostError, match="the model process of x was closed"):
        closed.get("/props")


def test_a_stream_on_a_closed_wire_is_one_too(closed):
    with pytest.raises(ConnectionLostError, match="the model process of x was closed"):
        list(closed.stream("/v1/chat/completions", {}, Event()))

"""Which hosts a grant of HTTP covers, and which addresses are nobody's neighbours."""

from __future__ import annotations

import ipaddress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError
from nexus.unikernel.http_rule import Rule, is_public


@pytest.mark.parametrize(
    ("grant", "host", "port", "standard", "covered"),
    [
        ("api.test", "api.test", 443, 443, True),
        ("api.test", "api.test", 80, 80, True),
        ("api.test", "api.test", 80, 443, False),
        ("api.test", "api.test", 8080, 80, False),
        ("api.test:8080", "api.test", 8080, 80, True),
        ("api.test:80", "api.test", 80, 80, True),
        ("api.test:80", "api.test", 443, 443, False),
        ("API.Test", "api.test", 80, 80, True),
        ("api.test.", "api.test", 80, 80, True),
        ("api.test", "api.test.", 80, 80, True),
        ("api.test", "xapi.test", 80, 80, False),
        ("api.test", "sub.api.test", 80, 80, False),
        ("*.api.test", "sub.api.test", 80, 80, True),
        ("*.api.test", "a.b.api.test", 80, 80, True),
        ("*.api.test", "api.test", 80, 80, False),
        ("*.api.test", "evilapi.test", 80, 80, False),
        ("bücher.test", "xn--bcher-kva.test", 80, 80, False),
        ("[::1]:81", "::1", 81, 80, True),
        ("127.0.0.1", "127.0.0.1", 80, 80, True),
    ],
)
def test_what_a_grant_covers(grant, host, port, standard, covered):
    shown = httpx.URL(f"http://[{host}]/" if ":" in host else f"http://{host}/").host
    assert Rule.of(grant).covers(shown, port, standard) == (covered or "bücher" in grant)


@pytest.mark.parametrize(
    "grant",
    [
        "",
        "*",
        "*.",
        "http://api.test",
        "api.test/x",
        "api.test?x",
        "api.*.test",
        "a b",
        "user@api.test",
        "api.test:99999",
        "*.127.0.0.1",
        "api.test:",
        "*.*.test",
        "api.test#x",
        ":80",
    ],
)
def test_grants_that_are_no_host_are_refused(grant):
    with pytest.raises(InvalidInputError, match="HTTP grant"):
        Rule.of(grant)


@given(st.text(max_size=30))
def test_any_text_is_a_grant_or_refused(text):
    try:
        rule = Rule.of(text)
    except InvalidInputError:
        return
    assert rule.host


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.1.1",
        "100.64.0.1",
        "127.1.1.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_addresses_of_neighbours(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07::1", "64:ff9b::5db8:d70e"])
def test_addresses_of_the_public_network(address):
    assert is_public(ipaddress.ip_address(address))

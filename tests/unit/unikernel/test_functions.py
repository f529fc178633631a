"""Functions of the host: whatever they are asked and whatever they do, there is an answer that fits."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError
from nexus.unikernel.functions import Functions
from nexus.unikernel.grants import Grants
from nexus.unikernel.limits import Limits

NEVER = float("inf")


def answer(
    request: bytes | str, limits: Limits | None = None, **functions: Callable[..., Any]
) -> dict[str, Any]:
    data = request.encode() if isinstance(request, str) else request
    limits = limits or Limits()
    out = Functions(Grants(functions=functions), limits).call(data, NEVER)
    assert len(out) <= limits.reply
    answered: dict[str, Any] = json.loads(out)
    assert set(answered) in ({"ok"}, {"error", "type"})
    return answered


def call(name: str, **arguments: object) -> str:
    return json.dumps({"name": name, "args": arguments})


def test_arguments_go_in_by_name_and_the_value_comes_out():
    assert answer(call("f", x=[1], y="ü"), f=lambda x, y: {"x": x, "y": y}) == {"ok": {"x": [1], "y": "ü"}}


def test_what_it_raises_is_told_with_its_type():
    def f() -> None:
        raise KeyError("no such row")

    assert answer(call("f"), f=f) == {"error": "'no such row'", "type": "KeyError"}


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), RecursionError("deep")]
)
def test_nothing_it_raises_ends_anything_but_the_call(error: BaseException):
    def f() -> None:
        raise error

    assert answer(call("f"), f=f)["type"] == type(error).__name__


def test_an_answer_beyond_the_limit_is_an_error_that_names_both_sizes():
    got = answer(call("f"), Limits(reply=1000), f=lambda: "x" * 100_000_000)
    assert got["type"] == "ValueError"
    assert "100000009 bytes" in got["error"]
    assert "1000" in got["error"]


def test_an_answer_of_just_the_limit_is_given():
    size = len('{"ok":""}')
    assert answer(call("f"), Limits(reply=100), f=lambda: "x" * (100 - size)) == {"ok": "x" * (100 - size)}
    assert "error" in answer(call("f"), Limits(reply=100), f=lambda: "x" * (101 - size))


@pytest.mark.parametrize("value", [{1, 2}, object(), math.nan, math.inf, b"bytes", {(1, 2): 3}])
def test_what_json_has_not_is_an_error(value: object):
    got = answer(call("f"), f=lambda: value)
    assert got["type"] == "TypeError"
    assert "JSON" in got["error"]


def test_a_value_that_holds_itself_is_an_error():
    circle: list[object] = []
    circle.append(circle)
    assert "JSON" in answer(call("f"), f=lambda: circle)["error"]


def test_an_asynchronous_function_is_an_error():
    async def f() -> int:
        return 1

    assert "asynchronous" in answer(call("f"), f=f)["error"]


def test_a_long_error_is_cut_and_says_so():
    def f() -> None:
        raise ValueError("x" * 10_000)

    assert answer(call("f"), f=f)["error"].endswith("(6000 characters more)")


@given(st.integers(1, 300))
def test_errors_too_fit_the_limit_or_there_is_none_smaller(reply: int):
    out = Functions(Grants(), Limits(reply=reply)).call(b"?", NEVER)
    assert len(out) <= max(reply, 22)


def test_what_was_not_granted_is_refused_with_what_was():
    got = answer(call("other"), f=print, g=print)
    assert got["type"] == "PermissionError"
    assert "granted: f, g" in got["error"]


def test_functions_lists_what_was_granted():
    assert answer(call("functions"), f=print) == {"ok": {"functions": ["f"], "http": [], "files": []}}


def test_http_without_a_grant_is_refused():
    got = answer(call("http", url="http://example.org/"))
    assert got["type"] == "PermissionError"
    assert "example.org" in got["error"]


@pytest.mark.parametrize("name", ["http", "functions"])
def test_our_own_names_cannot_be_granted(name: str):
    with pytest.raises(InvalidInputError, match=name):
        Functions(Grants(functions={name: print}), Limits())


def test_a_wrong_argument_is_told():
    assert answer(call("f", z=1), f=lambda x: x)["type"] == "TypeError"


@pytest.mark.parametrize("request_", ["[1]", '{"name":1}', '{"name":"f","args":[1]}', '"f"', "null", "{"])
def test_what_is_no_request_is_told(request_: str):
    assert answer(request_, f=print)["type"] == "ValueError"


def test_deep_nesting_is_an_error():
    assert answer(b"[" * 100_000)["type"] == "ValueError"


@given(st.binary(max_size=200))
def test_any_bytes_have_an_answer(request_: bytes):
    answer(request_)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_every_json_value_comes_back_as_it_went(value: dict[str, Any]):
    assert answer(json.dumps({"name": "f", "args": {"value": value}}), f=lambda value: value) == {"ok": value}


def test_the_deadline_reaches_http(monkeypatch: pytest.MonkeyPatch):
    functions = Functions(Grants(http=("127.0.0.1:9",)), Limits())
    out = json.loads(functions.call(call("http", url="http://127.0.0.1:9/").encode(), time.monotonic() - 1))
    assert out["type"] == "TimeoutError"

"""The event parser: however the bytes arrive, the events are the same."""

from __future__ import annotations

from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import EngineError
from nexus.engine.sse import EventStream

LINES = st.one_of(
    st.text(alphabet=st.characters(exclude_characters="\r\n"), max_size=12).map("data: {}".format),
    st.text(alphabet=st.characters(exclude_characters="\r\n"), max_size=8).map(": {}".format),
    st.sampled_from(
        ["", "", "data", "data:", "event: ping", "id: 7", "retry: 10", "data:ü€😀", "data: [DONE]"]
    ),
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=20).map(
    lambda lines: "".join(text + end for text, end in lines).encode("utf-8", "replace")
)


def parse(chunks: list[bytes]) -> list[str]:
    stream = EventStream()
    events = [event for chunk in chunks for event in stream.feed(chunk)]
    return events + list(stream.close())


@given(STREAMS, st.data())
def test_any_split_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    edges = [0, *cuts, len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(edges)]
    assert parse(chunks) == parse([stream])
    assert parse([stream[i : i + 1] for i in range(len(stream))]) == parse([stream])


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n"), min_size=1), max_size=6))
def test_every_text_comes_out_as_it_went_in(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    stream = "".join(f": comment\r\ndata: {text}\r\n\r\n" for text in texts).encode()
    assert parse([stream]) == texts


def test_lines_of_one_event_are_joined() -> None:
    assert parse([b"data: a\ndata: b\n\ndata:c\n\n"]) == ["a\nb", "c"]


def test_a_byte_order_mark_and_a_missing_last_blank_line_are_tolerated() -> None:
    assert parse([b"\xef\xbb", b"\xbfdata: x\n\ndata: [DONE]"]) == ["x", "[DONE]"]


def test_fields_other_than_data_are_no_events() -> None:
    assert parse([b"event: ping\nid: 1\n\n: only a comment\n\ndatabase: x\n\n"]) == []


@pytest.mark.parametrize(
    "chunks",
    [[b"data: " + b"x" * 200], [b"data: " + b"x" * 30 + b"\n"] * 5, [b"x" * 40] * 4],
    ids=["one line", "many lines of one event", "a line without end"],
)
def test_an_event_without_bound_is_refused(chunks: list[bytes]) -> None:
    stream = EventStream(max_event_bytes=100)
    with pytest.raises(EngineError, match="over 100 bytes"):
        list(chain.from_iterable(stream.feed(chunk) for chunk in chunks))

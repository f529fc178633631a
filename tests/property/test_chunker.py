"""What holds for the chunks of any document."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from nexus.cortex.chunker import Chunk, ChunkSizes, Kind, chunk


class Words:
    """A token is a run of letters and digits, or one other visible character."""

    def count(self, text: str) -> int:
        return len(self.spans(text))

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return [m.span() for m in re.finditer(r"\w+|[^\w\s]", text)]


class Halves(Words):
    """Tokens of at most three characters that never agree with the words around them."""

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return [m.span() for m in re.finditer(r"\w{1,3}|\S", text)]


_LINES = st.sampled_from(
    [
        "# Title { #title }", "## Part", "### Deep", "Setext", "====", "---", "", "", "```python", "```",
        "~~~", "# not a heading", "> quote", "> ## Side note", ">", "- item one", "  - nested", "1. first",
        "| a | b |", "|---|---|", "<!-- note", "-->", "/// tip", "///", "+++", "    indented code",
        "<div>", "</div>", "A sentence. Another one! And e.g. a third?", "word " * 40, "x" * 90,
        "def f(a):", "    return a", "class C:", "    def m(self): pass", "@decorator", "fn main() {", "}",
        "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627", "\u4f60\u597d\u3002\u518d\u89c1\u3002" * 8,
        "e\u0301" * 30, "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd", "\u2028", "\x0c",
        "\t- tabbed", "the list:", "...goes on", "key: value", "[table]", '"""', "\\",
    ]
)  # fmt: skip
_DOCUMENTS = st.one_of(
    st.builds(
        lambda lines, end, bom: bom + end.join(lines),
        st.lists(_LINES, max_size=40),
        st.sampled_from(["\n", "\r\n", "\r"]),
        st.sampled_from(["", "\ufeff"]),
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)
_KINDS = st.sampled_from(["markdown", "code", "text"])
_SIZES = st.builds(
    lambda target, low, overlap: ChunkSizes(target, target * low // 4, min(overlap, target - 1)),
    st.integers(1, 60),
    st.integers(0, 4),
    st.sampled_from([0, 0, 1, 5, 20]),
)
_COUNTERS = st.sampled_from([Words(), Halves()])


def _check_lines(text: str, chunks: list[Chunk], *, overlap: bool) -> None:
    """Each chunk is a slice of the text that begins and ends on the lines it names."""
    starts = [0, *(m.end() for m in re.finditer(r"\r\n|\n|\r", text)), len(text) + 1]
    begin = end = 0
    for piece in chunks:
        lowest = max(starts[piece.start_line - 1], begin if overlap else end)
        begin = text.find(piece.text, lowest)
        end = begin + len(piece.text)
        assert starts[piece.start_line - 1] <= begin < starts[piece.start_line]
        assert starts[piece.end_line - 1] < end <= starts[piece.end_line]


@given(_DOCUMENTS, _KINDS, _SIZES, _COUNTERS)
def test_nothing_is_lost_repeated_or_out_of_order(
    text: str, kind: Kind, sizes: ChunkSizes, counter: Words
) -> None:
    sizes = ChunkSizes(sizes.target, sizes.minimum, 0)
    chunks = chunk(text, kind, counter, sizes, name="a.py" if len(text) % 2 else "a.rs")
    assert "".join("".join(c.text for c in chunks).split()) == "".join(text.removeprefix("\ufeff").split())


@given(_DOCUMENTS, _KINDS, _SIZES, _COUNTERS)
def test_sizes_and_lines_are_right(text: str, kind: Kind, sizes: ChunkSizes, counter: Words) -> None:
    chunks = chunk(text, kind, counter, sizes, name="a.py" if len(text) % 2 else "a.rs")
    for piece in chunks:
        assert piece.tokens == counter.count(piece.text)
        assert piece.tokens <= sizes.target or len(piece.text) == 1
        assert piece.text.strip()
        assert 1 <= piece.start_line <= piece.end_line
    _check_lines(text, chunks, overlap=sizes.overlap > 0)


@given(_DOCUMENTS, _KINDS, _SIZES)
def test_only_what_was_asked_for_is_repeated(text: str, kind: Kind, sizes: ChunkSizes) -> None:
    counter = Words()
    chunks = chunk(text, kind, counter, sizes, name="a.py")
    plain = "".join("".join(c.text for c in chunks).split())
    repeated = len(plain) - len("".join(text.removeprefix("\ufeff").split()))
    assert repeated >= 0
    longest = max((end - start for start, end in counter.spans(text)), default=0)
    assert repeated <= max(0, len(chunks) - 1) * sizes.overlap * longest


@given(_DOCUMENTS, _KINDS, _SIZES)
def test_the_same_text_gives_the_same_chunks(text: str, kind: Kind, sizes: ChunkSizes) -> None:
    first = chunk(text, kind, Words(), sizes, name="a.py")
    assert first == chunk(text, kind, Words(), sizes, name="a.py")


@given(st.text(" \t\r\n\x0c\u2028\u3000", max_size=60), _KINDS)
def test_blank_text_has_no_chunks(text: str, kind: Kind) -> None:
    assert chunk(text, kind, Words(), ChunkSizes()) == []


@given(st.lists(st.sampled_from(["# A", "text", "", "## B", "- x", "> q"]), max_size=20))
def test_line_ends_make_no_difference(lines: list[str]) -> None:
    unix = chunk("\n".join(lines), "markdown", Words(), ChunkSizes(8, 2))
    windows = chunk("\r\n".join(lines), "markdown", Words(), ChunkSizes(8, 2))
    assert [(c.heading, c.start_line, c.end_line) for c in unix] == [
        (c.heading, c.start_line, c.end_line) for c in windows
    ]

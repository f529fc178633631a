"""What holds for the search of credentials in any text."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.cortex.evaluation.credentials import HIGH, LOW, Maker
from nexus.cortex.secret_rules.services import RULES
from nexus.cortex.secrets import find, redact

_SECRETS = st.builds(
    lambda make, seed: make(Maker(seed)),
    st.sampled_from([*HIGH.values(), *LOW.values()]),
    st.integers(0, 2**32),
)
_ANCHORS = sorted({rule.anchors[0] for rule in RULES} | {"://", "password", "secret=", "token:", "stripe="})
_TEXTS = st.lists(
    st.one_of(
        st.text(max_size=20), _SECRETS, st.sampled_from(_ANCHORS), st.sampled_from(["\n", "\r\n", " ", '"'])
    ),
    max_size=8,
).map("".join)


@given(_TEXTS)
def test_findings_are_in_order_apart_and_on_their_line(text: str) -> None:
    end = 0
    for finding in find(text):
        assert end <= finding.start < finding.end <= len(text)
        line = len((text[: finding.start] + "x").replace("\r\n", "\n").replace("\r", "\n").split("\n"))
        assert finding.line == line
        end = finding.end


@given(_TEXTS)
def test_nothing_that_was_found_survives_redaction(text: str) -> None:
    found = find(text)
    clean = redact(text, found)
    assert clean.count("\n") == text.count("\n")
    for finding in found:
        assert f"[removed: {finding.kind}]" in clean
    kept = 0
    for finding in found:
        assert text[kept : finding.start] in clean
        kept = finding.end


@given(_SECRETS, st.text(" .,;\n\u00e9\u4f60", max_size=10), st.text(" .,;\n\u00e9\u4f60", max_size=10))
def test_a_credential_is_found_wherever_it_stands(secret: str, before: str, after: str) -> None:
    assert find(f"{before} {secret}\n{after}")


def test_lowering_keeps_every_offset() -> None:
    """The search for names works on lowered text: no letter but U+0130 may change its length."""
    longer = [c for c in map(chr, range(sys.maxunicode + 1)) if len(c.lower()) != 1]
    assert longer == ["\u0130"]
    text = "İ" * 7 + ' Password = "vK7#' + 'qLw9Tz4"'
    (finding,) = find(text)
    assert text[finding.start : finding.end].startswith("vK7#")


class _Steps:
    """Counts the executed lines of the search, which does not depend on the machine's speed."""

    def __init__(self) -> None:
        self.lines = 0

    def __call__(self, frame, event, argument):
        self.lines += event == "line"
        return self

    def of(self, text: str) -> int:
        self.lines = 0
        before = sys.gettrace()
        sys.settrace(self)
        try:
            find(text)
        finally:
            sys.settrace(before)
        return self.lines


@pytest.mark.parametrize("part", [*_ANCHORS, "a", "key=", "://a:b", 'token="', "M" * 30 + ".", "eyJa.", "-"])
def test_work_grows_no_faster_than_the_text(part: str) -> None:
    small, large = (_Steps().of(part * count) for count in (200, 800))
    assert large <= 4.2 * small + 800


@pytest.mark.parametrize("kind", ["github-token", "json-web-token", "stripe-key", "password-or-key"])
def test_work_does_not_grow_with_the_number_of_values(kind: str) -> None:
    """All of them are looked for everywhere, and many begin alike."""
    make = {**HIGH, **LOW}[kind]
    small, large = (_Steps().of("\n".join(make(Maker(n)) for n in range(count))) for count in (50, 200))
    assert large <= 4.2 * small + 2000


@pytest.mark.parametrize("part", [*_ANCHORS, "a", "key=", "://a:b", 'token="', "M" * 30 + ".", "eyJa.", "-"])
def test_a_long_adversarial_text_ends(part: str) -> None:
    """A pattern that backtracks without bound would run into the time limit of the suite."""
    for joint in ("", "a", " "):
        find((part + joint) * (20_000 // len(part + joint)))

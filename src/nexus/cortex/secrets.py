"""Finds credentials in text and in file names, so that none is ever stored (seed 004).

A finding says what and where, never the value. `high` means a shape that only real credentials of
one issuer have; `low` means a name or shape that examples have too. What is done about each is
decided by who asks. Invariants: findings do not overlap and are in order; after `redact` nothing of a
found value is left, neither its rest nor the same value in another place; time is linear.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from nexus.cortex.outline import line_spans
from nexus.cortex.secret_rules.anchors import Anchors
from nexus.cortex.secret_rules.files import refused_name
from nexus.cortex.secret_rules.named import (
    ISSUERS,
    NAMES,
    SEQUENCES,
    Span,
    after_name,
    in_url,
    is_name,
    is_random,
    is_sample_token,
    published,
)
from nexus.cortex.secret_rules.services import RULES
from nexus.cortex.secret_rules.shapes import Confidence, Rule

__all__ = ["KINDS", "Finding", "Known", "blacked_out", "find", "redact", "refused_name", "values"]

Known = Mapping[str, tuple[str, str]]
"""Values with their kind and confidence. Never stored, never shown."""


KINDS: tuple[str, ...] = tuple(
    dict.fromkeys(
        [
            *(rule.kind for rule in RULES),
            "database-password",
            "password-in-url",
            "aws-secret-key",
            "password-or-key",
            *(f"{issuer.strip('_').replace('_', '-').replace('.', '-')}-key" for issuer in ISSUERS),
        ]
    )
)
"""Every kind a finding can have."""

_URL = "://"
_ANCHORS = Anchors([_URL, *NAMES, *(anchor for rule in RULES for anchor in rule.anchors)])


def _by_head() -> dict[str, list[tuple[str, Rule]]]:
    """Anchors of rules by their first three characters."""
    heads: dict[str, list[tuple[str, Rule]]] = {}
    for rule in RULES:
        for anchor in rule.anchors:
            heads.setdefault(anchor[:3], []).append((anchor, rule))
    return heads


_RULES_AT = _by_head()
_NAMES_AT: dict[str, list[str]] = {}
for _name in sorted(NAMES, key=len, reverse=True):
    _NAMES_AT.setdefault(_name[:3], []).append(_name)


@dataclass(frozen=True, slots=True)
class Finding:
    """A credential at `text[start:end]`, on line `line` (from 1). Holds no part of the value."""

    kind: str
    line: int
    start: int
    end: int
    confidence: Confidence


def find(text: str, known: Known = MappingProxyType({})) -> list[Finding]:
    """Every credential in `text`, in order; `known` are `values` found in what belongs to it."""
    spans = list(_spans(text))
    known = {**known, **_values(text, spans)}
    if known:
        spans += _again(text, known)
    if not spans:
        return []
    spans.sort(key=lambda span: span[:2])
    lines = [start for start, _ in line_spans(text)]
    found: list[Finding] = []
    for number, together in enumerate(groups := list(_together(spans))):
        # Where two rules meet the same text, the surer one and then the longer one names it.
        _, _, kind, confidence = min(
            together, key=lambda s: (s[3] != "high", s[2] == "password-or-key", s[0] - s[1])
        )
        start, end = together[0][0], max(span[1] for span in together)
        limit = groups[number + 1][0][0] if number + 1 < len(groups) else len(text)
        end = _end_of_run(text, end, limit)
        found.append(Finding(kind, bisect_right(lines, start), start, end, cast(Confidence, confidence)))
    return found


def blacked_out(text: str, known: Known = MappingProxyType({})) -> str:
    """`text` without its credentials. To be done before a text is cut: half of one is known to no rule."""
    found = find(text, known)
    return redact(text, found) if found else text


def values(text: str) -> Known:
    """The credentials in `text` that are to be taken out where nothing else betrays them."""
    return _values(text, _spans(text))


def redact(text: str, findings: Sequence[Finding]) -> str:
    """`text` with each finding replaced by `[removed: kind]`; line numbers stay as they were."""
    parts: list[str] = []
    position = 0
    for finding in findings:
        value = text[finding.start : finding.end]
        parts += [
            text[position : finding.start],
            f"[removed: {finding.kind}]",
            "\n" * value.count("\n"),
        ]
        position = finding.end
    return "".join([*parts, text[position:]])


_HEAD = 8
_VALUE = re.compile(r"[^\s=:\"'`]{8,}={0,2}\Z")
_ODD = re.compile(r"[\d!@#$%^&*?~]")


def _values(text: str, spans: Iterable[Span]) -> dict[str, tuple[str, str]]:
    """What stands in `spans`, without the name before it, where it cannot be an ordinary word or name.

    Blocks are left out: their lines are no values.
    """
    found: dict[str, tuple[str, str]] = {}
    for start, end, kind, confidence in spans:
        match = _VALUE.search(text, max(start, end - 4000), end)
        if match is None or "\n" in text[start:end] or not _ODD.search(match[0]):
            continue
        if confidence == "high" or not is_name(match[0]):
            found.setdefault(match[0], (kind, confidence))
    return found


def _again(text: str, known: Known) -> list[Span]:
    """Every place of these values. A password that is set in one line is used in another, without a name."""
    heads: dict[str, set[int]] = {}
    for value in known:
        heads.setdefault(value[:_HEAD], set()).add(len(value))
    return [
        (place, place + length, *known[text[place : place + length]])
        for place in [i for i in range(len(text) - _HEAD + 1) if text[i : i + _HEAD] in heads]
        for length in heads[text[place : place + _HEAD]]
        if text[place : place + length] in known
    ]


def _together(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Spans in order, those that overlap in one list: what one rule has not seen of a value another has."""
    group: list[Span] = []
    end = 0
    for span in spans:
        if group and span[0] >= end:
            yield group
            group = []
        group.append(span)
        end = max(end, span[1])
    yield group


_RUN = re.compile(r"(?:[A-Za-z0-9_+/=~%-]|\.(?=[A-Za-z0-9_-]))*+")


def _end_of_run(text: str, end: int, limit: int) -> int:
    """Where what directly continues a value ends: every pattern reads only so much of a long one."""
    match = _RUN.match(text, end - 1, limit)
    return max(end, match.end()) if match else end


def _spans(text: str) -> Iterator[Span]:
    # U+0130 is the one letter that grows when it is lowered; offsets must stay the same.
    lowered = text.lower() if text.isascii() else text.replace("\u0130", "i").lower()
    past: dict[int, int] = {}  # where the last match of a rule ended, and of a name
    named = 0
    for place in _ANCHORS.places(text):
        for anchor, rule in _RULES_AT.get(text[place : place + 3], ()):
            if place < past.get(id(rule), 0) or not text.startswith(anchor, place):
                continue
            span = _by_rule(text, rule, place)
            if span:
                past[id(rule)] = span[1]
                yield span
        if place >= named:
            for name in _NAMES_AT.get(lowered[place : place + 3], ()):
                if lowered.startswith(name, place):
                    for span in after_name(text, lowered, place, name):
                        yield span
                        named = span[1]
                    break
        if text.startswith(_URL, place):
            inside = in_url(text, place)
            if inside:
                yield inside


def _by_rule(text: str, rule: Rule, place: int) -> Span | None:
    for back in range(rule.back[1], rule.back[0] - 1, -1):
        match = rule.pattern.match(text, place - back) if back <= place else None
        if match is None:
            continue
        start, end = match.span("value" if "value" in rule.pattern.groupindex else 0)
        if rule.kind in _BLOCKS:
            end = _BLOCKS[rule.kind](text, end)
        elif rule.kind == "curl-password" and "curl" not in text[max(0, place - 400) : place]:
            return None
        if rule.random and not is_random(text[start:end]):
            return None
        if rule.shown or not _is_placeholder(text[start:end], rule):
            return start, end, rule.kind, rule.confidence
        return None
    return None


# Lines of base64 and what stands between them in code, settings and quotations; then a short last one.
_KEY_BODY = re.compile(
    r"\d{0,3}+(?:(?:\\[nr]|[\s\"'`,;>#*|])*+[A-Za-z0-9+/=]{16,}+)*+(?:(?:\\[nr]|[\s\"'`,;>#*|])*+[A-Za-z0-9+/=]{1,15})?"
)
_INDENTED = re.compile(r"(?:[ \t][^\n]*+(?:\n|$))*+")


def _end_of_key(text: str, position: int) -> int:
    end = text.find("-----END ", position, position + 20_000)
    if end < 0:
        return _end_of_body(text, position)
    close = text.find("-----", end + 9, end + 80)
    return close + 5 if close >= 0 else end


def _end_of_body(text: str, position: int) -> int:
    run = _KEY_BODY.match(text, position)
    return run.end() if run else position


def _end_of_entries(text: str, position: int) -> int:
    """The entries go on as far as lines are indented, whatever they hold."""
    if text[position - 1] != "\n":
        return position
    run = _INDENTED.match(text, position)
    return run.end() if run else position


_BLOCKS = {"private-key": _end_of_key, "putty-key": _end_of_body, "kubernetes-secret": _end_of_entries}


_FILLED = re.compile(r"(?i)x{5}|\.{3}|your[-_]|\*{3}")


def _is_placeholder(value: str, rule: Rule) -> bool:
    if rule.kind == "json-web-token":
        return is_sample_token(value)
    if "EXAMPLE" in value or any(s in value for s in SEQUENCES) or published(value):
        return True
    tail = value[-24:]
    return len(set(tail)) < min(7, len(tail) // 2) or _FILLED.search(value) is not None

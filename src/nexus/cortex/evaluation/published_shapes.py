"""Samples of the credentials that a published list of rules describes (a TOML file in gitleaks' format).

The list is given by path and nothing of it is kept here. A rule that reads "name, sign, value" is written
as people write settings: the name it asks for, an ordinary ending, an ordinary assignment; any other rule
gives a random string of its pattern. A sample that the rule itself would not report is not used.
"""

from __future__ import annotations

import math
import random
import re
import re._constants as ops  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import string
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ALNUM = string.ascii_letters + string.digits
_ENDINGS = ("Token", "_token", "_api_key", "_secret", "ApiKey", "_key", "_access_token", "")
_SETTINGS = (
    '{n}="{v}"', '{n} = "{v}"', "{n}={v}", "{n}: {v}", "{n}: '{v}'", '"{n}": "{v}",', 'const {n} = "{v}";',
    '{n} := "{v}"', "export {n}={v}", '{n}: string = "{v}"', '{n} => "{v}"', "--{n}={v}",
)  # fmt: skip
_PLACES = ("{}", "key: {} ok", 'x = "{}"', "{}\n", "run with {}")
_BEFORE_NAME = "{0,50}?"


@dataclass(frozen=True, slots=True)
class Sample:
    """A line of text, and the part of it that may not stay."""

    text: str
    value: str


def rules(path: Path) -> list[dict[str, Any]]:
    """The rules of a published list that have a pattern, by name."""
    found = tomllib.loads(path.read_text("utf-8"))["rules"]
    return sorted((rule for rule in found if "regex" in rule), key=lambda rule: str(rule["id"]))


def samples(rule: dict[str, Any], count: int) -> list[Sample]:
    """Up to `count` samples, the same in every run; fewer when the pattern cannot be drawn from."""
    source = random.Random(str(rule["id"]))
    text, flags = _python(str(rule["regex"]))
    pattern, tree = re.compile(text, flags), list(parser.parse(text, flags))
    least = float(rule.get("entropy") or 0)
    found: list[Sample] = []
    for _ in range(count * 60):
        if len(found) == count:
            break
        sample = _setting(tree, source) if _BEFORE_NAME in text else _free(tree, source)
        if sample and _entropy(sample.value) >= least and pattern.search(sample.text):
            found.append(sample)
    return found


def _python(text: str) -> tuple[str, int]:
    """A Go pattern as one of Python: flags in front, POSIX classes written out."""
    for name, letters in (
        ("alnum", "A-Za-z0-9"),
        ("xdigit", "0-9A-Fa-f"),
        ("alpha", "A-Za-z"),
        ("digit", "0-9"),
    ):
        text = text.replace(f"[:{name}:]", letters)
    text = text.replace(r"\z", r"\Z").replace(r"[\w.-]{0,50}?(?i:[\w.-]{0,50}?", r"(?i:[\w.-]{0,50}?")
    flags = (re.IGNORECASE if "(?i)" in text else 0) | (re.DOTALL if "(?s)" in text else 0)
    text = text.replace("(?i)", "").replace("(?s)", "")
    return re.sub(r"\(\?([a-z]+)-[a-z]+:", r"(?\1:", text), flags


def _free(tree: Sequence[Any], source: random.Random) -> Sample:
    draw = _Draw(source)
    whole = draw.of(tree)
    return Sample(source.choice(_PLACES).format(whole), draw.first or whole)


def _setting(tree: list[Any], source: random.Random) -> Sample | None:
    if tree[0][0] is ops.BRANCH:
        tree = list(tree[0][1][1][0])
    while tree[0][0] is ops.SUBPATTERN and tree[0][1][0] is None:
        tree = list(tree[0][1][3]) + tree[1:]
    groups = _groups(tree)
    if not groups:
        return None
    name: list[Any] = []
    begun = False
    for part in tree:
        operator, argument = part
        if operator is ops.MIN_REPEAT and not begun:
            begun = True
        elif begun:
            filler = operator is ops.MAX_REPEAT and argument[1] >= 20
            if filler or (operator is ops.SUBPATTERN and "MAX_REPEAT, (0, 20" in repr(argument[3])):
                break
            name.append(part)
    setting = _Draw(source).of(name) + source.choice(_ENDINGS)
    if source.random() < 0.3:
        setting = setting.upper()
    value = _Draw(source).of(groups[-1]).strip("\"'")
    return Sample(source.choice(_SETTINGS).format(n=setting, v=value), value)


def _groups(tree: Sequence[Any]) -> list[Any]:
    """The bodies of all capturing groups, in order."""
    found = []
    for operator, argument in tree:
        if operator is ops.SUBPATTERN:
            found += [argument[3]] if argument[0] else []
            found += _groups(argument[3])
        elif operator is ops.BRANCH:
            found += [group for branch in argument[1] for group in _groups(branch)]
        elif operator in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            found += _groups(argument[2])
    return found


class _Draw:
    """Draws a string of a parsed pattern. `first` is what the first capturing group became."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._repeated = 0
        self.first = ""

    def of(self, tree: Sequence[Any]) -> str:
        return "".join(self._part(operator, argument) for operator, argument in tree)

    def _part(self, operator: Any, argument: Any) -> str:
        if operator is ops.LITERAL:
            return chr(argument)
        if operator is ops.NOT_LITERAL:
            return self._source.choice([c for c in _ALNUM if ord(c) != argument])
        if operator is ops.ANY:  # a dot alone is the dot of a host name that was not escaped
            return self._source.choice(_ALNUM) if self._repeated else "."
        if operator is ops.IN:
            return self._source.choice(_letters(argument))
        if operator is ops.BRANCH:
            return self.of(self._source.choice(argument[1]))
        if operator is ops.SUBPATTERN:
            text = self.of(argument[3])
            if argument[0] == 1 and not self.first:
                self.first = text
            return text
        if operator in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            least, most, body = argument
            most = max(least, min(most, least + (24 if most > 1000 else 200)))
            self._repeated += 1
            text = "".join(self.of(body) for _ in range(self._source.randint(least, most)))
            self._repeated -= 1
            return text
        if operator in (ops.AT, ops.ASSERT, ops.ASSERT_NOT):
            return ""
        raise ValueError(f"a pattern uses {operator}, which cannot be drawn from")


_CATEGORIES = {
    ops.CATEGORY_WORD: _ALNUM + "_",
    ops.CATEGORY_DIGIT: string.digits,
    ops.CATEGORY_SPACE: " ",
    ops.CATEGORY_NOT_SPACE: _ALNUM + "-_",
    ops.CATEGORY_NOT_WORD: " ",
    ops.CATEGORY_NOT_DIGIT: string.ascii_letters,
}


def _letters(items: Sequence[Any]) -> list[str]:
    """What a class of characters allows, printable ASCII."""
    negated, found = False, []
    for operator, argument in items:
        if operator is ops.NEGATE:
            negated = True
        elif operator is ops.LITERAL:
            found.append(chr(argument))
        elif operator is ops.RANGE:
            found += [chr(code) for code in range(argument[0], min(argument[1], 126) + 1)]
        else:
            found += _CATEGORIES[argument]
    if negated:
        found = [c for c in _ALNUM + "-_+/" if c not in found]
    return [c for c in found if c.isprintable()] or found


def _entropy(value: str) -> float:
    """Bits per character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values()) if value else 0.0

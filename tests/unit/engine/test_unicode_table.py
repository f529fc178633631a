"""The tokenizer's table of character classes says what the Unicode database says."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_TABLE = _ROOT / "native" / "engine" / "tokenizer" / "unicode_ranges.cpp"
# What str.isspace() has and the property White_Space has not.
_SEPARATORS = {0x1C, 0x1D, 0x1E, 0x1F}


def _classes() -> dict[int, str]:
    found = {}
    for first, last, kind in re.findall(r"\{0x([0-9A-F]+), 0x([0-9A-F]+), ([LNS])\}", _TABLE.read_text()):
        found.update(dict.fromkeys(range(int(first, 16), int(last, 16) + 1), kind))
    return found


def test_every_character_that_this_python_knows_has_its_class() -> None:
    classes = _classes()
    assert len(classes) > 130_000
    wrong = []
    for point in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(point))
        if category == "Cn":  # assigned, if at all, by a newer version than this Python's
            continue
        expected = category[0] if category[0] in "LN" else ""
        if chr(point).isspace() and point not in _SEPARATORS:
            expected = "S"
        if classes.get(point, "") != expected:
            wrong.append(f"U+{point:04X}")
    assert wrong == []


def test_the_table_names_its_version() -> None:
    script = (_ROOT / "scripts" / "unicode_tables.py").read_text()
    version = re.search(r'^VERSION = "([0-9.]+)"$', script, re.MULTILINE)
    assert version is not None
    assert f"from version {version[1]} of the Unicode database" in _TABLE.read_text()

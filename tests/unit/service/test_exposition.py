"""Prometheus' text format: names, labels and numbers, whatever is put into them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.service.exposition import by_label, counter, gauge, text

SAMPLE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="((?:[^"\\\n]|\\["\\n])*)"\})? (\S+)')


def test_a_page_of_two_families():
    page = text(
        [counter("nexus_x_total", "What.", 3), gauge("nexus_y_seconds", "How long.", 0.5, lane="engine")]
    )
    assert page == (
        "# HELP nexus_x_total What.\n# TYPE nexus_x_total counter\nnexus_x_total 3\n"
        "# HELP nexus_y_seconds How long.\n# TYPE nexus_y_seconds gauge\n"
        'nexus_y_seconds{lane="engine"} 0.5\n'
    )


@pytest.mark.parametrize(
    ("kind", "name"), [(counter, "nexus_x"), (gauge, "nexus_x_total"), (gauge, "nexus x"), (gauge, "Nexus")]
)
def test_a_name_that_misleads_is_refused(kind, name):
    with pytest.raises(ValueError, match="name"):
        kind(name, "", 1)


@given(st.dictionaries(st.text(), st.floats(), max_size=5))
def test_each_sample_is_one_line_and_gives_its_value_back(values):
    page = text([by_label("gauge", "nexus_y", "A\nb\\", "key", values)])
    page.encode()
    head, kind, *lines = page.split("\n")[:-1]
    assert (head, kind) == ("# HELP nexus_y A b/", "# TYPE nexus_y gauge")
    assert len(lines) == len(values)
    for line, (key, value) in zip(lines, values.items(), strict=True):
        found = SAMPLE.fullmatch(line)
        assert found is not None, line
        whole = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), found[3])
        assert whole == key.encode("utf-8", "backslashreplace").decode()
        read = float(found[4])
        assert read == value or (math.isnan(read) and math.isnan(value))

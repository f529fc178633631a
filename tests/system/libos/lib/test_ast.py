"""The guests' ast.literal_eval against CPython's."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Same


def test_literals_and_what_is_none(same: Same) -> None:
    same(r"""
import ast
for text in ("1", " -1", "[1, 2.5, 'x', None, True]", "{'a': [1, (2,)], 'b': {}}", "()", "(1)", "1,", "{1}", "set()",
             "1+2j", "-1-2j", "3j", "0x1f", "1_000", "1e-3", ".5", "b'a\\x00'", "r'\\n'", "'a' \"b\"", "'" * 3 + "x\ny" + "'" * 3, "...",
             "[1, # one\n 2,\n]", "(\n1\n)", "'\\''", "u'é'", "[[[]]]", "{'k': -1}", "+5"):
    print(repr(text), repr(ast.literal_eval(text)))
for text in ("__import__('os')", "a", "1+1", "[x]", "f'{1}'", "1 if 1 else 2", "len", "{**{}}", "'a'+'b'", "-'a'", "2**9", "1 < 2",
             "(lambda: 1)()", "[i for i in (1,)]", "'a'.upper()", "[1][0]", "not 1", "- - 1", "", "1 +", "[1", "a b", "'x", "1 2", "x = 1"):
    try:
        print(text, ast.literal_eval(text))
    except (ValueError, SyntaxError) as e:
        print(text, type(e).__name__)
""")


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=6)
    | st.binary(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text("ab'\"\\\n", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_VALUES.map(repr), min_size=1, max_size=30))
def test_reprs_read_back(same: Same, texts: list[str]) -> None:
    same(f"""
import ast
for text in {texts!r}:
    print(ast.literal_eval(text) == eval(text), ast.literal_eval("[" + text + ", 1]") == [eval(text), 1])
""")

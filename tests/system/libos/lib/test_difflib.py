"""The guests' difflib against CPython's."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Same


def test_texts_and_words(same: Same) -> None:
    same(r"""
from difflib import *
a = "one\ntwo\nthree\nfour\n".splitlines(True)
b = "ore\ntree\nemu\nfour\nfive\n".splitlines(True)
print("".join(ndiff(a, b)))
print("".join(unified_diff(a, b, "before", "after", "2020", "2021")))
print("".join(context_diff(a, b, fromfile="x", tofile="y", n=1)))
print(list(unified_diff(a, a)), list(unified_diff([], ["x"], lineterm="")), list(context_diff(["x"], [], lineterm="")))
d = list(ndiff(a, b))
print(list(restore(d, 1)) == a, list(restore(d, 2)) == b)
s = SequenceMatcher(lambda c: c == " ", "private Thread currentThread;", "private volatile Thread currentThread;")
print(round(s.ratio(), 3), s.get_matching_blocks(), s.get_opcodes())
print(s.quick_ratio(), s.real_quick_ratio(), s.find_longest_match(), s.find_longest_match(3, 9, 2, 8))
print(get_close_matches("appel", ["ape", "apple", "peach", "puppy"]), get_close_matches("wheel", ["while", "for"], 1, 0.3))
for bad in (lambda: get_close_matches("a", ["b"], 0), lambda: get_close_matches("a", [], cutoff=2),
            lambda: list(restore([], 3)), lambda: list(unified_diff([1], []))):
    try:
        print(bad())
    except (ValueError, TypeError) as e:
        print(type(e).__name__, e)
long = [str(n % 7) for n in range(300)]
s = SequenceMatcher(None, long, long[5:])
print(s.ratio(), len(s.get_opcodes()), sorted(s.bpopular))
print(SequenceMatcher(None, long, long[5:], autojunk=False).ratio())
print(list(diff_bytes(unified_diff, [b"a\xff\n"], [b"b\n"], b"x", b"y")))
print(list(ndiff(["\tab  c\n", "x\n"], ["\tab c\n", "yy\n"])), IS_LINE_JUNK(" # \n"), IS_CHARACTER_JUNK("x"))
""")


_LINES = st.lists(st.text(st.sampled_from("abc \n"), max_size=5), max_size=8)

_CODE = """
from difflib import *
for a, b in CASES:
    print(list(ndiff(a, b)), list(unified_diff(a, b, n=1)), SequenceMatcher(None, a, b).get_opcodes())
    print(list(context_diff(a, b)), SequenceMatcher(None, "".join(a), "".join(b)).ratio())
    print(get_close_matches("abc", a + b))
"""


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(_LINES, _LINES), min_size=1, max_size=25))
def test_lines_drawn_at_random(same: Same, cases: list[tuple[list[str], list[str]]]) -> None:
    same(_CODE.replace("CASES", repr(cases)))

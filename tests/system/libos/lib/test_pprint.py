def test_containers_and_text(same):
    same("""
from pprint import pprint, pformat, pp, PrettyPrinter
data = {
    "name": "x" * 30, "list": list(range(40)), "nested": {"b": [1, 2], "a": ("t",), "deep": {"k" * 20: "v" * 40, "z": [{"q": 1}] * 5}}}
pprint(data)
pprint(data, width=40, compact=True)
pprint(data, indent=4, depth=2)
pprint(data, sort_dicts=False)
pp({"b": 1, "a": 2})
pprint([]); pprint("short"); pprint(("one",)); pprint(set("abcdefgh"), width=10); pprint(frozenset(range(9)), width=16)
pprint("the quick brown fox jumps over the lazy dog " * 4)
pprint(["the quick brown fox jumps over the lazy dog " * 3, "line one\\nline two\\n" * 4], width=50)
pprint({"key": "the quick brown fox jumps over the lazy dog " * 3}, width=50)
pprint([[1, 2], [3, [4, [5]]]], depth=2)
print(pformat([("a" * 20, "b" * 20, "c" * 20, "d" * 20)]), PrettyPrinter(width=20).pformat([1000000] * 4))
pprint(tuple(["x" * 50] * 2)); pprint((("x" * 90),)); pprint({1: {}, 2: [], 3: ()}); pprint(None)
""")

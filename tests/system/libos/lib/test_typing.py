def test_named_tuple_classes(same):
    same("""
from typing import NamedTuple
class P(NamedTuple):
    x: int
    y: int = 0
    def total(self): return self.x + self.y
    @property
    def twice(self): return self.x * 2
    @staticmethod
    def origin(): return P(0, 0)
p = P(1)
print(p, p.x, p[1], p.total(), p.twice, p == (1, 0), p._replace(y=9), p._asdict(), P._fields, P.origin(), P._make([4, 5]))
a, b = P(x=3, y=4)
print(a, b, isinstance(p, tuple), len(p), list(p), {p: 1}[(1, 0)], sorted([P(2), P(1, 5)]), P._field_defaults)
print(isinstance(p, P), type(p).__name__)
try: P()
except TypeError as error: print(error)
try: p.x = 3
except AttributeError as error: print(error)
Q = NamedTuple("Q", [("a", int), ("b", str)])
print(Q(1, "x"), Q(b=2, a=1).a)
""")

"""The guests' functools against CPython's."""

from __future__ import annotations

from .conftest import Same


def test_caches(same: Same) -> None:
    same("""
from functools import cache, cached_property, lru_cache

@lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

print(fib(80), fib.cache_info())

@lru_cache(maxsize=2)
def f(x, k=0):
    print("call", x, k)
    return x

for n in (1, 2, 1, 3, 2):
    f(n)
f(2, k=1)
print(f.cache_info())
f.cache_clear()
print(f.cache_info())

@cache
def g(*values):
    print("once", values)
    return sum(values)

print(g(1, 2), g(1, 2), g())

class A:
    def __init__(self):
        self.n = 0

    @cached_property
    def v(self):
        self.n += 1
        return self.n

    @lru_cache
    def m(self, x):
        print("m", x)
        return x * 2

a = A()
print(a.v, a.v, a.n, a.m(4), a.m(4), A().m(4))
""")


def test_orders_and_dispatch(same: Same) -> None:
    same("""
from functools import cmp_to_key, partial, reduce, singledispatch, total_ordering, wraps

print(reduce(lambda a, b: a + b, [1, 2, 3], 10), sorted([3, 1, 2], key=cmp_to_key(lambda a, b: b - a)))

@total_ordering
class V:
    def __init__(self, x):
        self.x = x

    def __eq__(self, o):
        return self.x == o.x

    def __lt__(self, o):
        return self.x < o.x

print(V(1) <= V(2), V(1) >= V(2), V(1) > V(2), V(2) >= V(2), sorted([V(3), V(1)])[0].x)

@singledispatch
def g(x):
    return "obj"

@g.register(int)
def _(x):
    return "int"

@g.register(list)
def _(x):
    return "list"

print(g(1), g([1]), g("a"), g(True), g(None))
p = partial(lambda a, b, c=0: (a, b, c), 1, c=5)
print(p(2), p(2, c=3), p.args, p.keywords)
try:
    reduce(lambda a, b: a, [])
except TypeError as e:
    print(e)

def deco(fn):
    @wraps(fn)
    def w(*values):
        print("before", len(values))
        return fn(*values)
    return w

@deco
def hello(x):
    return x + 5

print(hello(1))
""")

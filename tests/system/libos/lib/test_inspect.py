"""What the guests have of inspect, numbers, timeit and platform."""

from __future__ import annotations

from nexus.unikernel.images import Image
from nexus.unikernel.sandbox import Sandbox

from .conftest import Same


def test_kinds_of_things(same: Same) -> None:
    same("""
import inspect, sys
class A:
    '''First.

        indented
    last
    '''
    def m(self): pass
    @property
    def p(self): pass
class B(A): pass
class C(A): pass
class D(B, C): x = 1
def f(): pass
def g(): yield
things = [A, A(), A().m, A.m, f, g, len, [].append, sys, 5, "x"]
for test in (inspect.isclass, inspect.isfunction, inspect.ismethod, inspect.isbuiltin, inspect.isroutine, inspect.ismodule,
             inspect.isgeneratorfunction, inspect.isgenerator):
    print([test(thing) for thing in things])
made = g()
print(inspect.isgenerator(made), inspect.isawaitable(5), inspect.getdoc(A), [c.__name__ for c in inspect.getmro(D)], inspect.getmro(int))
print([n for n, _ in inspect.getmembers(D, inspect.isfunction)], inspect.cleandoc("a\\n    b\\n      c\\n\\n"))
async def co(): pass
print(inspect.iscoroutinefunction(co), inspect.iscoroutinefunction(f), inspect.isdatadescriptor(A.__dict__["p"]))
""")


def test_numbers(same: Same) -> None:
    same("""
import decimal, fractions
import numbers
from numbers import Integral, Number, Rational, Real
for x in (1, True, 1.5, 2j, "1", None, fractions.Fraction(1, 2), decimal.Decimal(1)):
    print(x, isinstance(x, Number), isinstance(x, numbers.Complex), isinstance(x, Real), isinstance(x, Rational), isinstance(x, Integral))
print(issubclass(int, Number), issubclass(str, Number), hasattr(numbers, "nope"))
""")


def test_timeit(same: Same) -> None:
    same("""
import timeit
calls = []
took = timeit.timeit(lambda: calls.append(1), number=7)
print(len(calls), took >= 0, isinstance(took, float))
print([t >= 0 for t in timeit.repeat("x + y", "x = 1; y = 2", repeat=3, number=10)])
names = {"seen": []}
timeit.Timer("seen.append(2)\\nseen.append(3)", globals=names).timeit(2)
print(names["seen"], timeit.default_timer() <= timeit.default_timer())
for bad in (5, None):
    try:
        timeit.timeit(bad)
    except ValueError as e:
        print(e)
ticks = iter(range(100))
print(timeit.Timer("pass", timer=lambda: next(ticks)).timeit(5), timeit.Timer(lambda: None, timer=lambda: next(ticks)).repeat(2, 3))
""")


def test_platform_tells_of_the_guest(python_image: Image) -> None:
    code = (
        "import platform as p\nprint(p.python_implementation(), p.system(), p.machine(), p.python_version())"
    )
    assert Sandbox(image=python_image).run(code).stdout.decode() == "MicroPython NexusOS x86_64 3.11.0\n"

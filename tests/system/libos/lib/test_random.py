"""random: for equal seeds CPython's sequences, to the last digit."""

from __future__ import annotations

from .conftest import Same

_DRAWN = """
from random import *
"""


def test_sequences_of_seeds(same: Same) -> None:
    same(
        _DRAWN
        + """
for s in (0, 1, 42, -5, 2**70, 12345678901234567890123, "abc", "", "héllo", b"xy", bytearray(b"q"), 1.5, 3.0,
    True):
    seed(s)
    print(repr(s), random(), randint(1, 100), randint(-10**20, 10**20), choice("abcdef"), uniform(2, 5))
    print(gauss(0, 1), gauss(5, 2), getrandbits(100), getrandbits(7), randrange(0, 100, 7), randrange(10),
        randbytes(5))
    row = list(range(20))
    shuffle(row)
    print(row, sample(range(1000), 5), sample(row, 12), sample(["a", "b"], counts=[3, 2], k=3),
        sample("hello", 3))
    print(choices("abc", k=5), choices("abc", weights=[1, 2, 7], k=6), choices([1, 2], cum_weights=[0.5,
        1.0], k=4))
"""
    )


def test_distributions(same: Same) -> None:
    same(
        _DRAWN
        + """
for s in range(20):
    seed(s)
    print(triangular(0, 10, 3), normalvariate(1, 2), expovariate(0.5), betavariate(1, 3), gammavariate(2, 1))
    print(gammavariate(0.5, 1), lognormvariate(0, 1), paretovariate(3), weibullvariate(1, 1.5),
        vonmisesvariate(0, 4))
"""
    )


def test_many_numbers_and_states(same: Same) -> None:
    same(
        _DRAWN
        + """
r = Random(7)
drawn = [r.random() for _ in range(1300)]
print(drawn[-3:], sum(drawn))
state = r.getstate()
following = r.random()
r.setstate(state)
print(following == r.random(), state[0], state[1][-1], state[1][:3], Random(7).random() == drawn[0])
r.seed("v1", version=1)
print(r.random())
secret = SystemRandom()
print(0 <= secret.random() < 1, 1 <= secret.randint(1, 6) <= 6)

class Fixed(Random):
    def random(self):
        return 0.25

print(Fixed(1).uniform(0, 8), Fixed(1).choices([1, 2, 3, 4], k=2), isinstance(Fixed(), Random))
"""
    )


def test_errors(same: Same) -> None:
    same(
        _DRAWN
        + """
seed(9)
for code in ('choice([])', 'randint(5, 1)', 'randrange(0)', 'randrange(5, 5)', 'randrange(1, 10, 0)',
    'sample([1], 2)',
             'sample({1, 2}, 1)', 'choices([1, 2], [1])', 'choices([1, 2], [0, 0])', 'sample([1, 2], -1)',
             'choices([1], weights=[1], cum_weights=[1])', 'seed([1])', 'getrandbits(-1)', 'getrandbits(0)'):
    try:
        print(eval(code))
    except Exception as e:
        print(code, type(e).__name__, e)
"""
    )

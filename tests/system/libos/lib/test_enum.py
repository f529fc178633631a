def test_members_aliases_and_lookup(same):
    same("""
from enum import Enum, IntEnum, StrEnum, Flag, IntFlag, auto, unique
class Color(Enum):
    RED = 1
    GREEN = 2
    BLUE = auto()
    CRIMSON = 1
    def shout(self): return self.name.lower() + "!"
    @property
    def double(self): return self.value * 2
    @classmethod
    def first(cls): return cls.RED
print(Color.RED, repr(Color.RED), list(Color), len(Color), Color["RED"], Color(2), Color.CRIMSON is Color.RED)
print(Color.RED.shout(), Color.BLUE.double, Color.first(), Color.RED == 1, Color.RED != Color.BLUE, Color.RED.name)
print(list(Color.__members__), {Color.RED: 1}[Color.RED], isinstance(Color.RED, Color), Color(Color.RED), f"{Color.RED}")
for bad in (9, "x"):
    try: Color(bad)
    except ValueError as error: print(error)
try: Color["PINK"]
except KeyError as error: print(error.args)
class Planet(Enum):
    EARTH = (5.0, 6.0)
    MARS = (1.0, 2.0)
    def __init__(self, mass, radius):
        self.mass, self.radius = mass, radius
    @property
    def both(self): return self.mass + self.radius
print(Planet.EARTH.both, Planet.MARS.value, Planet((1.0, 2.0)), repr(Planet.MARS))
class Any(Enum):
    A = 1
    @classmethod
    def _missing_(cls, value): return cls.A if value == "a" else None
print(Any("a"))
try: unique(Color)
except ValueError as error: print(str(error).split(": ")[1])
""")


def test_enums_of_int_and_str(same):
    same("""
from enum import Enum, IntEnum, StrEnum, auto
import json
class P(IntEnum):
    LOW = 1
    HIGH = 5
print(P.LOW, repr(P.HIGH), P.LOW + 1, 2 + P.LOW, P.LOW < P.HIGH, P.HIGH > 3, P.LOW == 1, json.dumps([P.HIGH]), sorted([P.HIGH, P.LOW]))
print(f"{P.LOW}", "%d" % P.HIGH, max(P), int(P.HIGH), [1, 2][P.LOW], {1: "x"}[P.LOW], P(5), sum(P), P.HIGH * 2, 10 // P.HIGH)
class S(StrEnum):
    A = auto()
    B = "bee"
print(S.A, repr(S.B), S.A == "a", S.B.upper(), S("bee"), f"{S.A}", S.A.value, len(S.B))
class M(str, Enum):
    X = "x"
print(M.X, repr(M.X), M.X == "x", M("x"), M.X.value, M.X + "y")
""")


def test_flags(same):
    same("""
from enum import Flag, IntFlag, auto
class F(Flag):
    R = auto()
    W = auto()
    X = auto()
    RW = 3
print(F.R | F.W, repr(F.R | F.X), F.R in F.RW, F.X in F.RW, list(F.RW), list(F), F(0), repr(F(0)), ~F.R, bool(F.R & F.W), F.RW & F.W, F.R ^ F.RW)
print(F(5), F.R | F.X == F(5), F.RW.name, F.RW.value, len(F.RW), (F.R | F.X).value)
class I(IntFlag):
    A = 1
    B = 2
try: F(99)
except ValueError as error: print(error)
print(I.A | I.B, repr(I.A | I.B), I.A | 2, I.A & 1, repr(I(7)), I.A + 1, (I.A | I.B) == 3, I.A in I(3))
""")

"""Number, Complex, Real, Rational, Integral: what isinstance is asked of numbers.

Each is a tuple of the types that belong to it: the built-in ones, and Fraction and Decimal where their
modules are already imported. So none of them can be a base class, and issubclass(int, Number) works as in
CPython.
"""

import sys

_KINDS = {
    "Number": (int, float, complex),
    "Complex": (int, float, complex),
    "Real": (int, float),
    "Rational": (int,),
    "Integral": (int,),
}


def __getattr__(name):
    if name not in _KINDS:
        raise AttributeError(f"module 'numbers' has no attribute {name!r}")
    kinds = _KINDS[name]
    if name != "Integral" and "fractions" in sys.modules:
        kinds += (sys.modules["fractions"].Fraction,)
    if name == "Number" and "decimal" in sys.modules:
        kinds += (sys.modules["decimal"].Decimal,)
    return kinds

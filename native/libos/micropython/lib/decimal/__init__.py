"""Decimal numbers by the General Decimal Arithmetic, as CPython's: Decimal, Context, getcontext, setcontext,
localcontext, the roundings ROUND_* and the signals.

Lacks: the logical operations (logical_and, rotate, shift), next_minus, next_plus, next_toward, logb and
remainder_near. DivisionByZero is a ZeroDivisionError but no DecimalException. Comparisons with a number on the
left (1 < Decimal(2)) need the interpreter's help.
"""

from ._context import (
    ROUND_05UP,
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    BasicContext,
    Clamped,
    Context,
    ConversionSyntax,
    DecimalException,
    DefaultContext,
    DivisionByZero,
    DivisionImpossible,
    DivisionUndefined,
    ExtendedContext,
    FloatOperation,
    Inexact,
    InvalidContext,
    InvalidOperation,
    Overflow,
    Rounded,
    Subnormal,
    Underflow,
    getcontext,
    localcontext,
    setcontext,
)
from ._number import Decimal, DecimalTuple

MAX_PREC = MAX_EMAX = 999999999999999999
MIN_EMIN, MIN_ETINY = -999999999999999999, -1999999999999999997
HAVE_THREADS = HAVE_CONTEXTVAR = True

"""Contexts: precision, rounding, bounds of exponents, and what signals do."""

from ._signals import (
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUNDINGS,
    Clamped,
    ConversionSyntax,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    SignalDict,
    Subnormal,
    Underflow,
    given,
)

_MAX = 999999999999999999
_SHOWN = (
    Clamped,
    InvalidOperation,
    DivisionByZero,
    Inexact,
    FloatOperation,
    Overflow,
    Rounded,
    Subnormal,
    Underflow,
)


class Context:
    __module__ = "decimal"

    def __init__(
        self,
        prec=None,
        rounding=None,
        Emin=None,
        Emax=None,
        capitals=None,
        clamp=None,
        flags=None,
        traps=None,
    ):
        base = DefaultContext
        self.prec = base.prec if prec is None else prec
        self.rounding = base.rounding if rounding is None else rounding
        self.Emin = base.Emin if Emin is None else Emin
        self.Emax = base.Emax if Emax is None else Emax
        self.capitals = base.capitals if capitals is None else capitals
        self.clamp = base.clamp if clamp is None else clamp
        self.flags = given([] if flags is None else flags)
        self.traps = given(base.traps if traps is None else traps)

    def __setattr__(self, name, value):
        if name == "rounding":
            if value not in ROUNDINGS:
                raise TypeError(
                    "valid values for rounding are:\n  [ROUND_CEILING, ROUND_FLOOR, ROUND_UP, ROUND_DOWN,\n"
                    "   ROUND_HALF_UP, ROUND_HALF_DOWN, ROUND_HALF_EVEN,\n   ROUND_05UP]"
                )
        elif name in ("prec", "Emin", "Emax", "capitals", "clamp"):
            if not isinstance(value, int):
                raise TypeError("an integer is required")
            if not -0x8000000000000000 <= value < 0x8000000000000000:
                raise OverflowError("Python int too large to convert to C ssize_t")
            if name == "prec" and not 1 <= value <= _MAX:
                raise ValueError("valid range for prec is [1, MAX_PREC]")
            if name == "Emin" and not -_MAX <= value <= 0:
                raise ValueError("valid range for Emin is [MIN_EMIN, 0]")
            if name == "Emax" and not 0 <= value <= _MAX:
                raise ValueError("valid range for Emax is [0, MAX_EMAX]")
            if name in ("capitals", "clamp") and value not in (0, 1):
                raise ValueError("valid values for " + name + " are 0 or 1")
        elif name in ("flags", "traps"):
            if not isinstance(value, (dict, SignalDict)):
                raise TypeError("argument must be a signal dict")
            value = SignalDict(given(value))
        else:
            raise AttributeError("'decimal.Context' object has no attribute '%s'" % name)
        object.__setattr__(self, name, value)

    def _signal(self, condition, detail=None):
        kind = InvalidOperation if issubclass(condition, InvalidOperation) else condition
        self.flags.held[kind] = True
        if self.traps.held[kind]:
            raise kind([detail or condition])

    def __repr__(self):
        names = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
        parts = ["%s=%s" % (name, getattr(self, name)) for name in names]
        for name, held in (("flags", self.flags), ("traps", self.traps)):
            parts.append("%s=[%s]" % (name, ", ".join([one.__name__ for one in _SHOWN if held[one]])))
        return "Context(" + ", ".join(parts) + ")"

    def copy(self):
        return Context(
            self.prec,
            self.rounding,
            self.Emin,
            self.Emax,
            self.capitals,
            self.clamp,
            self.flags,
            self.traps,
        )

    __copy__ = copy

    def clear_flags(self):
        self.flags = given([])

    def clear_traps(self):
        self.traps = given([])

    def Etiny(self):
        return self.Emin - self.prec + 1

    def Etop(self):
        return self.Emax - self.prec + 1

    def create_decimal(self, num="0"):
        from ._number import Decimal

        if isinstance(num, str) and (num != num.strip() or "_" in num):
            self._signal(InvalidOperation, ConversionSyntax)
            return Decimal("NaN")
        return Decimal(num, self)._finished(self)

    def create_decimal_from_float(self, f):
        from ._number import Decimal

        return Decimal.from_float(f)._finished(self)

    def divmod(self, a, b):
        return _needed(a).__divmod__(_needed(b), self)

    def power(self, a, b, modulo=None):
        return _needed(a).__pow__(_needed(b), modulo if modulo is None else _needed(modulo), self)

    def quantize(self, a, b):
        return _needed(a).quantize(b, None, self)

    def to_integral_value(self, a):
        return _needed(a).to_integral_value(None, self)

    to_integral = to_integral_value

    def to_integral_exact(self, a):
        return _needed(a).to_integral_exact(None, self)

    def to_sci_string(self, a):
        from ._text import plain

        return plain(_needed(a), self.capitals)

    def copy_decimal(self, a):
        return _needed(a)

    def radix(self):
        return _needed(10)


def _needed(value):
    from ._arithmetic import needed

    return needed(value)


def _forward(name):
    return lambda self, a, *more: getattr(_needed(a), name)(*[_needed(b) for b in more], context=self)


def _alone(name):
    return lambda self, a, *more: getattr(_needed(a), name)(*[_needed(b) for b in more])


for _name, _of in (
    ("add", "__add__"),
    ("subtract", "__sub__"),
    ("multiply", "__mul__"),
    ("divide", "__truediv__"),
    ("divide_int", "__floordiv__"),
    ("remainder", "__mod__"),
    ("plus", "__pos__"),
    ("minus", "__neg__"),
    ("abs", "__abs__"),
):
    setattr(Context, _name, _forward(_of))
for _name in (
    "sqrt exp ln log10 logb fma compare compare_signal compare_total compare_total_mag max min "
    "max_mag min_mag "
    "normalize remainder_near same_quantum scaleb next_plus next_minus next_toward is_normal "
    "is_subnormal number_class "
    "to_eng_string shift rotate logical_and logical_or logical_xor logical_invert"
).split():
    setattr(Context, _name, _forward(_name))
for _name in (
    "is_nan is_qnan is_snan is_infinite is_finite is_signed is_zero is_canonical canonical "
    "copy_abs copy_negate copy_sign"
).split():
    setattr(Context, _name, _alone(_name))


class _First:
    """What the first context takes its values from."""

    prec, rounding, Emin, Emax, capitals, clamp = 28, ROUND_HALF_EVEN, -999999, 999999, 1, 0
    traps = [InvalidOperation, DivisionByZero, Overflow]


DefaultContext = _First
DefaultContext = Context()
BasicContext = Context(
    9,
    ROUND_HALF_UP,
    traps=[DivisionByZero, Overflow, InvalidOperation, Clamped, Underflow],
)
ExtendedContext = Context(9, ROUND_HALF_EVEN, traps=[])
_current = None


def getcontext():
    global _current
    if _current is None:
        _current = DefaultContext.copy()
    return _current


def setcontext(context):
    global _current
    if not isinstance(context, Context):
        raise TypeError("argument must be a context")
    if context is DefaultContext or context is BasicContext or context is ExtendedContext:
        context = context.copy()
        context.clear_flags()
    _current = context


class _Local:
    def __init__(self, context):
        self.context = context

    def __enter__(self):
        self.saved = getcontext()
        setcontext(self.context)
        return self.context

    def __exit__(self, kind, value, traceback):
        setcontext(self.saved)


def localcontext(ctx=None, **kwargs):
    if ctx is not None and not isinstance(ctx, Context):
        raise TypeError("optional argument must be a context")
    made = (ctx or getcontext()).copy()
    for name, value in kwargs.items():
        if name not in ("prec", "rounding", "Emin", "Emax", "capitals", "clamp", "flags", "traps"):
            raise TypeError("'%s' is an invalid keyword argument for this function" % name)
        setattr(made, name, given(value) if name in ("flags", "traps") else value)
    return _Local(made)

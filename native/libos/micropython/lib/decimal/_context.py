"""Contexts, roundings and signals."""

ROUND_DOWN, ROUND_HALF_UP, ROUND_HALF_EVEN = "ROUND_DOWN", "ROUND_HALF_UP", "ROUND_HALF_EVEN"
ROUND_CEILING, ROUND_FLOOR, ROUND_UP = "ROUND_CEILING", "ROUND_FLOOR", "ROUND_UP"
ROUND_HALF_DOWN, ROUND_05UP = "ROUND_HALF_DOWN", "ROUND_05UP"
_ROUNDINGS = (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_UP,
    ROUND_DOWN,
    ROUND_HALF_UP,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_05UP,
)
_MAX = 999999999999999999


class DecimalException(ArithmeticError):
    pass


class Clamped(DecimalException):
    pass


class InvalidOperation(DecimalException):
    pass


class ConversionSyntax(InvalidOperation):
    pass


class DivisionImpossible(InvalidOperation):
    pass


class DivisionUndefined(InvalidOperation):
    pass


class InvalidContext(InvalidOperation):
    pass


class DivisionByZero(ZeroDivisionError):
    pass


class Inexact(DecimalException):
    pass


class Rounded(DecimalException):
    pass


class Subnormal(DecimalException):
    pass


class Overflow(Inexact):
    pass


class Underflow(Inexact):
    pass


class FloatOperation(DecimalException):
    pass


_SIGNALS = (
    InvalidOperation,
    FloatOperation,
    DivisionByZero,
    Overflow,
    Subnormal,
    Underflow,
    Rounded,
    Inexact,
    Clamped,
)
_SHOWN = (InvalidOperation, FloatOperation, DivisionByZero, Overflow, Underflow, Subnormal, Inexact, Rounded, Clamped)


def rounded_up(sign, value, rest, unit, way):
    """Whether `value`, from which `rest` of `unit` was cut, goes up; rest > 0."""
    if way == ROUND_HALF_EVEN:
        return rest * 2 > unit or (rest * 2 == unit and value & 1 == 1)
    if way == ROUND_HALF_UP:
        return rest * 2 >= unit
    if way == ROUND_HALF_DOWN:
        return rest * 2 > unit
    if way == ROUND_DOWN:
        return False
    if way == ROUND_UP:
        return True
    if way == ROUND_05UP:
        return value % 5 == 0
    return sign == (1 if way == ROUND_FLOOR else 0)


def _switches(given, before):
    if given is None:
        return dict(before)
    if isinstance(given, dict):
        return given
    return dict([(signal, signal in given) for signal in _SIGNALS])


class Context:
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
        self.flags = _switches([] if flags is None else flags, None)
        self.traps = _switches(traps, None if base is None else base.traps)

    def __setattr__(self, name, value):
        if name == "rounding":
            if value not in _ROUNDINGS:
                raise TypeError(
                    "valid values for rounding are:\n  [ROUND_CEILING, ROUND_FLOOR, ROUND_UP, ROUND_DOWN,\n"
                    "   ROUND_HALF_UP, ROUND_HALF_DOWN, ROUND_HALF_EVEN,\n   ROUND_05UP]"
                )
        elif name in ("prec", "Emin", "Emax", "capitals", "clamp"):
            if not isinstance(value, int):
                raise TypeError("integer argument expected, got " + type(value).__name__)
            if name == "prec" and not 1 <= value <= _MAX:
                raise ValueError("valid range for prec is [1, MAX_PREC]")
            if name == "Emin" and not -_MAX <= value <= 0:
                raise ValueError("valid range for Emin is [MIN_EMIN, 0]")
            if name == "Emax" and not 0 <= value <= _MAX:
                raise ValueError("valid range for Emax is [0, MAX_EMAX]")
            if name in ("capitals", "clamp") and value not in (0, 1):
                raise ValueError("valid values for " + name + " are 0 or 1")
        elif name not in ("flags", "traps"):
            raise AttributeError("'decimal.Context' object has no attribute '%s'" % name)
        object.__setattr__(self, name, value)

    def _signal(self, condition, detail=None):
        kind = InvalidOperation if issubclass(condition, InvalidOperation) else condition
        self.flags[kind] = True
        if self.traps[kind]:
            raise kind("[<class 'decimal.%s'>]" % (detail or condition).__name__)

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
            dict(self.flags),
            dict(self.traps),
        )

    __copy__ = copy

    def clear_flags(self):
        for signal in _SIGNALS:
            self.flags[signal] = False

    def clear_traps(self):
        for signal in _SIGNALS:
            self.traps[signal] = False

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
        return _needed(a).__divmod__(b, self)

    def power(self, a, b, modulo=None):
        return _needed(a).__pow__(b, modulo, self)

    def fma(self, a, b, c):
        return _needed(a).fma(b, c, self)

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


def _needed(value):
    from ._arithmetic import needed

    return needed(value)


def _forward(name):
    return lambda self, a, *more: getattr(_needed(a), name)(*more, context=self)


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
    ("sqrt", None),
    ("exp", None),
    ("ln", None),
    ("log10", None),
    ("compare", None),
    ("compare_signal", None),
    ("compare_total", None),
    ("max", None),
    ("min", None),
    ("max_mag", None),
    ("min_mag", None),
    ("normalize", None),
    ("same_quantum", None),
    ("scaleb", None),
    ("is_normal", None),
    ("is_subnormal", None),
    ("number_class", None),
    ("to_eng_string", None),
):
    setattr(Context, _name, _forward(_of or _name))


class _First:
    """What the first context takes its values from."""

    prec, rounding, Emin, Emax, capitals, clamp = 28, ROUND_HALF_EVEN, -999999, 999999, 1, 0
    traps = dict([(signal, signal in (InvalidOperation, DivisionByZero, Overflow)) for signal in _SIGNALS])


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
        raise TypeError("optional argument must be a context")
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
    made = (ctx or getcontext()).copy()
    for name, value in kwargs.items():
        if name not in ("prec", "rounding", "Emin", "Emax", "capitals", "clamp", "flags", "traps"):
            raise TypeError("'%s' is an invalid keyword argument for this function" % name)
        setattr(made, name, _switches(value, None) if name in ("flags", "traps") else value)
    return _Local(made)

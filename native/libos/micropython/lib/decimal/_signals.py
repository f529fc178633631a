"""Roundings, and the signals: the exceptions of decimal arithmetic, and which of them are set."""

ROUND_DOWN, ROUND_HALF_UP, ROUND_HALF_EVEN = "ROUND_DOWN", "ROUND_HALF_UP", "ROUND_HALF_EVEN"
ROUND_CEILING, ROUND_FLOOR, ROUND_UP = "ROUND_CEILING", "ROUND_FLOOR", "ROUND_UP"
ROUND_HALF_DOWN, ROUND_05UP = "ROUND_HALF_DOWN", "ROUND_05UP"
ROUNDINGS = (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_UP,
    ROUND_DOWN,
    ROUND_HALF_UP,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_05UP,
)


class DecimalException(ArithmeticError):
    __module__ = "decimal"


class Clamped(DecimalException):
    __module__ = "decimal"


class InvalidOperation(DecimalException):
    __module__ = "decimal"


class ConversionSyntax(InvalidOperation):
    __module__ = "decimal"


class DivisionImpossible(InvalidOperation):
    __module__ = "decimal"


class DivisionUndefined(InvalidOperation):
    __module__ = "decimal"


class InvalidContext(InvalidOperation):
    __module__ = "decimal"


class DivisionByZero(DecimalException, ZeroDivisionError):
    __module__ = "decimal"


class Inexact(DecimalException):
    __module__ = "decimal"


class Rounded(DecimalException):
    __module__ = "decimal"


class Subnormal(DecimalException):
    __module__ = "decimal"


class Overflow(Inexact):
    __module__ = "decimal"


class Underflow(Inexact):
    __module__ = "decimal"


class FloatOperation(DecimalException):
    __module__ = "decimal"


SIGNALS = (
    InvalidOperation,
    FloatOperation,
    DivisionByZero,
    Overflow,
    Underflow,
    Subnormal,
    Inexact,
    Rounded,
    Clamped,
)
_BAD_SIGNAL = (
    "valid values for signals are:\n  [InvalidOperation, FloatOperation, DivisionByZero,\n"
    "   Overflow, Underflow, Subnormal, Inexact, Rounded,\n   Clamped]"
)


class SignalDict:
    """Which signals are set: a mapping whose keys are all the signals, for ever."""

    __module__ = "abc"  # as CPython shows it

    def __init__(self, held):
        self.held = held

    def __getitem__(self, signal):
        if signal not in self.held:
            raise KeyError(_BAD_SIGNAL)
        return self.held[signal]

    def __setitem__(self, signal, value):
        if signal not in self.held:
            raise KeyError(_BAD_SIGNAL)
        self.held[signal] = bool(value)

    def __delitem__(self, signal):
        raise ValueError("signal keys cannot be deleted")

    def __contains__(self, signal):
        return signal in self.held

    def __iter__(self):
        return iter(SIGNALS)

    def __len__(self):
        return len(SIGNALS)

    def keys(self):
        return self.held.keys()

    def values(self):
        return self.held.values()

    def items(self):
        return self.held.items()

    def get(self, signal, default=None):
        return self.held.get(signal, default)

    def copy(self):
        return dict(self.held)

    def update(self, more):
        for signal in more:
            self[signal] = more[signal]

    def __eq__(self, other):
        if isinstance(other, SignalDict):
            return self.held == other.held
        return self.held == given(other) if isinstance(other, dict) else NotImplemented

    def __ne__(self, other):
        same = self.__eq__(other)
        return same if same is NotImplemented else not same

    def __repr__(self):
        return "{" + ", ".join(["%r:%r" % (signal, self.held[signal]) for signal in SIGNALS]) + "}"


def given(value):
    """A new dict of all signals, from a list of those that are set or from a mapping of them all."""
    if isinstance(value, SignalDict):
        return dict(value.held)
    if isinstance(value, (list, tuple)):
        for signal in value:
            if signal not in SIGNALS:
                raise TypeError(_BAD_SIGNAL)
        return dict([(signal, signal in value) for signal in SIGNALS])
    if not isinstance(value, dict):
        raise TypeError("argument must be a signal dict")
    if len(value) != len(SIGNALS):
        raise ValueError("invalid signal dict")
    for signal in value:
        if signal not in SIGNALS:
            raise KeyError(_BAD_SIGNAL)
    return dict([(signal, bool(value[signal])) for signal in SIGNALS])


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

"""timedelta: a span of time, kept as one number of microseconds."""

from math import modf

DAY = 86400000000
_LIMIT = 999999999


def nearest(up, down):
    """up / down to the nearest integer, halves to even."""
    if down < 0:
        up, down = -up, -down
    whole, rest = divmod(up, down)
    rest *= 2
    return whole + 1 if rest > down or (rest == down and whole & 1) else whole


class timedelta:
    def __new__(cls, days=0, seconds=0, microseconds=0, milliseconds=0, minutes=0, hours=0, weeks=0):
        if (
            isinstance(days, int)
            and isinstance(seconds, int)
            and isinstance(microseconds, int)
            and isinstance(milliseconds, int)
            and isinstance(minutes, int)
            and isinstance(hours, int)
            and isinstance(weeks, int)
        ):
            seconds += (hours * 60 + minutes) * 60 + (weeks * 7 + days) * 86400
            return _span((seconds * 1000 + milliseconds) * 1000 + microseconds, cls)
        total = 0
        rest = 0.0
        for value, unit, name in (
            (microseconds, 1, "microseconds"),
            (milliseconds, 1000, "milliseconds"),
            (seconds, 1000000, "seconds"),
            (minutes, 60000000, "minutes"),
            (hours, 3600000000, "hours"),
            (days, DAY, "days"),
            (weeks, 7 * DAY, "weeks"),
        ):
            if isinstance(value, int):
                if value:
                    total += value * unit
            elif isinstance(value, float):
                if value != value:
                    raise ValueError("cannot convert float NaN to integer")
                if value - value != 0:
                    raise OverflowError("cannot convert float infinity to integer")
                part, whole = modf(value)
                total += int(whole) * unit
                part, whole = modf(part * unit)
                total += int(whole)
                rest += part
            else:
                raise TypeError(
                    "unsupported type for timedelta %s component: %s" % (name, type(value).__name__)
                )
        if rest:
            whole = round(rest)
            if abs(whole - rest) == 0.5 or abs(rest) == 0.5:
                odd = total & 1
                whole = 2 * round((rest + odd) * 0.5) - odd
            total += int(whole)
        return _span(total, cls)

    @property
    def days(self):
        return self._us // DAY

    @property
    def seconds(self):
        return self._us % DAY // 1000000

    @property
    def microseconds(self):
        return self._us % 1000000

    def total_seconds(self):
        return self._us / 1000000

    def __repr__(self):
        parts = []
        if self.days:
            parts.append("days=%d" % self.days)
        if self.seconds:
            parts.append("seconds=%d" % self.seconds)
        if self.microseconds:
            parts.append("microseconds=%d" % self.microseconds)
        name = type(self).__name__
        return ("datetime." if type(self) is timedelta else "") + "%s(%s)" % (name, ", ".join(parts) or "0")

    def __str__(self):
        days, rest = divmod(self._us, DAY)
        seconds, micros = divmod(rest, 1000000)
        text = "%d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)
        if days:
            text = "%d day%s, %s" % (days, "" if -1 <= days <= 1 else "s", text)
        return text + ".%06d" % micros if micros else text

    def __add__(self, other):
        return _span(self._us + other._us) if isinstance(other, timedelta) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other):
        return _span(self._us - other._us) if isinstance(other, timedelta) else NotImplemented

    def __rsub__(self, other):
        return _span(other._us - self._us) if isinstance(other, timedelta) else NotImplemented

    def __neg__(self):
        return _span(-self._us)

    def __pos__(self):
        return _span(self._us)

    def __abs__(self):
        return _span(abs(self._us))

    def __mul__(self, other):
        if isinstance(other, int):
            return _span(self._us * other)
        if isinstance(other, float):
            up, down = other.as_integer_ratio()
            return _span(nearest(self._us * up, down))
        return NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other):
        if isinstance(other, timedelta):
            if not other._us:
                raise ZeroDivisionError("division by zero")
            return self._us / other._us
        if not isinstance(other, (int, float)):
            return NotImplemented
        up, down = other.as_integer_ratio()
        if not up:
            raise ZeroDivisionError("integer division or modulo by zero")
        return _span(nearest(self._us * down, up))

    def __floordiv__(self, other):
        if isinstance(other, timedelta):
            return _parts(self, other)[0]
        if isinstance(other, int):
            if not other:
                raise ZeroDivisionError("integer division or modulo by zero")
            return _span(self._us // other)
        return NotImplemented

    def __mod__(self, other):
        if not isinstance(other, timedelta):
            return NotImplemented
        if not other._us:
            raise ZeroDivisionError("integer modulo by zero")
        return _span(self._us % other._us)

    def __divmod__(self, other):
        if not isinstance(other, timedelta):
            return NotImplemented
        whole, rest = _parts(self, other)
        return whole, _span(rest)

    def __eq__(self, other):
        return self._us == other._us if isinstance(other, timedelta) else NotImplemented

    def __ne__(self, other):
        return self._us != other._us if isinstance(other, timedelta) else NotImplemented

    def __lt__(self, other):
        return self._us < other._us if isinstance(other, timedelta) else NotImplemented

    def __le__(self, other):
        return self._us <= other._us if isinstance(other, timedelta) else NotImplemented

    def __gt__(self, other):
        return self._us > other._us if isinstance(other, timedelta) else NotImplemented

    def __ge__(self, other):
        return self._us >= other._us if isinstance(other, timedelta) else NotImplemented

    def __bool__(self):
        return self._us != 0

    def __hash__(self):
        return hash(self._us)


def _parts(span, by):
    if not by._us:
        raise ZeroDivisionError("integer division or modulo by zero")
    return divmod(span._us, by._us)


def _span(micros, cls=timedelta):
    """The timedelta of so many microseconds."""
    if not -4000000000000000000 < micros < 4000000000000000000 and not -_LIMIT <= micros // DAY <= _LIMIT:
        if not -2147483648 <= micros // DAY <= 2147483647:
            raise OverflowError("Python int too large to convert to C int")
        raise OverflowError("days=%d; must have magnitude <= %d" % (micros // DAY, _LIMIT))
    self = object.__new__(cls)
    self._us = micros
    return self


span = _span
timedelta.min = _span(-_LIMIT * DAY)
timedelta.max = _span((_LIMIT + 1) * DAY - 1)
timedelta.resolution = _span(1)

"""date, and what numbers of days are in years and months."""

from _time_text import DAYS, MONTHS, day_of_year, days_to, iso, iso_start, leap

from ._spans import DAY, span, timedelta

MINYEAR = 1
MAXYEAR = 9999
LAST = 3652059  # the ordinal of 9999-12-31
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def whole(value):
    if isinstance(value, int):
        return value
    index = getattr(value, "__index__", None)
    if index is None:
        raise TypeError("'%s' object cannot be interpreted as an integer" % type(value).__name__)
    return index()


def check_date(year, month, day):
    if not (isinstance(year, int) and isinstance(month, int) and isinstance(day, int)):
        year, month, day = whole(year), whole(month), whole(day)
    if not 1 <= year <= 9999:
        raise ValueError("year %d is out of range" % year)
    if not 1 <= month <= 12:
        raise ValueError("month must be in 1..12")
    if day < 1 or (day > 28 and day > _LENGTHS[month] and not (month == 2 and day == 29 and leap(year))):
        raise ValueError("day is out of range for month")
    return year, month, day


def of_ordinal(ordinal):
    """Year, month and day: counted from 0000-03-01, so that a leap day is the last of its year."""
    if not 1 <= ordinal <= LAST:
        raise OverflowError("date value out of range")
    days = ordinal + 305
    era, days = divmod(days, 146097)
    year = (days - days // 1460 + days // 36524 - days // 146096) // 365
    days -= 365 * year + year // 4 - year // 100
    part = (5 * days + 2) // 153
    day = days - (153 * part + 2) // 5 + 1
    month = part + 3 if part < 10 else part - 9
    return year + era * 400 + (month < 3), month, day


class IsoCalendarDate(tuple):
    @property
    def year(self):
        return self[0]

    @property
    def week(self):
        return self[1]

    @property
    def weekday(self):
        return self[2]

    def __repr__(self):
        return "datetime.IsoCalendarDate(year=%d, week=%d, weekday=%d)" % (self[0], self[1], self[2])

    __str__ = __repr__


def _key(value):
    return (value._year * 12 + value._month) * 31 + value._day


def _same_kind(self, other):
    """Whether `other` is a date to compare with; a datetime is not."""
    if not isinstance(other, date):
        return False
    if hasattr(other, "_hour") != hasattr(self, "_hour"):
        raise TypeError("can't compare datetime.datetime to datetime.date")
    return True


class date:
    def __new__(cls, year, month=None, day=None):
        if month is None or day is None:
            name, place = ("month", 2) if month is None else ("day", 3)
            raise TypeError("function missing required argument '%s' (pos %d)" % (name, place))
        self = object.__new__(cls)
        self._year, self._month, self._day = check_date(year, month, day)
        return self

    @property
    def year(self):
        return self._year

    @property
    def month(self):
        return self._month

    @property
    def day(self):
        return self._day

    @classmethod
    def today(cls):
        from _host import now_ns

        return cls.fromordinal(719163 + now_ns() // 86400000000000)

    @classmethod
    def fromtimestamp(cls, timestamp):
        from ._iso import split_seconds

        days = split_seconds(timestamp)[0] // 86400
        if not -719162 <= days <= LAST - 719163:
            from ._iso import year_of

            raise ValueError("year %d is out of range" % year_of(days))
        return cls.fromordinal(719163 + days)

    @classmethod
    def fromordinal(cls, ordinal):
        if ordinal < 1:
            raise ValueError("ordinal must be >= 1")
        if ordinal > LAST:
            from ._iso import year_of

            raise ValueError("year %d is out of range" % year_of(ordinal - 719163))
        return cls(*of_ordinal(ordinal))

    @classmethod
    def fromisoformat(cls, date_string):
        from ._iso import read_date

        if not isinstance(date_string, str):
            raise TypeError("fromisoformat: argument must be str")
        if len(date_string) not in (7, 8, 10):
            raise ValueError("Invalid isoformat string: %r" % (date_string,))
        return cls(*read_date(date_string, date_string))

    @classmethod
    def fromisocalendar(cls, year, week, day):
        if not 1 <= year <= 9999:
            raise ValueError("Year is out of range: %d" % year)
        start = iso_start(year)
        if not 1 <= week <= 53 or (week == 53 and iso_start(year + 1) == start + 364):
            raise ValueError("Invalid week: %d" % week)
        if not 1 <= day <= 7:
            raise ValueError("Invalid day: %d (range is [1, 7])" % day)
        ordinal = start + (week - 1) * 7 + day - 1
        if not 1 <= ordinal <= LAST:
            raise ValueError("year %d is out of range" % (0 if ordinal < 1 else 10000))
        return cls.fromordinal(ordinal)

    def __repr__(self):
        own = "datetime.date" if type(self) is date else type(self).__name__
        return "%s(%d, %d, %d)" % (own, self._year, self._month, self._day)

    def isoformat(self):
        return "%04d-%02d-%02d" % (self._year, self._month, self._day)

    def __str__(self):
        return self.isoformat()

    def ctime(self):
        return "%s %s %2d 00:00:00 %04d" % (
            DAYS[self.weekday()][:3],
            MONTHS[self._month - 1][:3],
            self._day,
            self._year,
        )

    def strftime(self, format):
        from _time_text import formatted

        fields = (self._year, self._month, self._day, 0, 0, 0, self.weekday(), self._yday())
        return formatted(format, fields, 0)

    def __format__(self, spec):
        if not isinstance(spec, str):
            raise TypeError("must be str, not " + type(spec).__name__)
        return self.strftime(spec) if spec else str(self)

    def _yday(self):
        return day_of_year(self._year, self._month, self._day)

    def timetuple(self):
        from ._iso import struct

        return struct(self, (0, 0, 0), -1)

    def toordinal(self):
        return days_to(self._year, self._month, self._day)

    def weekday(self):
        return (days_to(self._year, self._month, self._day) + 6) % 7

    def isoweekday(self):
        return self.weekday() + 1

    def isocalendar(self):
        return IsoCalendarDate(iso(self._year, self.toordinal()))

    def replace(self, year=None, month=None, day=None):
        return type(self)(
            self._year if year is None else year,
            self._month if month is None else month,
            self._day if day is None else day,
        )

    def __add__(self, other):
        if not isinstance(other, timedelta):
            return NotImplemented
        return type(self)(*of_ordinal(self.toordinal() + other._us // DAY))

    __radd__ = __add__

    def __sub__(self, other):
        if isinstance(other, timedelta):
            return type(self)(*of_ordinal(self.toordinal() - other._us // DAY))
        if isinstance(other, date) and not hasattr(other, "_hour"):
            return span((self.toordinal() - other.toordinal()) * DAY)
        return NotImplemented

    def __eq__(self, other):
        if not isinstance(other, date) or hasattr(other, "_hour"):
            return NotImplemented
        return _key(self) == _key(other)

    def __ne__(self, other):
        if not isinstance(other, date) or hasattr(other, "_hour"):
            return NotImplemented
        return _key(self) != _key(other)

    def __lt__(self, other):
        return _key(self) < _key(other) if _same_kind(self, other) else NotImplemented

    def __le__(self, other):
        return _key(self) <= _key(other) if _same_kind(self, other) else NotImplemented

    def __gt__(self, other):
        return _key(self) > _key(other) if _same_kind(self, other) else NotImplemented

    def __ge__(self, other):
        return _key(self) >= _key(other) if _same_kind(self, other) else NotImplemented

    def __hash__(self):
        return hash(_key(self))


date.min = date(1, 1, 1)
date.max = date(9999, 12, 31)
date.resolution = span(DAY)

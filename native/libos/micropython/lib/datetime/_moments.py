"""datetime: a date with a time of day. Without tzinfo it is taken as UTC where a zone is needed."""

from _time_text import DAYS, MONTHS, days_to, offset_text

from ._dates import LAST, check_date, date, of_ordinal
from ._spans import DAY, span, timedelta
from ._times import check_time, clock_repr, clock_text, time
from ._zones import check_zone, name_of, offset_of, timezone

_EPOCH = 719163 * DAY


def _of_micros(micros, zone=None, cls=None, fold=0):
    """The datetime so many microseconds after the day before 0001-01-01."""
    ordinal, rest = divmod(micros, DAY)
    year, month, day = of_ordinal(ordinal)
    rest, micro = divmod(rest, 1000000)
    minutes, second = divmod(rest, 60)
    if cls is None or cls is datetime:
        self = object.__new__(datetime)
        self._year, self._month, self._day = year, month, day
        self._hour, self._minute = divmod(minutes, 60)
        self._second, self._micro, self._zone, self._fold = second, micro, zone, fold
        return self
    return cls(year, month, day, minutes // 60, minutes % 60, second, micro, zone)


class datetime(date):
    def __new__(
        cls, year, month=None, day=None, hour=0, minute=0, second=0, microsecond=0, tzinfo=None, *, fold=0
    ):
        if month is None or day is None:
            name, place = ("month", 2) if month is None else ("day", 3)
            raise TypeError("function missing required argument '%s' (pos %d)" % (name, place))
        self = object.__new__(cls)
        self._year, self._month, self._day = check_date(year, month, day)
        parts = check_time(hour, minute, second, microsecond, fold)
        self._hour, self._minute, self._second, self._micro = parts
        check_zone(tzinfo)
        self._zone = tzinfo
        self._fold = fold
        return self

    @property
    def hour(self):
        return self._hour

    @property
    def minute(self):
        return self._minute

    @property
    def second(self):
        return self._second

    @property
    def microsecond(self):
        return self._micro

    @property
    def tzinfo(self):
        return self._zone

    @property
    def fold(self):
        return self._fold

    @classmethod
    def now(cls, tz=None):
        from _host import now_ns

        check_zone(tz)
        micros = _EPOCH + now_ns() // 1000
        if tz is None:
            return _of_micros(micros, None, cls)
        return tz.fromutc(_of_micros(micros, tz, cls))

    @classmethod
    def today(cls):
        return cls.now()

    @classmethod
    def utcnow(cls):
        return cls.now()

    @classmethod
    def fromtimestamp(cls, timestamp, tz=None):
        from ._iso import split_seconds, year_of

        check_zone(tz)
        seconds, micros = split_seconds(timestamp)
        if not 1 <= 719163 + seconds // 86400 <= LAST:
            raise ValueError("year %d is out of range" % year_of(seconds // 86400))
        micros = _EPOCH + seconds * 1000000 + micros
        if tz is None:
            return _of_micros(micros, None, cls)
        return tz.fromutc(_of_micros(micros, tz, cls))

    @classmethod
    def utcfromtimestamp(cls, timestamp):
        return cls.fromtimestamp(timestamp)

    @classmethod
    def fromordinal(cls, ordinal):
        day = date.fromordinal(ordinal)
        return cls(day._year, day._month, day._day)

    @classmethod
    def fromisocalendar(cls, year, week, day):
        day = date.fromisocalendar(year, week, day)
        return cls(day._year, day._month, day._day)

    @classmethod
    def fromisoformat(cls, date_string):
        from ._iso import read_date, read_time, split_date

        if not isinstance(date_string, str):
            raise TypeError("fromisoformat: argument must be str")
        at = split_date(date_string)
        parts = read_date(date_string[:at], date_string)
        if len(date_string) > at:
            parts += read_time(date_string[at + 1 :], date_string)
        return cls(*parts)

    @classmethod
    def strptime(cls, date_string, format):
        from _time_read import parsed

        got = parsed(date_string, format)
        zone = None
        if got[9] is not None:
            zone = timezone(span(got[9]), got[10]) if got[10] else timezone(span(got[9]))
        return cls(*got[:6], got[8], zone)

    @classmethod
    def combine(cls, date_, time_, tzinfo=True):
        if not isinstance(date_, date):
            raise TypeError("combine() argument 1 must be datetime.date, not " + type(date_).__name__)
        if not isinstance(time_, time):
            raise TypeError("combine() argument 2 must be datetime.time, not " + type(time_).__name__)
        return cls(
            date_._year,
            date_._month,
            date_._day,
            time_._hour,
            time_._minute,
            time_._second,
            time_._micro,
            time_._zone if tzinfo is True else tzinfo,
            fold=time_._fold,
        )

    def _micros(self):
        clock = ((self._hour * 60 + self._minute) * 60 + self._second) * 1000000 + self._micro
        return days_to(self._year, self._month, self._day) * DAY + clock

    def _offset(self):
        return offset_of(self._zone, self)

    def date(self):
        return date(self._year, self._month, self._day)

    def time(self):
        return time(self._hour, self._minute, self._second, self._micro, fold=self._fold)

    def timetz(self):
        return time(self._hour, self._minute, self._second, self._micro, self._zone, fold=self._fold)

    def timestamp(self):
        return (self._micros() - (self._offset() or 0) - _EPOCH) / 1000000

    def timetuple(self):
        from ._iso import struct

        saving = self.dst()
        flag = -1 if saving is None else 1 if saving else 0
        return struct(self, (self._hour, self._minute, self._second), flag)

    def utctimetuple(self):
        from ._iso import struct

        moment = self
        offset = self._offset()
        if offset:
            moment = _of_micros(self._micros() - offset)
        return struct(moment, (moment._hour, moment._minute, moment._second), 0)

    def utcoffset(self):
        offset = self._offset()
        return None if offset is None else span(offset)

    def dst(self):
        offset = offset_of(self._zone, self, "dst")
        return None if offset is None else span(offset)

    def tzname(self):
        return name_of(self._zone, self)

    def astimezone(self, tz=None):
        check_zone(tz)
        if tz is None:
            tz = timezone(timedelta(0), "UTC")
        if tz is self._zone:
            return self
        utc = _of_micros(self._micros() - (self._offset() or 0), tz, type(self))
        return tz.fromutc(utc)

    def isoformat(self, sep="T", timespec="auto"):
        if not isinstance(sep, str) or len(sep) != 1:
            raise TypeError("isoformat() argument 1 must be a unicode character, not " + type(sep).__name__)
        text = "%04d-%02d-%02d%s" % (self._year, self._month, self._day, sep)
        text += clock_text(self._hour, self._minute, self._second, self._micro, timespec)
        offset = self._offset()
        return text if offset is None else text + offset_text(offset)

    def __str__(self):
        return self.isoformat(" ")

    def __repr__(self):
        own = "datetime.datetime" if type(self) is datetime else type(self).__name__
        parts = (self._year, self._month, self._day, self._hour, self._minute)
        return own + "(" + clock_repr(self, parts)

    def ctime(self):
        day = DAYS[self.weekday()][:3] + " " + MONTHS[self._month - 1][:3]
        clock = (self._day, self._hour, self._minute, self._second, self._year)
        return day + " %2d %02d:%02d:%02d %04d" % clock

    def strftime(self, format):
        from _time_text import formatted

        clock = (self._hour, self._minute, self._second, self.weekday(), self._yday())
        fields = (self._year, self._month, self._day) + clock
        return formatted(format, fields, self._micro, self._offset(), self.tzname() or "")

    def replace(
        self,
        year=None,
        month=None,
        day=None,
        hour=None,
        minute=None,
        second=None,
        microsecond=None,
        tzinfo=True,
        *,
        fold=None,
    ):
        return type(self)(
            self._year if year is None else year,
            self._month if month is None else month,
            self._day if day is None else day,
            self._hour if hour is None else hour,
            self._minute if minute is None else minute,
            self._second if second is None else second,
            self._micro if microsecond is None else microsecond,
            self._zone if tzinfo is True else tzinfo,
            fold=self._fold if fold is None else fold,
        )

    def __add__(self, other):
        if not isinstance(other, timedelta):
            return NotImplemented
        return _of_micros(self._micros() + other._us, self._zone, type(self))

    __radd__ = __add__

    def __sub__(self, other):
        if isinstance(other, timedelta):
            return _of_micros(self._micros() - other._us, self._zone, type(self))
        if not isinstance(other, datetime):
            return NotImplemented
        if self._zone is other._zone:
            return span(self._micros() - other._micros())
        mine, its = self._offset(), other._offset()
        if (mine is None) != (its is None):
            raise TypeError("can't subtract offset-naive and offset-aware datetimes")
        return span(self._micros() - (mine or 0) - other._micros() + (its or 0))

    def _order(self, other, equality=False):
        """Negative, zero or positive, as self is before, at or after other; None: not comparable."""
        if not isinstance(other, datetime):
            if isinstance(other, date) and not equality:
                raise TypeError("can't compare datetime.datetime to datetime.date")
            return None
        if self._zone is other._zone:
            return self._micros() - other._micros()
        mine, its = self._offset(), other._offset()
        if equality and (self._offset_varies(mine) or other._offset_varies(its)):
            return 2
        if mine == its:
            return self._micros() - other._micros()
        if mine is None or its is None:
            if equality:
                return 2
            raise TypeError("can't compare offset-naive and offset-aware datetimes")
        return self._micros() - mine - other._micros() + its

    def _offset_varies(self, offset):
        """Whether fold decides the offset: such a moment equals none of another zone."""
        if self._zone is None or isinstance(self._zone, timezone):
            return False
        return self.replace(fold=not self._fold)._offset() != offset

    def __eq__(self, other):
        order = self._order(other, True)
        return NotImplemented if order is None else order == 0

    def __ne__(self, other):
        order = self._order(other, True)
        return NotImplemented if order is None else order != 0

    def __lt__(self, other):
        order = self._order(other)
        return NotImplemented if order is None else order < 0

    def __le__(self, other):
        order = self._order(other)
        return NotImplemented if order is None else order <= 0

    def __gt__(self, other):
        order = self._order(other)
        return NotImplemented if order is None else order > 0

    def __ge__(self, other):
        order = self._order(other)
        return NotImplemented if order is None else order >= 0

    def __hash__(self):
        moment = self.replace(fold=0) if self._fold else self
        return hash(self._micros() - (moment._offset() or 0))


datetime.min = datetime(1, 1, 1)
datetime.max = datetime(9999, 12, 31, 23, 59, 59, 999999)
datetime.resolution = span(1)

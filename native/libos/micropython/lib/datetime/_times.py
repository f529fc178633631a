"""time: a time of day."""

from ._dates import whole
from ._spans import span
from ._zones import check_zone, name_of, offset_of


def check_time(hour, minute, second, microsecond, fold):
    if not (isinstance(hour, int) and isinstance(minute, int) and isinstance(second, int)):
        hour, minute, second = whole(hour), whole(minute), whole(second)
    microsecond = whole(microsecond)
    if not 0 <= hour <= 23:
        raise ValueError("hour must be in 0..23")
    if not 0 <= minute <= 59:
        raise ValueError("minute must be in 0..59")
    if not 0 <= second <= 59:
        raise ValueError("second must be in 0..59")
    if not 0 <= microsecond <= 999999:
        raise ValueError("microsecond must be in 0..999999")
    if fold not in (0, 1):
        raise ValueError("fold must be either 0 or 1")
    return hour, minute, second, microsecond


def clock_text(hour, minute, second, micros, timespec):
    """HH:MM:SS[.ffffff], or what `timespec` asks for."""
    if timespec == "auto":
        timespec = "microseconds" if micros else "seconds"
    if timespec == "seconds":
        return "%02d:%02d:%02d" % (hour, minute, second)
    if timespec == "microseconds":
        return "%02d:%02d:%02d.%06d" % (hour, minute, second, micros)
    if timespec == "milliseconds":
        return "%02d:%02d:%02d.%03d" % (hour, minute, second, micros // 1000)
    if timespec == "minutes":
        return "%02d:%02d" % (hour, minute)
    if timespec == "hours":
        return "%02d" % hour
    raise ValueError("Unknown timespec value")


def clock_repr(value, parts):
    """The end of a repr: zero seconds and microseconds are left out."""
    if value._micro:
        parts = parts + (value._second, value._micro)
    elif value._second:
        parts = parts + (value._second,)
    text = ", ".join([str(part) for part in parts])
    if value._zone is not None:
        text += ", tzinfo=%r" % (value._zone,)
    if value._fold:
        text += ", fold=1"
    return text + ")"


class time:
    def __new__(cls, hour=0, minute=0, second=0, microsecond=0, tzinfo=None, *, fold=0):
        self = object.__new__(cls)
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
    def fromisoformat(cls, time_string):
        from ._iso import read_time

        if not isinstance(time_string, str):
            raise TypeError("fromisoformat: argument must be str")
        text = time_string[1:] if time_string[:1] == "T" else time_string
        return cls(*read_time(text, time_string))

    def _offset(self):
        return offset_of(self._zone, None)

    def utcoffset(self):
        offset = self._offset()
        return None if offset is None else span(offset)

    def dst(self):
        offset = offset_of(self._zone, None, "dst")
        return None if offset is None else span(offset)

    def tzname(self):
        return name_of(self._zone, None)

    def isoformat(self, timespec="auto"):
        text = clock_text(self._hour, self._minute, self._second, self._micro, timespec)
        offset = self._offset()
        if offset is None:
            return text
        from _time_text import offset_text

        return text + offset_text(offset)

    def __str__(self):
        return self.isoformat()

    def __repr__(self):
        own = "datetime.time" if type(self) is time else type(self).__name__
        return own + "(" + clock_repr(self, (self._hour, self._minute))

    def strftime(self, format):
        from _time_text import formatted

        fields = (1900, 1, 1, self._hour, self._minute, self._second, 0, 1)
        return formatted(format, fields, self._micro, self._offset(), self.tzname() or "")

    def __format__(self, spec):
        if not isinstance(spec, str):
            raise TypeError("must be str, not " + type(spec).__name__)
        return self.strftime(spec) if spec else str(self)

    def replace(self, hour=None, minute=None, second=None, microsecond=None, tzinfo=True, *, fold=None):
        return type(self)(
            self._hour if hour is None else hour,
            self._minute if minute is None else minute,
            self._second if second is None else second,
            self._micro if microsecond is None else microsecond,
            self._zone if tzinfo is True else tzinfo,
            fold=self._fold if fold is None else fold,
        )

    def _key(self):
        return ((self._hour * 60 + self._minute) * 60 + self._second) * 1000000 + self._micro

    def _order(self, other, equality=False):
        """Negative, zero or positive, as self is before, at or after other; None: not comparable."""
        if not isinstance(other, time):
            return None
        if self._zone is other._zone:
            return self._key() - other._key()
        mine, its = self._offset(), other._offset()
        if mine == its:
            return self._key() - other._key()
        if mine is None or its is None:
            if equality:
                return 2
            raise TypeError("can't compare offset-naive and offset-aware times")
        return self._key() - mine - other._key() + its

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
        return hash(self._key() - (self._offset() or 0))


time.min = time(0, 0, 0)
time.max = time(23, 59, 59, 999999)
time.resolution = span(1)

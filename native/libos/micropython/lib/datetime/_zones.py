"""tzinfo and timezone."""

from _time_text import offset_text

from ._spans import DAY, span, timedelta


def offset_of(zone, moment, method="utcoffset"):
    """What `zone` says for `moment`: microseconds, or None."""
    if zone is None:
        return None
    offset = getattr(zone, method)(moment)
    if offset is None:
        return None
    if not isinstance(offset, timedelta):
        raise TypeError(
            "tzinfo.%s() must return None or a timedelta, not '%s'" % (method, type(offset).__name__)
        )
    if not -DAY < offset._us < DAY:
        raise ValueError(
            "offset must be a timedelta strictly between -timedelta(hours=24) and timedelta(hours=24)."
        )
    return offset._us


def name_of(zone, moment):
    if zone is None:
        return None
    name = zone.tzname(moment)
    if name is not None and not isinstance(name, str):
        raise TypeError("tzinfo.tzname() must return None or a string, not '%s'" % type(name).__name__)
    return name


def check_zone(zone):
    if zone is not None and not isinstance(zone, tzinfo):
        raise TypeError(
            "tzinfo argument must be None or of a tzinfo subclass, not type '%s'" % type(zone).__name__
        )


class tzinfo:
    def tzname(self, dt):
        raise NotImplementedError("a tzinfo subclass must implement tzname()")

    def utcoffset(self, dt):
        raise NotImplementedError("a tzinfo subclass must implement utcoffset()")

    def dst(self, dt):
        raise NotImplementedError("a tzinfo subclass must implement dst()")

    def fromutc(self, dt):
        _check_moment("fromutc", dt)
        if dt.tzinfo is not self:
            raise ValueError("fromutc: dt.tzinfo is not self")
        offset = dt.utcoffset()
        if offset is None:
            raise ValueError("fromutc: non-None utcoffset() result required")
        saving = dt.dst()
        if saving is None:
            raise ValueError("fromutc: non-None dst() result required")
        standard = offset - saving
        if standard:
            dt += standard
            saving = dt.dst()
            if saving is None:
                raise ValueError("fromutc: tz.dst() gave inconsistent results; cannot convert")
        return dt + saving


def _check_moment(name, dt):
    if not hasattr(dt, "fold") or not hasattr(dt, "day"):
        if name == "fromutc":
            raise TypeError("fromutc: argument must be a datetime")
        raise TypeError(name + "(dt) argument must be a datetime instance or None, not " + type(dt).__name__)


class timezone(tzinfo):
    def __new__(cls, offset, name=None):
        if not isinstance(offset, timedelta):
            raise TypeError("timezone() argument 1 must be datetime.timedelta, not " + type(offset).__name__)
        if name is not None and not isinstance(name, str):
            raise TypeError("timezone() argument 2 must be str, not " + type(name).__name__)
        if not offset._us and name is None and timezone.utc is not None:
            return timezone.utc
        if not -DAY < offset._us < DAY:
            raise ValueError(
                "offset must be a timedelta strictly between -timedelta(hours=24) and "
                "timedelta(hours=24), not " + repr(offset) + "."
            )
        self = object.__new__(cls)
        self._offset = offset
        self._name = name
        return self

    def utcoffset(self, dt):
        if dt is not None:
            _check_moment("utcoffset", dt)
        return self._offset

    def tzname(self, dt):
        if dt is not None:
            _check_moment("tzname", dt)
        if self._name is not None:
            return self._name
        return "UTC" + offset_text(self._offset._us) if self._offset._us else "UTC"

    def dst(self, dt):
        if dt is not None:
            _check_moment("dst", dt)
        return None

    def fromutc(self, dt):
        _check_moment("fromutc", dt)
        if dt.tzinfo is not self:
            raise ValueError("fromutc: dt.tzinfo is not self")
        return dt + self._offset

    def __eq__(self, other):
        return self._offset == other._offset if isinstance(other, timezone) else NotImplemented

    def __hash__(self):
        return hash(self._offset)

    def __repr__(self):
        if self is timezone.utc:
            return "datetime.timezone.utc"
        if self._name is None:
            return "datetime.timezone(%r)" % (self._offset,)
        return "datetime.timezone(%r, %r)" % (self._offset, self._name)

    def __str__(self):
        return self.tzname(None)

    def __getinitargs__(self):
        return (self._offset,) if self._name is None else (self._offset, self._name)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


timezone.utc = None
timezone.utc = timezone(span(0))
timezone.min = timezone(span(-DAY + 60000000))
timezone.max = timezone(span(DAY - 60000000))

"""What is needed now and then: reading ISO 8601, numbers of seconds, struct_time."""

from math import modf

from _time_text import iso_start

from ._dates import of_ordinal
from ._spans import span
from ._zones import timezone


def _invalid(whole):
    return ValueError("Invalid isoformat string: %r" % (whole,))


def _number(text, whole):
    for char in text:
        if not "0" <= char <= "9":
            raise _invalid(whole)
    if not text:
        raise _invalid(whole)
    return int(text)


def split_date(text):
    """Where the date part of `text` ends."""
    size = len(text)
    if size < 7:
        raise _invalid(text)
    if size == 7:
        return 7
    if text[4] == "-":
        if text[5] != "W":
            return 10
        if size > 8 and text[8] == "-":
            if size == 9:
                raise _invalid(text)
            return 8 if size > 10 and "0" <= text[10] <= "9" else 10
        return 8
    if text[4] != "W":
        return 8
    at = 7
    while at < size and "0" <= text[at] <= "9":
        at += 1
    return at if at < 9 else 7 if at % 2 == 0 else 8


def read_date(text, whole):
    """(year, month, day) of YYYY-MM-DD, YYYYMMDD, YYYY-Www[-D] or YYYYWww[D]."""
    year = _number(text[:4], whole)
    at = 5 if text[4:5] == "-" else 4
    dashes = at == 5
    if text[at : at + 1] == "W":
        week = _number(text[at + 1 : at + 3], whole)
        if len(text[at + 1 : at + 3]) != 2:
            raise _invalid(whole)
        rest, day = text[at + 3 :], 1
        if rest:
            if (rest[0] == "-") != dashes or len(rest) != 1 + dashes:
                raise _invalid(whole)
            day = _number(rest[dashes:], whole)
        if not 1 <= year <= 9999:
            raise _invalid(whole)
        start = iso_start(year)
        if not 1 <= week <= 53 or (week == 53 and iso_start(year + 1) == start + 364) or not 1 <= day <= 7:
            raise _invalid(whole)
        return of_ordinal(start + (week - 1) * 7 + day - 1)
    month = text[at : at + 2]
    if len(text) != (10 if dashes else 8) or (dashes and text[7] != "-"):
        raise _invalid(whole)
    return year, _number(month, whole), _number(text[at + 2 + dashes :], whole)


def _clock(text, whole):
    """Hour, minute, second and microsecond of HH[[:]MM[[:]SS[(.|,)f...]]]."""
    parts, at, size = [0, 0, 0, 0], 0, len(text)
    colons = False
    for i in range(3):
        if size - at < 2:
            raise _invalid(whole)
        parts[i] = _number(text[at : at + 2], whole)
        at += 2
        if i == 0:
            colons = text[at : at + 1] == ":"
        if at >= size or i == 2:
            break
        if text[at] in ".,":
            break
        if colons:
            if text[at] != ":":
                raise _invalid(whole)
            at += 1
    if at < size:
        if text[at] not in ".," or at + 1 == size:
            raise _invalid(whole)
        part = text[at + 1 :]
        _number(part, whole)
        parts[3] = int((part + "00000")[:6])
    return parts


def read_time(text, whole):
    """(hour, minute, second, microsecond, zone)."""
    if len(text) < 2:
        raise _invalid(whole)
    at = max(text.find("-"), text.find("+"), text.find("Z"))
    for sign in "-+Z":
        if text.find(sign) >= 0:
            at = min(at, text.find(sign))
    if at < 0:
        return tuple(_clock(text, whole)) + (None,)
    parts = tuple(_clock(text[:at], whole))
    if text[at] == "Z":
        if at + 1 != len(text):
            raise _invalid(whole)
        return parts + (timezone.utc,)
    zone = text[at + 1 :]
    if len(zone) in (0, 1, 3):
        raise _invalid(whole)
    hour, minute, second, micro = _clock(zone, whole)
    micros = ((hour * 60 + minute) * 60 + second) * 1000000 + micro
    return parts + (timezone(span(-micros if text[at] == "-" else micros)),)


def split_seconds(value):
    """Whole seconds and microseconds of a timestamp, halves to even."""
    if isinstance(value, int):
        return value, 0
    if not isinstance(value, float):
        raise TypeError("'%s' object cannot be interpreted as an integer" % type(value).__name__)
    if value != value:
        raise ValueError("Invalid value NaN (not a number)")
    if value - value != 0 or abs(value) > 9.2e18:
        raise OverflowError("timestamp out of range for platform time_t")
    part, seconds = modf(value)
    micros = int(round(part * 1e6))
    seconds = int(seconds)
    return (seconds + micros // 1000000, micros % 1000000)


def year_of(days):
    """The year so many days after 1970-01-01, however far."""
    days += 719468
    era, days = divmod(days, 146097)
    year = (days - days // 1460 + days // 36524 - days // 146096) // 365
    day = days - (365 * year + year // 4 - year // 100)
    return year + era * 400 + (day >= 306)


def struct(moment, clock, saving):
    from time import struct_time

    day = (moment._year, moment._month, moment._day)
    return struct_time(day + clock + (moment.weekday(), moment._yday(), saving))

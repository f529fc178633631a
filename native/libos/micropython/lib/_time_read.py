"""Dates and times from text, for the strptime of time and datetime: `parsed`.

Invariant: text is read as CPython's regular expressions would, longest first and with steps back where the
rest does not fit.
"""

from _time_text import DAYS, MONTHS, day_of_year, days_to, iso_start, leap

# What each directive of strptime reads: the largest number of digits and the range.
_NUMBERS = {"d": (2, 1, 31), "H": (2, 0, 23), "I": (2, 1, 12), "j": (3, 1, 366), "m": (2, 1, 12)}
_NUMBERS.update({"M": (2, 0, 59), "S": (2, 0, 61), "U": (2, 0, 53), "W": (2, 0, 53), "V": (2, 1, 53)})
_NUMBERS.update({"w": (1, 0, 6), "u": (1, 1, 7)})
_NAMES = {"A": DAYS, "a": [d[:3] for d in DAYS], "B": MONTHS, "b": [m[:3] for m in MONTHS], "p": ("AM", "PM")}
_ZONES = ("utc", "gmt")
_READ = {"c": "%a %b %d %H:%M:%S %Y", "x": "%m/%d/%y", "X": "%H:%M:%S"}


def _digits(text, at, least, most):
    end = at
    while end < len(text) and end - at < most and "0" <= text[end] <= "9":
        end += 1
    return range(end, at + least - 1, -1)


def _offsets(text, at):
    """Ends and values (microseconds) of an offset that starts at `at`: Z or +HH[:]MM[[:]SS[.ffffff]]."""
    if text[at : at + 1] == "Z":
        return [(at + 1, 0)]
    if text[at : at + 1] not in ("+", "-") or len(_digits(text, at + 1, 2, 2)) != 1:
        return []
    total = int(text[at + 1 : at + 3]) * 3600
    place = at + 3
    colon = text[place : place + 1] == ":"
    place += colon
    if not (len(_digits(text, place, 2, 2)) == 1 and text[place] < "6"):
        return []
    total += int(text[place : place + 2]) * 60
    place += 2
    sign = -1000000 if text[at] == "-" else 1000000
    found = [(place, total * sign)]
    more = place + (text[place : place + 1] == ":")
    if more > place and not colon:
        return found
    if len(_digits(text, more, 2, 2)) == 1 and text[more] < "6":
        if colon and more == place:
            raise ValueError("Inconsistent use of : in " + text[at : more + 2])
        total += int(text[more : more + 2])
        place = more + 2
        found.insert(0, (place, total * sign))
        if text[place : place + 1] == "." and len(_digits(text, place + 1, 1, 6)):
            end = _digits(text, place + 1, 1, 6)[0]
            part = int((text[place + 1 : end] + "00000")[:6])
            found.insert(0, (end, total * sign + (part if sign > 0 else -part)))
    return found


def _choices(code, text, at):
    """(end, value) in the order in which they are tried."""
    if code in _NUMBERS:
        most, low, high = _NUMBERS[code]
        found = []
        if code == "d" and text[at : at + 1] == " ":
            return [(at + 2, int(text[at + 1]))] if "1" <= text[at + 1 : at + 2] <= "9" else []
        for end in _digits(text, at, 1, most):
            value = int(text[at:end])
            if low <= value <= high:
                found.append((end, value))
        return found
    if code == "Y" or code == "G":
        return [(end, int(text[at:end])) for end in _digits(text, at, 4, 4)]
    if code == "y":
        return [(end, int(text[at:end])) for end in _digits(text, at, 2, 2)]
    if code == "f":
        return [(end, int((text[at:end] + "00000")[:6])) for end in _digits(text, at, 1, 6)]
    if code in _NAMES:
        found = []
        for i, name in enumerate(_NAMES[code]):
            if text[at : at + len(name)].lower() == name.lower():
                found.append((at + len(name), i))
        return found
    if code == "z":
        return _offsets(text, at)
    return [(at + 3, i) for i, zone in enumerate(_ZONES) if text[at : at + 3].lower() == zone]


def _match(form, place, text, at, got):
    """The place in `text` where `form` from `place` on ends, or -1. `got`: directive -> value."""
    while place < len(form):
        char = form[place]
        if char.isspace():
            while place < len(form) and form[place].isspace():
                place += 1
            start = at
            while at < len(text) and text[at].isspace():
                at += 1
            if at == start:
                return -1
            while at > start:  # the regular expression \s+ gives back what the rest needs
                end = _match(form, place, text, at, got)
                if end >= 0:
                    return end
                at -= 1
            return -1
        if char != "%":
            if at >= len(text) or text[at].lower() != char.lower():
                return -1
            place += 1
            at += 1
            continue
        code = form[place + 1]
        place += 2
        if code == "%":
            if text[at : at + 1] != "%":
                return -1
            at += 1
            continue
        for end, value in _choices(code, text, at):
            got[code] = value
            if code == "Z":
                got["zone"] = text[at:end]
            last = _match(form, place, text, end, got)
            if last >= 0:
                got[code] = value
                if code == "Z":
                    got["zone"] = text[at:end]
                return last
        return -1
    return at


def _checked(form):
    whole, parts = form, form.split("%")
    out, i, seen = [parts[0]], 1, ""
    while i < len(parts):
        part = parts[i]
        i += 1
        if not part:
            if i >= len(parts):
                raise ValueError("stray %% in format '%s'" % whole)
            out += ["%%", parts[i]]
            i += 1
            continue
        code = part[0]
        if code not in _NUMBERS and code not in _NAMES and code not in "YGyfzZcxX":
            raise ValueError("'%s' is a bad directive in format '%s'" % (code, whole))
        expanded = _READ.get(code, "%" + code)
        for one in expanded.split("%")[1:]:
            if one[0] in seen:
                raise ValueError("redefinition of group name '%s'" % one[0])
            seen += one[0]
        out += [expanded, part[1:]]
    return "".join(out)


def parsed(text, form):
    """Year, month, day, hour, minute, second, weekday, day of year, microseconds, offset (microseconds) or
    None, name of the zone or None."""
    for i, what in enumerate((text, form)):
        if not isinstance(what, str):
            raise TypeError("strptime() argument %d must be str, not %s" % (i, type(what).__name__))
    got = {}
    end = _match(_checked(form), 0, text, 0, got)
    if end < 0:
        raise ValueError("time data %r does not match format %r" % (text, form))
    if end != len(text):
        raise ValueError("unconverted data remains: " + text[end:])
    year = got.get("Y")
    if year is None and "y" in got:
        year = got["y"] + (2000 if got["y"] <= 68 else 1900)
    iso_year, week = got.get("G"), got.get("V")
    month = got.get("m")
    if month is None:
        month = got["B"] + 1 if "B" in got else got["b"] + 1 if "b" in got else 1
    day, hour = got.get("d", 1), got.get("H", 0)
    if "I" in got:
        hour = got["I"] % 12 + (12 if got.get("p") == 1 else 0)
    weekday = got["A"] if "A" in got else got.get("a")
    if "w" in got:
        weekday = (got["w"] - 1) % 7
    elif "u" in got:
        weekday = got["u"] - 1
    yday = got.get("j")
    if iso_year is not None:
        if week is None or weekday is None:
            raise ValueError(
                "ISO year directive '%G' must be used with the ISO week directive '%V' and a "
                "weekday directive ('%A', '%a', '%w', or '%u')."
            )
        if yday is not None:
            raise ValueError(
                "Day of the year directive '%j' is not compatible with ISO year directive '%G'. "
                "Use '%Y' instead."
            )
    elif week is not None:
        if year is None or weekday is None:
            raise ValueError(
                "ISO week directive '%V' must be used with the ISO year directive '%G' and a "
                "weekday directive ('%A', '%a', '%w', or '%u')."
            )
        raise ValueError(
            "ISO week directive '%V' is incompatible with the year directive '%Y'. "
            "Use the ISO year '%G' instead."
        )
    unknown = year is None and iso_year is None
    if unknown:
        year = 1904 if month == 2 and day == 29 else 1900
    if yday is None and weekday is not None:
        if "U" in got or "W" in got:
            sunday = "U" in got
            first = (days_to(year, 1, 1) + 6) % 7
            shift, target = (1, (weekday + 1) % 7) if sunday else (0, weekday)
            first = (first + shift) % 7
            number = got["U"] if sunday else got["W"]
            to_week_one = (7 - first) % 7
            yday = 1 + target - first if number == 0 else 1 + to_week_one + 7 * (number - 1) + target
        elif iso_year is not None:
            year = iso_year
            yday = iso_start(year) + (week - 1) * 7 + weekday - days_to(year, 1, 1) + 1
        if yday is not None and yday <= 0:
            year -= 1
            yday += 366 if leap(year) else 365
    if yday is None:
        limit = 30 + (month + month // 8) % 2 if month != 2 else 28 + leap(year)
        if day > limit:
            raise ValueError("day is out of range for month")
        yday = day_of_year(year, month, day)
    else:
        days = 366 if leap(year) else 365
        if yday > days:
            year, yday = year + 1, yday - days
        month = 12
        while day_of_year(year, month, 1) > yday:
            month -= 1
        day = yday - day_of_year(year, month, 1) + 1
    if weekday is None:
        weekday = (days_to(year, month, day) + 6) % 7
    if unknown:
        year = 1900
    clock = (hour, got.get("M", 0), got.get("S", 0), weekday, yday, got.get("f", 0))
    return (year, month, day) + clock + (got.get("z"), got.get("zone"))

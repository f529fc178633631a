"""Dates and times as text by directives (%Y-%m-%d), for time and datetime: `formatted` and `parsed`.

Locale "C" and time zone UTC only. Knows no objects of those modules: fields come and go as plain numbers.
"""

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January February March April May June July August September October November December".split()
)
_BEFORE = (0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_BARE = {"c": "%a %b %e %H:%M:%S %Y", "x": "%m/%d/%y", "D": "%m/%d/%y", "X": "%H:%M:%S", "T": "%H:%M:%S"}
_BARE.update({"r": "%I:%M:%S %p", "R": "%H:%M", "F": "%Y-%m-%d", "h": "%b", "n": "\n", "t": "\t"})


def leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_to(year, month, day):
    """The ordinal of a date: 0001-01-01 is 1."""
    before = year - 1
    start = before * 365 + before // 4 - before // 100 + before // 400
    return start + _BEFORE[month] + (1 if month > 2 and leap(year) else 0) + day


def day_of_year(year, month, day):
    return _BEFORE[month] + (1 if month > 2 and leap(year) else 0) + day


def iso_start(year):
    """The ordinal of the Monday of the first ISO week."""
    first = days_to(year, 1, 1)
    weekday = (first + 6) % 7
    return first - weekday + (7 if weekday > 3 else 0)


def iso(year, ordinal):
    start = iso_start(year)
    if ordinal < start:
        year -= 1
        start = iso_start(year)
    elif ordinal >= start + 357 and ordinal >= iso_start(year + 1):
        year += 1
        start = iso_start(year)
    return year, (ordinal - start) // 7 + 1, (ordinal - start) % 7 + 1


def padded(number, width, fill="0"):
    text = str(number if number >= 0 else -number)
    if len(text) + (number < 0) < width:
        text = fill * (width - len(text) - (number < 0)) + text
    return text if number >= 0 else "-" + text


def offset_text(micros, colon=":"):
    """An offset from UTC in microseconds as +HH:MM[:SS[.ffffff]]."""
    sign = "+"
    if micros < 0:
        sign, micros = "-", -micros
    seconds, micros = divmod(micros, 1000000)
    minutes, seconds = divmod(seconds, 60)
    text = sign + padded(minutes // 60, 2) + colon + padded(minutes % 60, 2)
    if seconds or micros:
        text += colon + padded(seconds, 2)
        if micros:
            text += "." + padded(micros, 6)
    return text


def formatted(form, fields, micros=None, offset=None, zone=""):
    """`fields`: year, month, day, hour, minute, second, weekday (Monday is 0), day of year; offset in
    microseconds or None. micros None: %f and %:z are no directives, as in time.strftime."""
    year, month, day, hour, minute, second, weekday, yday = fields[:8]
    parts = form.split("%")
    out = [parts[0]]
    i, count = 1, len(parts)
    while i < count:
        part = parts[i]
        i += 1
        if not part:  # %% (or a lone % at the end)
            out.append("%")
            if i < count:
                out.append(parts[i])
                i += 1
            continue
        flag, at = "", 0
        while part[at] in "-_0^#":
            flag = part[at]
            at += 1
            if at == len(part):
                break
        width = 0
        while at < len(part) and "0" <= part[at] <= "9":
            width = width * 10 + int(part[at])
            at += 1
        if at == len(part):
            out.append("%" + part)
            continue
        code = part[at]
        rest = part[at + 1 :]
        size, fill, text, number = 2, "0", None, None
        if code == "Y":
            number, size = year, 0
        elif code == "m":
            number = month
        elif code == "d":
            number = day
        elif code == "H":
            number = hour
        elif code == "M":
            number = minute
        elif code == "S":
            number = second
        elif code == "f" and micros is not None:
            number, size = micros, 6
        elif code == "B":
            text = MONTHS[month - 1]
        elif code == "b":
            text = MONTHS[month - 1][:3]
        elif code == "A":
            text = DAYS[weekday]
        elif code == "a":
            text = DAYS[weekday][:3]
        elif code == "y":
            number = year % 100
        elif code == "I":
            number = (hour + 11) % 12 + 1
        elif code == "p":
            text = "AM" if hour < 12 else "PM"
            if flag == "#":
                text, flag = text.lower(), ""
        elif code == "P":
            text = "am" if hour < 12 else "pm"
        elif code == "j":
            number, size = yday, 3
        elif code == "e":
            number, fill = day, " "
        elif code == "k":
            number, fill = hour, " "
        elif code == "l":
            number, fill = (hour + 11) % 12 + 1, " "
        elif code == "C":
            number, size = year // 100, 0
        elif code == "u":
            number, size = weekday + 1, 1
        elif code == "w":
            number, size = (weekday + 1) % 7, 1
        elif code == "U":
            number = (yday + 6 - (weekday + 1) % 7) // 7
        elif code == "W":
            number = (yday + 6 - weekday) // 7
        elif code in "GgV":
            iso_year, week, _ = iso(year, days_to(year, 1, 1) + yday - 1)
            if code == "V":
                number = week
            elif code == "g":
                number = iso_year % 100
            else:
                number, size = iso_year, 0
        elif code == "z":
            text = "" if offset is None else offset_text(offset, "")
        elif code == "Z":
            text = zone
        elif code == "s":
            seconds = (days_to(year, month, day) - 719163) * 86400 + hour * 3600 + minute * 60 + second
            number, size = seconds, 0
        elif code in _BARE:
            text = formatted(_BARE[code], fields)
        else:
            text = "%" + part[: at + 1]
        if text is None:
            if flag == "-":
                size = 0
            elif flag == "_":
                fill = " "
            elif flag == "0":
                fill = "0"
            text = padded(number, width or size, fill)
        else:
            if flag in "^#" and flag:
                text = text.upper()
            if len(text) < width:
                text = ("0" if flag == "0" else " ") * (width - len(text)) + text
        out.append(text)
        out.append(rest)
    return "".join(out)


# What each directive of strptime reads: the largest number of digits and the range.
_NUMBERS = {"d": (2, 1, 31), "H": (2, 0, 23), "I": (2, 1, 12), "j": (3, 1, 366), "m": (2, 1, 12), "M": (2, 0, 59)}
_NUMBERS.update({"S": (2, 0, 61), "U": (2, 0, 53), "W": (2, 0, 53), "V": (2, 1, 53), "w": (1, 0, 6), "u": (1, 1, 7)})
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
        if code == "d" and text[at : at + 1] == " " and len(_digits(text, at + 1, 1, 1)) and text[at + 1] != "0":
            return [(at + 2, int(text[at + 1]))]
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
    """(year, month, day, hour, minute, second, weekday, day of year, micros, offset or None, zone or None)."""
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
    month = got.get("m", got.get("B", got.get("b", 0) if "b" in got else 0))
    if "m" not in got:
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
                "ISO year directive '%G' must be used with the ISO week directive '%V' and a weekday directive "
                "('%A', '%a', '%w', or '%u')."
            )
        if yday is not None:
            raise ValueError(
                "Day of the year directive '%j' is not compatible with ISO year directive '%G'. Use '%Y' instead."
            )
    elif week is not None:
        if year is None or weekday is None:
            raise ValueError(
                "ISO week directive '%V' must be used with the ISO year directive '%G' and a weekday directive "
                "('%A', '%a', '%w', or '%u')."
            )
        raise ValueError("ISO week directive '%V' is incompatible with the year directive '%Y'. Use the ISO year '%G' instead.")
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
            year, yday = iso_year, iso_start(iso_year) + (week - 1) * 7 + weekday - days_to(iso_year, 1, 1) + 1
        if yday is not None and yday <= 0:
            year -= 1
            yday += 366 if leap(year) else 365
    if yday is None:
        limit = 29 if month == 2 and leap(year) else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
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
    second = got.get("S", 0)
    return year, month, day, hour, got.get("M", 0), second, weekday, yday, got.get("f", 0), got.get("z"), got.get("zone")

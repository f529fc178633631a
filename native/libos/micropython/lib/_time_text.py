"""Dates and times as text by directives (%Y-%m-%d), for time and datetime, and the arithmetic of days.

Locale "C" and time zone UTC only. Knows no objects of those modules: fields come as plain numbers.
Reading is _time_read.py.
"""

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = "January February March April May June July August September October November December".split()
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

"""isleap leapdays monthrange weekday timegm month_name month_abbr day_name day_abbr Calendar TextCalendar
month calendar prmonth prcal monthcalendar setfirstweekday firstweekday, and the days' names as numbers.

Lacks: HTMLCalendar and the calendars of other locales.
"""

from _time_text import DAYS, MONTHS, days_to, leap

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)
January, February = 1, 2
day_name = list(DAYS)
day_abbr = [name[:3] for name in DAYS]
month_name = [""] + list(MONTHS)
month_abbr = [name[:3] for name in month_name]
mdays = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
EPOCH = 1970


class IllegalMonthError(ValueError):
    def __init__(self, month):
        super().__init__(month)
        self.month = month

    def __str__(self):
        return "bad month number %r; must be 1-12" % (self.month,)


class IllegalWeekdayError(ValueError):
    def __init__(self, weekday):
        super().__init__(weekday)
        self.weekday = weekday

    def __str__(self):
        return "bad weekday number %r; must be 0 (Monday) to 6 (Sunday)" % (self.weekday,)


def isleap(year):
    return leap(year)


def _leaps(year):
    return year // 4 - year // 100 + year // 400


def leapdays(y1, y2):
    return _leaps(y2 - 1) - _leaps(y1 - 1)


def weekday(year, month, day):
    if 1 <= year <= 9999 and not (1 <= month <= 12):
        raise ValueError("month must be in 1..12")
    if 1 <= year <= 9999 and not 1 <= day <= mdays[month] + (month == 2 and leap(year)):
        raise ValueError("day is out of range for month")
    return (days_to(year, month, day) + 6) % 7


def monthrange(year, month):
    if not 1 <= month <= 12:
        raise IllegalMonthError(month)
    return weekday(year, month, 1), mdays[month] + (month == 2 and leap(year))


def timegm(tuple):
    year, month, day, hour, minute, second = tuple[:6]
    if not 1 <= year <= 9999:
        raise ValueError("year %d is out of range" % year)
    if not 1 <= month <= 12:
        raise ValueError("month must be in 1..12")
    days = days_to(year, month, 1) - 719163 + day - 1
    return ((days * 24 + hour) * 60 + minute) * 60 + second


class Calendar:
    def __init__(self, firstweekday=0):
        self.firstweekday = firstweekday

    def getfirstweekday(self):
        return self.firstweekday % 7

    def setfirstweekday(self, firstweekday):
        self.firstweekday = firstweekday

    def iterweekdays(self):
        for i in range(self.firstweekday, self.firstweekday + 7):
            yield i % 7

    def itermonthdays(self, year, month):
        first, count = monthrange(year, month)
        before = (first - self.firstweekday) % 7
        for _ in range(before):
            yield 0
        for day in range(1, count + 1):
            yield day
        for _ in range((self.firstweekday - first - count) % 7):
            yield 0

    def itermonthdays2(self, year, month):
        for i, day in enumerate(self.itermonthdays(year, month)):
            yield day, (i + self.firstweekday) % 7

    def itermonthdays3(self, year, month):
        first, count = monthrange(year, month)
        earlier = (year, month - 1) if month > 1 else (year - 1, 12)
        last = mdays[earlier[1]] + (earlier[1] == 2 and leap(earlier[0]))
        before = (first - self.firstweekday) % 7
        for day in range(last - before + 1, last + 1):
            yield earlier + (day,)
        for day in range(1, count + 1):
            yield year, month, day
        later = (year, month + 1) if month < 12 else (year + 1, 1)
        for day in range(1, (self.firstweekday - first - count) % 7 + 1):
            yield later + (day,)

    def itermonthdays4(self, year, month):
        for i, one in enumerate(self.itermonthdays3(year, month)):
            yield one + ((self.firstweekday + i) % 7,)

    def itermonthdates(self, year, month):
        from datetime import date

        for one in self.itermonthdays3(year, month):
            yield date(*one)

    def _weeks(self, days):
        days = list(days)
        return [days[i : i + 7] for i in range(0, len(days), 7)]

    def monthdatescalendar(self, year, month):
        return self._weeks(self.itermonthdates(year, month))

    def monthdays2calendar(self, year, month):
        return self._weeks(self.itermonthdays2(year, month))

    def monthdayscalendar(self, year, month):
        return self._weeks(self.itermonthdays(year, month))

    def _year(self, of, year, width):
        months = [of(year, month) for month in range(1, 13)]
        return [months[i : i + width] for i in range(0, 12, width)]

    def yeardatescalendar(self, year, width=3):
        return self._year(self.monthdatescalendar, year, width)

    def yeardays2calendar(self, year, width=3):
        return self._year(self.monthdays2calendar, year, width)

    def yeardayscalendar(self, year, width=3):
        return self._year(self.monthdayscalendar, year, width)


def _centred(text, width):
    """As str.center of CPython: where the spaces are odd, which side gets more hangs on the width."""
    spare = max(0, width - len(text))
    left = spare // 2 + (spare & width & 1)
    return " " * left + text + " " * (spare - left)


def formatstring(cols, colwidth=20, spacing=6):
    return (" " * spacing).join([_centred(col, colwidth) for col in cols])


class TextCalendar(Calendar):
    def prweek(self, theweek, width):
        print(self.formatweek(theweek, width), end="")

    def formatday(self, day, weekday, width):
        return _centred("%2i" % day if day else "", width)

    def formatweek(self, theweek, width):
        return " ".join([self.formatday(d, wd, width) for d, wd in theweek])

    def formatweekday(self, day, width):
        name = day_name[day] if width >= 9 else day_abbr[day]
        return _centred(name[:width], width)

    def formatweekheader(self, width):
        return " ".join([self.formatweekday(i, width) for i in self.iterweekdays()])

    def formatmonthname(self, theyear, themonth, width, withyear=True):
        name = month_name[themonth]
        return _centred("%s %r" % (name, theyear) if withyear else name, width)

    def prmonth(self, theyear, themonth, w=0, l=0):
        print(self.formatmonth(theyear, themonth, w, l), end="")

    def formatmonth(self, theyear, themonth, w=0, l=0):
        w, l = max(2, w), max(1, l)
        lines = [self.formatmonthname(theyear, themonth, 7 * (w + 1) - 1).rstrip()]
        lines.append(self.formatweekheader(w).rstrip())
        for week in self.monthdays2calendar(theyear, themonth):
            lines.append(self.formatweek(week, w).rstrip())
        return "".join([line + "\n" * l for line in lines])

    def formatyear(self, theyear, w=2, l=1, c=6, m=3):
        w, l, c = max(2, w), max(1, l), max(2, c)
        width = (w + 1) * 7 - 1
        out = [_centred(repr(theyear), width * m + c * (m - 1)).rstrip(), "\n" * l]
        header = self.formatweekheader(w)
        for i, row in enumerate(self.yeardays2calendar(theyear, m)):
            months = range(m * i + 1, min(m * (i + 1) + 1, 13))
            out.append("\n" * l)
            names = [self.formatmonthname(theyear, k, width, False) for k in months]
            out += [formatstring(names, width, c).rstrip(), "\n" * l]
            out += [formatstring([header for k in months], width, c).rstrip(), "\n" * l]
            for j in range(max([len(weeks) for weeks in row])):
                weeks = ["" if j >= len(one) else self.formatweek(one[j], w) for one in row]
                out += [formatstring(weeks, width, c).rstrip(), "\n" * l]
        return "".join(out)

    def pryear(self, theyear, w=0, l=0, c=6, m=3):
        print(self.formatyear(theyear, w, l, c, m), end="")


c = TextCalendar()


def firstweekday():
    return c.getfirstweekday()


def setfirstweekday(firstweekday):
    if not MONDAY <= firstweekday <= SUNDAY:
        raise IllegalWeekdayError(firstweekday)
    c.firstweekday = firstweekday


monthcalendar = c.monthdayscalendar
prweek = c.prweek
week = c.formatweek
weekheader = c.formatweekheader
prmonth = c.prmonth
month = c.formatmonth
calendar = c.formatyear
prcal = c.pryear


def format(cols, colwidth=20, spacing=6):
    print(formatstring(cols, colwidth, spacing))

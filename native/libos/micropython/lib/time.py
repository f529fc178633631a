"""time time_ns monotonic[_ns] perf_counter[_ns] process_time[_ns] thread_time[_ns] sleep gmtime localtime
mktime strftime strptime asctime ctime struct_time get_clock_info tzset timezone altzone daylight tzname
CLOCK_*.

The local time zone is UTC. process_time is the time since the guest started. Setting clocks is not there.
"""

from _host import monotonic_ns, now_ns, sleep_ns

timezone = altzone = daylight = 0
tzname = ("UTC", "UTC")
CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID = 0, 1, 2, 3
CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME = 4, 7
_NAMES = "tm_year tm_mon tm_mday tm_hour tm_min tm_sec tm_wday tm_yday tm_isdst".split()

time_ns = now_ns
perf_counter_ns = process_time_ns = thread_time_ns = monotonic_ns


def time():
    return now_ns() / 1000000000


def monotonic():
    return monotonic_ns() / 1000000000


perf_counter = process_time = thread_time = monotonic


def clock_gettime_ns(clk_id):
    if clk_id == 0:
        return now_ns()
    if clk_id in (1, 2, 3, 4, 7):
        return monotonic_ns()
    raise OSError(22, "Invalid argument")


def clock_gettime(clk_id):
    return clock_gettime_ns(clk_id) / 1000000000


def sleep(secs):
    if not isinstance(secs, (int, float)):
        raise TypeError("'%s' object cannot be interpreted as an integer" % type(secs).__name__)
    if secs != secs:
        raise ValueError("Invalid value NaN (not a number)")
    if secs < 0:
        raise ValueError("sleep length must be non-negative")
    if secs > 9223372036:
        raise OverflowError("timestamp too large to convert to C _PyTime_t")
    sleep_ns(int(secs * 1000000000))


class struct_time(tuple):
    """A tuple of nine numbers with names; tm_zone and tm_gmtoff are None where the zone is not known."""

    n_fields, n_sequence_fields, n_unnamed_fields = 11, 9, 0
    tm_zone = tm_gmtoff = None

    def __init__(self, sequence):
        sequence = tuple(sequence)
        if not 9 <= len(sequence) <= 11:
            bound = "least 9" if len(sequence) < 9 else "most 11"
            raise TypeError(
                "time.struct_time() takes an at %s-sequence (%d-sequence given)" % (bound, len(sequence))
            )
        super().__init__(sequence[:9])

    @property
    def tm_year(self):
        return self[0]

    @property
    def tm_mon(self):
        return self[1]

    @property
    def tm_mday(self):
        return self[2]

    @property
    def tm_hour(self):
        return self[3]

    @property
    def tm_min(self):
        return self[4]

    @property
    def tm_sec(self):
        return self[5]

    @property
    def tm_wday(self):
        return self[6]

    @property
    def tm_yday(self):
        return self[7]

    @property
    def tm_isdst(self):
        return self[8]

    def __repr__(self):
        parts = [name + "=" + repr(self[i]) for i, name in enumerate(_NAMES)]
        return "time.struct_time(" + ", ".join(parts) + ")"

    __str__ = __repr__


class _greenwich(struct_time):
    tm_zone, tm_gmtoff = "GMT", 0


class _local(struct_time):
    tm_zone, tm_gmtoff = "UTC", 0


def _seconds(secs):
    if secs is None:
        return now_ns() // 1000000000
    if isinstance(secs, int):
        return secs
    if not isinstance(secs, float):
        raise TypeError("'%s' object cannot be interpreted as an integer" % type(secs).__name__)
    if secs != secs:
        raise ValueError("Invalid value NaN (not a number)")
    return int(secs // 1)


def gmtime(secs=None, _kind=_greenwich):
    secs = _seconds(secs)
    days, rest = divmod(secs, 86400)
    weekday = (days + 3) % 7
    days += 719468  # since 0000-03-01
    era, day = divmod(days, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    part = (5 * day + 2) // 153
    month = part + 3 if part < 10 else part - 9
    year += era * 400 + (month < 3)
    if not -2147481748 <= year <= 2147485547:
        raise OverflowError("timestamp out of range for platform time_t")
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    yday = day - 305 if month < 3 else day + 60 + leap
    clock = (rest // 3600, rest // 60 % 60, rest % 60)
    return _kind((year, month, day - (153 * part + 2) // 5 + 1) + clock + (weekday, yday, 0))


def localtime(secs=None):
    return gmtime(secs, _local)


def _checked(t, name):
    if t is None:
        return localtime()
    if not isinstance(t, tuple):
        raise TypeError("Tuple or struct_time argument required")
    if len(t) != 9:
        raise TypeError(name + "(): illegal time tuple argument")
    return t


def mktime(t):
    t = _checked(t, "mktime")
    from _time_text import days_to

    years, month = divmod(t[1] - 1, 12)
    days = days_to(t[0] + years, month + 1, 1) + t[2] - 719164
    return float(((days * 24 + t[3]) * 60 + t[4]) * 60 + t[5])


def _ranges(t):
    """A month, day or day of year of zero is taken as one."""
    t = list(t)
    for i in (1, 2, 7):
        t[i] = t[i] or 1
    for i, high, name in (
        (1, 12, "month"),
        (2, 31, "day of month"),
        (3, 23, "hour"),
        (4, 59, "minute"),
        (5, 61, "seconds"),
        (7, 366, "day of year"),
    ):
        if not (i in (1, 2, 7)) <= t[i] <= high:
            raise ValueError(name + " out of range")
    if t[6] < -1:
        raise ValueError("day of week out of range")
    t[6] = (t[6] + 1) % 7 - 1
    if t[6] < 0:
        t[6] = 6
    return t


def strftime(format, t=None):
    from _time_text import formatted

    zone = "UTC"
    if isinstance(t, struct_time) and t.tm_zone is not None:
        zone = t.tm_zone
    t = _ranges(_checked(t, "strftime"))
    return formatted(format, t, None, 0, zone)


def strptime(data_string, format="%a %b %d %H:%M:%S %Y"):
    from _time_read import parsed

    got = parsed(data_string, format)
    saving = -1 if got[10] is None else 0
    made = struct_time(got[:8] + (saving,))
    if got[10] is not None:
        made.tm_zone = got[10]
    if got[9] is not None:
        made.tm_gmtoff = got[9] // 1000000
    return made


def asctime(t=None):
    from _time_text import DAYS, MONTHS

    t = _ranges(_checked(t, "asctime"))
    names = (DAYS[t[6]][:3], MONTHS[t[1] - 1][:3])
    return "%s %s%3d %02d:%02d:%02d %d" % (names + (t[2], t[3], t[4], t[5], t[0]))


def ctime(secs=None):
    return asctime(gmtime(secs))


def tzset():
    pass


class _Clock:
    def __init__(self, name, adjustable):
        self.implementation = "_host." + name
        self.monotonic = not adjustable
        self.adjustable = adjustable
        self.resolution = 1e-09


def get_clock_info(name):
    if name not in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        raise ValueError("unknown clock")
    return _Clock("now_ns" if name == "time" else "monotonic_ns", name == "time")

"""date, time, datetime, timedelta, timezone, tzinfo, UTC, MINYEAR, MAXYEAR.

The local time zone is UTC. Lacks: pickling, hashes equal to CPython's.
"""

from ._dates import MAXYEAR, MINYEAR, date
from ._moments import datetime
from ._spans import timedelta
from ._times import time
from ._zones import timezone, tzinfo

UTC = timezone.utc

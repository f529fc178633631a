"""date, time, datetime, timedelta, timezone, tzinfo, UTC, MINYEAR, MAXYEAR.

The local time zone is UTC. Lacks: pickling, hashes equal to CPython's.
"""

from ._dates import MAXYEAR, MINYEAR, date  # noqa: F401 - names of this module
from ._moments import datetime  # noqa: F401 - names of this module
from ._spans import timedelta  # noqa: F401 - names of this module
from ._times import time  # noqa: F401 - names of this module
from ._zones import timezone, tzinfo  # noqa: F401 - names of this module

UTC = timezone.utc

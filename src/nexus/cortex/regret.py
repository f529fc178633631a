"""Predicted regret: how much would be lost if a memory were forgotten, from 0 nothing to 1 very much.

Arithmetic only. A memory is missed when it says something that nothing else says, and is asked for.
Invariants: the result is in [0, 1]; it rises with use and surprise, and falls with age, with time since the
last use and with likeness to what stays; a verified memory has at least .5; what is not a number counts for
keeping.
"""

from __future__ import annotations

import math
from typing import Final

# From the first cosine on two memories say something alike, from the second on the same: rewordings of one
# sentence have .92 to .97 with all-minilm-l6-v2 and .96 to .99 with granite-embedding-30m-english.
ALIKE: Final = 0.9
SAME: Final = 0.97
# What was not asked for in this time is half as likely to be asked for.
HALF_DAYS: Final = 90.0
# Surprise moves the result by at most a fifth: it was measured not to tell what is worth remembering.
SURPRISE_PART: Final = 0.2
# The surprise of an ordinary line, where nobody has measured it.
USUAL_SURPRISE: Final = 0.61
# Below this an unverified memory may as well go.
FORGETTABLE: Final = 0.1


def regret(
    *,
    verified: bool,
    uses: int,
    age_days: float,
    idle_days: float,
    likeness: float = 0.0,
    surprise: float | None = None,
) -> float:
    """Predicted regret of forgetting a memory.

    `uses` is how often it was given to somebody, `idle_days` how long ago that was last done, `likeness` its
    greatest cosine with a memory that stays and names all that it names, `surprise` 0 (known by heart) to 1
    and above (new), None not measured.
    """
    own = 1.0 - _share((_number(likeness, 0.0) - ALIKE) / (SAME - ALIKE))
    asked_for = 1.0 - math.exp(-(max(0, uses) * _left(idle_days) + _left(age_days)))
    known = _share(1.0 - _number(USUAL_SURPRISE if surprise is None else surprise, 1.0))
    value = own * asked_for * (1.0 - SURPRISE_PART * known)
    return (1.0 + value) / 2 if verified else value


def _left(days: float) -> float:
    """What is left of an interest after so long; a time to come is now."""
    return math.exp2(-max(0.0, _number(days, 0.0)) / HALF_DAYS)


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _number(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise

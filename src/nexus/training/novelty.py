"""How new a text is to a learner that has read the user: its surprise beside that of a stranger.

Arithmetic only. The stranger is the same model read through its base alone, which user text never changes:
the yardstick stays the same for months, and a text that is hard for anybody does not count as new.
Invariants: the result is in [0, `MOST_NOVELTY`] or None; it rises with the bits under the user's model and
falls with those under the base; what is not a number gives None, never a number.
"""

from __future__ import annotations

import math
from typing import Final

MOST_NOVELTY: Final = 2.0
# Below this the base knows the text by heart, and a quotient of two small numbers would say nothing.
LEAST_BASE_BITS: Final = 0.5


def novelty(bits: float, base_bits: float) -> float | None:
    """Bits per byte under the user's model over bits per byte under its base: 0 known by heart, 1 as new
    as to somebody who has never read the user, above 1 unlike what the user writes."""
    if not (math.isfinite(bits) and math.isfinite(base_bits)) or bits < 0 or base_bits < 0:
        return None
    return min(MOST_NOVELTY, bits / max(LEAST_BASE_BITS, base_bits))

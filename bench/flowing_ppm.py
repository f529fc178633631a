"""The control that counts: prediction by partial matching, order 5, escapes of method D, with exclusions.

Howard, The Design and Analysis of Efficient Lossless Data Compression Systems, 1993 (method D)
Moffat, Implementing the PPM data compression scheme, 1990 (update exclusion)
"""

from __future__ import annotations

import math

ORDER = 5


class Ppm:
    """Counts of what followed the last 0 to ORDER bytes. Grows without bound."""

    def __init__(self) -> None:
        self.contexts: list[dict[bytes, dict[int, int]]] = [{} for _ in range(ORDER + 1)]
        self.recent = b""

    def read(self, data: bytes, *, learn: bool) -> float:
        """The bits that all of `data` costs, each byte predicted before it is learnt."""
        return sum(self._byte(byte, learn) for byte in data)

    def _byte(self, byte: int, learn: bool) -> float:
        recent, excluded, likely = self.recent, set[int](), 1.0
        order = len(recent)
        found = False
        while order >= 0 and not found:
            counts = self.contexts[order].get(recent[len(recent) - order :])
            if counts:
                if excluded:
                    counts = {symbol: n for symbol, n in counts.items() if symbol not in excluded}
                total = 2 * sum(counts.values())
                if byte in counts:
                    likely *= (2 * counts[byte] - 1) / total
                    found = True
                elif counts:
                    likely *= len(counts) / total
                    excluded.update(counts)
            order -= not found
        if not found:
            likely /= 256 - len(excluded)
        if learn:
            for each in range(max(order, 0), len(recent) + 1):
                counts = self.contexts[each].setdefault(recent[len(recent) - each :], {})
                counts[byte] = counts.get(byte, 0) + 1
        self.recent = (recent + bytes((byte,)))[-ORDER:]
        return -math.log2(likely)

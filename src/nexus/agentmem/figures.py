"""What a broker's STATS and AGENTS come to: what would be held without it, what is, and by whom.

Computes from what the broker has counted and asks nobody. Invariant: a sum is of the figures beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TYPES = ("conversation", "system_prompt", "tool_def", "tool_result", "kv_page")
TIERS = ("hot", "warm", "cold")
_SUMS = ("logical", "unique", "stored")


def summary(stats: Mapping[str, Any]) -> dict[str, Any]:
    """Sums over everything, in bytes: `logical` as if each agent had its own copy, `unique` each content
    once, `stored` as it is kept in RAM and on disk, `saved` the difference."""
    types, tiers = stats["types"], stats["tiers"]
    total = {name: sum(int(types[t][f"{name}_bytes"]) for t in TYPES) for name in _SUMS}
    logical, stored = total["logical"], total["stored"]
    return {
        **{f"{name}_bytes": count for name, count in total.items()},
        "saved_bytes": max(0, logical - stored),
        "ratio": round(logical / stored, 2) if stored else 1.0,
        "units": int(stats["store"]["units"]),
        "types": {t: dict(types[t]) for t in TYPES},
        "tiers": {t: dict(tiers[t]) for t in TIERS},
    }


def folded(stats: Mapping[str, Any], agents: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, int]]:
    """Stacks `realm;agent;type` of what each has by itself, and `shared;type` of what several have, with
    their stored bytes: the form that flamegraph tools read, largest first."""
    rest = {t: int(stats["types"][t]["stored_bytes"]) for t in TYPES}
    stacks: dict[str, int] = {}
    for agent in agents:
        for kind in TYPES:
            count = int(agent["types"][kind]["stored_bytes"])
            rest[kind] -= count
            stack = f"{_frame(agent['realm'])};{_frame(agent['name'])};{kind}"
            stacks[stack] = stacks.get(stack, 0) + count
    stacks |= {f"shared;{kind}": count for kind, count in rest.items()}
    yield from sorted(((s, n) for s, n in stacks.items() if n > 0), key=lambda pair: (-pair[1], pair[0]))


def _frame(name: str) -> str:
    """A name that holds neither what parts frames nor what ends a line."""
    return "".join(c if c.isprintable() and c != ";" else "_" for c in name) or "_"

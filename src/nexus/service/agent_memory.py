"""What AgentMem holds, as `/api/status`, `/metrics` and the dashboard tell it.

Knows neither sockets nor pages. Invariants: nobody who looks waits longer than a tenth of a second; what the
broker did not say is None; memory of processes is PSS, never RSS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nexus.agentmem.figures import TIERS, TYPES, summary
from nexus.service.broker import Broker
from nexus.service.exposition import Family, Sample, by_label, counter, gauge
from nexus.service.units import Units


def agent_memory(broker: Broker, units: Units) -> dict[str, Any]:
    """The section of `/api/status`."""
    held = broker.holdings()
    return {
        "state": broker.state,
        "detail": broker.problem or units.problem,
        "restarts": broker.restarts,
        "socket": str(broker.socket),
        **units.as_dict(),
        "agents": len(held.agents) if held else None,
        "pss_bytes": held.pss if held else None,
        "limits": held.stats["limits"] if held else None,
        **(summary(held.stats) if held else dict.fromkeys(_SUMMED)),
    }


def issues(broker: Broker) -> list[str]:
    """What a user should know; a part that was never built is told by the parts."""
    return [f"AgentMem: {broker.problem}"] if broker.state == "failed" else []


def families(broker: Broker, units: Units) -> Iterator[Family]:
    """For Prometheus; without those of the broker while it does not answer."""
    yield gauge("nexus_agentmem_up", "1 while the broker of AgentMem answers.", broker.state == "ready")
    yield counter("nexus_agentmem_recorded_total", "Conversations' turns that became units.", units.recorded)
    yield counter("nexus_agentmem_dropped_total", "Turns that were not kept.", units.dropped)
    yield gauge("nexus_agentmem_waiting", "Turns that are not kept yet.", units.waiting)
    yield counter(
        "nexus_agentmem_restarts_total", "Times that the broker was started again.", broker.restarts
    )
    held = broker.holdings()
    if held is None:
        return
    yield gauge("nexus_agentmem_agents", "Agents that the broker knows.", len(held.agents))
    if held.pss is not None:
        yield gauge(
            "nexus_agentmem_pss_bytes", "Memory of the broker, its share of what is shared.", held.pss
        )
    types, tiers, store = held.stats["types"], held.stats["tiers"], held.stats["store"]
    yield by_label(
        "gauge", "nexus_agentmem_units", "Units by type.", "type", {t: types[t]["units"] for t in TYPES}
    )
    for name, about in (
        ("logical", "Bytes by type as if each agent had its own copy."),
        ("unique", "Bytes by type, each content once."),
        ("stored", "Bytes by type as they are kept."),
    ):
        values = {t: types[t][f"{name}_bytes"] for t in TYPES}
        yield by_label("gauge", f"nexus_agentmem_{name}_bytes", about, "type", values)
    for name, about in (("raw", "Bytes of units by tier."), ("stored", "Bytes that units take by tier.")):
        values = {t: tiers[t][f"{name}_bytes"] for t in TIERS}
        yield by_label("gauge", f"nexus_agentmem_tier_{name}_bytes", about, "tier", values)
    below = ("warm", "cold")
    for name, about in (
        ("restores", "Units that were asked for and had to be brought back, by where they were."),
        ("evictions", "Units that were moved down, by where to."),
    ):
        values = {t: store[f"{name}_{t}"] for t in below}
        yield by_label("counter", f"nexus_agentmem_{name}_total", about, "tier", values)
    yield counter("nexus_agentmem_broken_total", "Units whose stored bytes were damaged.", store["broken"])
    yield _restores(store["restore_us"])


def _restores(buckets: list[int]) -> Family:
    """The broker's histogram: bucket n counts what took less than 2^n microseconds. It knows no sum."""
    samples, total = [], 0
    for power, count in enumerate(buckets[:-1]):
        total += count
        samples.append(Sample(total, {"le": repr(2**power / 1e6)}, "_bucket"))
    total += buckets[-1]
    samples += [Sample(total, {"le": "+Inf"}, "_bucket"), Sample(total, {}, "_count")]
    return Family("nexus_agentmem_restore_seconds", "histogram", "How long restores took.", tuple(samples))


_SUMMED = ("logical_bytes", "unique_bytes", "stored_bytes", "saved_bytes", "ratio", "units", "types", "tiers")

"""What the service has done, for Prometheus: `/metrics`, open on loopback, and `/api/metrics`.

Knows which figures there are; `nexus.service.exposition` knows the format. Invariant: reading it asks
nothing of the model, walks over no process, and waits for the broker at most a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

import nexus
from nexus.engine.base import EngineState
from nexus.service import agent_memory
from nexus.service.api.streaming import daemon_of
from nexus.service.daemon import Daemon, State
from nexus.service.exposition import CONTENT_TYPE, Family, by_label, counter, gauge, text

router = APIRouter()


@router.get("/metrics")
@router.get("/api/metrics")
async def metrics(request: Request) -> Response:
    """Counters and gauges in Prometheus' text format."""
    return Response(text(families(daemon_of(request))), media_type=CONTENT_TYPE)


def families(daemon: Daemon) -> Iterator[Family]:
    """Everything that is told."""
    seen = daemon.metrics.snapshot()
    health = daemon.engine.health()
    yield gauge("nexus_info", "The version that runs.", 1, version=nexus.__version__)
    yield gauge("nexus_uptime_seconds", "Since the service began.", daemon.metrics.uptime_seconds)
    yield by_label(
        "gauge",
        "nexus_state",
        "1 for the state that the service is in.",
        "state",
        {state: float(state == daemon.state) for state in get_args(State)},
    )
    yield by_label(
        "counter",
        "nexus_requests_total",
        "Questions by how they ended; rejected ones were told to come back later.",
        "outcome",
        {"answered": seen.answered, "failed": seen.failed, "rejected": seen.rejected},
    )
    yield gauge("nexus_requests_waiting", "Requests in the queue.", daemon.waiting)
    yield gauge("nexus_requests_running", "Requests that are being worked on.", daemon.running)
    yield by_label(
        "counter", "nexus_lane_busy_seconds_total", "How long each lane has worked.", "lane", seen.seconds
    )
    yield by_label(
        "counter",
        "nexus_tokens_total",
        "Tokens of answers and their prompts; cached ones were not computed again.",
        "kind",
        seen.tokens,
    )
    yield by_label(
        "counter",
        "nexus_interface_requests_total",
        "Requests of agents and other programs by the interface they use.",
        "interface",
        daemon.traffic.requests(),
    )
    yield by_label(
        "counter",
        "nexus_api_unknown_fields_total",
        "Requests with a field that is accepted and not acted on.",
        "field",
        seen.unknown,
    )
    yield by_label(
        "gauge",
        "nexus_engine_state",
        "1 for the state that the model is in.",
        "state",
        {state: float(state == health.state) for state in get_args(EngineState)},
    )
    yield counter("nexus_engine_restarts_total", "Times that the model's process died.", health.restarts)
    if health.rss_bytes is not None:
        yield gauge("nexus_engine_resident_bytes", "Memory of the model's process.", health.rss_bytes)
    yield gauge(
        "nexus_resident_bytes",
        "Memory of the service and what works for it, without the model; seen last.",
        daemon.memory.as_dict()["process"]["current_mb"] * 2**20,
    )
    yield from _learning(daemon)
    yield from agent_memory.families(daemon.broker, daemon.units)
    yield from daemon.files.families()
    yield from daemon.sandbox.families()


def _learning(daemon: Daemon) -> Iterator[Family]:
    found = daemon.learning.as_dict()
    if "bytes_learned" in found:
        yield counter("nexus_learned_bytes_total", "Text that was learnt.", found["bytes_learned"])
        yield gauge(
            "nexus_experience_ratio",
            "Share of surprise that learning took from the user's later text.",
            found["experience_factor"],
        )
        yield gauge("nexus_flow_depth_steps", "Steps until the model settles.", found["flow_depth"])
    breakers = {**daemon.breakers(), **daemon.learning.breakers()}
    yield by_label(
        "gauge",
        "nexus_breaker_closed",
        "1 while calls pass, 0 while what fails is left alone.",
        "breaker",
        {name: float(state == "CLOSED") for name, state in breakers.items()},
    )

"""The Agents view: which programs are connected, which have talked to the service, and their sessions.

Reads the settings of others and changes none: connecting is a command that the user runs.
"""

from __future__ import annotations

import os
import time

from fastapi import APIRouter, Request, Response

from nexus.agentmem.figures import TIERS, TYPES, summary
from nexus.agentmem.listing import listing
from nexus.agentmem.registry import Registry
from nexus.service.capture import agent_of, session_folders
from nexus.service.connectors.clients import CLIENTS
from nexus.service.dashboard.rendering import cortex_of, html
from nexus.service.traffic import TITLES

_SESSIONS, _AGENTS = 100, 100
router = APIRouter()


@router.get("/agents")
def agents() -> Response:
    """The clients that can be connected, and how each is, as a fragment."""
    known = [client.as_dict(os.environ) for client in CLIENTS.values()]
    here = [row for row in known if row["found"] or row["connected"] or row["problem"]]
    return html("agents.html", here=here, elsewhere=[row for row in known if row not in here])


@router.get("/traffic")
def traffic(request: Request) -> Response:
    """Who has talked to the service since it started, as a fragment."""
    return html("traffic.html", rows=request.app.state.daemon.traffic.rows(), titles=TITLES)


@router.get("/agent-memory")
def agent_memory(request: Request) -> Response:
    """What AgentMem holds once for all agents, as a fragment."""
    daemon = request.app.state.daemon
    held = daemon.broker.holdings(patience=1.0)
    rows = sorted(held.agents, key=lambda agent: -agent["logical_bytes"]) if held else []
    return html(
        "agent_memory.html",
        state=daemon.broker.state,
        detail=daemon.broker.problem,
        total=summary(held.stats) if held else None,
        pss=held.pss if held else None,
        rows=rows[:_AGENTS],
        now=time.clock_gettime(time.CLOCK_BOOTTIME),  # the broker's clock
        more=max(0, len(rows) - _AGENTS),
        units=daemon.units.as_dict(),
        types=TYPES,
        tiers=TIERS,
    )


@router.get("/processes")
def processes(request: Request) -> Response:
    """The agents that `nexus run` has started, as a fragment."""
    daemon = request.app.state.daemon
    found = listing(Registry(daemon.config.home))
    return html("processes.html", rows=found.rows, problem=daemon.agents.problem)


@router.get("/sessions")
def sessions(request: Request) -> Response:
    """The latest sessions that were taken in, as a fragment."""
    known = cortex_of(request).sessions()
    folders = session_folders()
    shown = [{**each, "agent": agent_of(each["path"], folders)} for each in known[:_SESSIONS]]
    return html("sessions.html", sessions=shown, total=len(known))

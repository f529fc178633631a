"""The Agents view: which programs are connected, which have talked to the service, and their sessions.

Reads the settings of others and changes none: connecting is a command that the user runs.
"""

from __future__ import annotations

import os

from fastapi import APIRouter, Request, Response

from nexus.service.capture import agent_of, session_folders
from nexus.service.connectors.clients import CLIENTS
from nexus.service.dashboard.rendering import cortex_of, html
from nexus.service.traffic import TITLES

_SESSIONS = 100
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


@router.get("/sessions")
def sessions(request: Request) -> Response:
    """The latest sessions that were taken in, as a fragment."""
    known = cortex_of(request).sessions()
    folders = session_folders()
    shown = [{**each, "agent": agent_of(each["path"], folders)} for each in known[:_SESSIONS]]
    return html("sessions.html", sessions=shown, total=len(known))

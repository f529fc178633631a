"""The state of everything, in the structure of seed 002."""

from __future__ import annotations

from typing import Any

import nexus
from nexus.core.errors import NexusError
from nexus.core.parts import recent_parts
from nexus.cortex.recovered import Recovered
from nexus.service import agent_memory
from nexus.service.daemon import Daemon


def status(daemon: Daemon) -> dict[str, Any]:
    """What `/api/status` returns. Never fails because a part of it does."""
    health = daemon.engine.health()
    issues = [str(daemon.failure)] if daemon.failure else []
    if health.state not in ("ready", "starting"):
        issues.append(f"model {daemon.engine.name}: {health.state}: {health.detail}".rstrip(": "))
    issues.extend(daemon.memory.issues())
    issues.extend(agent_memory.issues(daemon.broker))
    issues.extend(daemon.files.issues())
    knowledge: dict[str, Any] = {}
    recovered: Recovered | None = None
    try:
        cortex = daemon.cortex
        recovered = cortex.recovered
        issues.extend(recovered.problems)
        if daemon.watcher.problem:
            issues.append(daemon.watcher.problem)
        knowledge = {
            **cortex.counts(),
            "index": cortex.index_name,
            "embedder": daemon.config.settings.cortex.embedder,
            "talk_embedder": daemon.config.settings.cortex.talk_embedder,
            "repairing": list(daemon.repairing) if daemon.repairing else None,
            "recovered": {
                "points_added": recovered.points_added,
                "points_removed": recovered.points_removed,
                "memories_indexed": recovered.memories_indexed,
            },
        }
    except NexusError as error:
        if not daemon.failure:
            issues.append(str(error))
    learning = daemon.learning.as_dict()
    requests = daemon.metrics.requests()
    word = "healthy" if not issues else "starting" if daemon.state == "starting" else "degraded"
    return {
        "version": nexus.__version__,
        "daemon": {
            "state": daemon.state,
            "running": daemon.state in ("starting", "ready"),
            "paused": daemon.learning.paused,
            "uptime_seconds": round(daemon.metrics.uptime_seconds),
        },
        "health": {"healthy": not issues, "status": word, "issues": issues},
        "model": {
            "name": daemon.engine.name,
            "architecture": "flowing",  # of what learns here; `name` is the model that answers
            "interactions": requests["total_requests"],
            "state": health.state,
            "detail": health.detail,
            "context": daemon.engine.context,
            "threads": health.threads,
            "restarts": health.restarts,
            "rss_mb": round((health.rss_bytes or 0) / 2**20, 1),
            "pid": health.pid,
        },
        "metrics": {
            **requests,
            "queued": daemon.waiting,
            "running": daemon.running,
            "queue_limit": daemon.config.settings.service.queue,
        },
        "circuit_breakers": {**daemon.breakers(), **daemon.learning.breakers()},
        "checkpoints": daemon.learning.checkpoints(),
        "learning": learning,
        "recovery": daemon.recovery.as_dict(recovered, learning.get("restored")),
        "memory": daemon.memory.as_dict(),
        "resources": daemon.resources.as_dict(),
        "agent_memory": agent_memory.agent_memory(daemon.broker, daemon.units),
        "agents": daemon.agents.as_dict(),
        "memex": daemon.files.as_dict(),
        "knowledge": knowledge,
        "parts": recent_parts(),
    }

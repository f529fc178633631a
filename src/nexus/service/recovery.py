"""What the life before this one left behind, and what was made of it.

Collects what the rooms found when they were opened; repairs nothing itself. Invariant: what was found is
told for as long as this service lives, also when there was nothing to repair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexus.core.instance import Instance, Running
from nexus.cortex.recovered import Recovered


class Recovery:
    """`killed` is the service that ended without stopping in order, by kill -9 or a power cut."""

    def __init__(self, *, fresh: bool = True, killed: Running | None = None) -> None:
        """`fresh`: no service has used this home before."""
        self.last_stop = "killed" if killed else "none" if fresh else "in order"
        self.killed = killed
        self.control_groups = 0

    @classmethod
    def of(cls, instance: Instance) -> Recovery:
        """What the lock of a home tells."""
        return cls(fresh=instance.fresh, killed=instance.killed)

    def as_dict(self, stores: Recovered | None, learner: Mapping[str, Any] | None) -> dict[str, Any]:
        """`recovery` of `/api/status`: None for a part that is not open yet, or had nothing to restore.

        `learner` is what its process said of the checkpoint that it goes on from.
        """
        killed = self.killed
        return {
            "last_stop": self.last_stop,
            "killed": {"pid": killed.pid, "started": killed.started, "version": killed.version}
            if killed
            else None,
            "removed": {
                "half_written_files": stores.half_written if stores else 0,
                "control_groups": self.control_groups,
            },
            "index": {
                "points_added": stores.points_added,
                "points_removed": stores.points_removed,
                "memories_indexed": stores.memories_indexed,
            }
            if stores
            else None,
            "learner": dict(learner) if learner else None,
            "summary": self._summary(stores, learner),
        }

    def _summary(self, stores: Recovered | None, learner: Mapping[str, Any] | None) -> str:
        if self.last_stop == "none":
            return "the first start of this home"
        if not self.killed:
            said = ["the last service stopped in order"]
        else:
            whose = f"process {self.killed.pid}, started {self.killed.started}," if self.killed.pid else "it"
            said = [f"the last service was killed ({whose} did not stop in order)"]
        if stores:
            changed = stores.points_added + stores.points_removed
            if changed:
                said.append(f"{changed} points of the index were repaired")
            if stores.memories_indexed:
                said.append(f"{stores.memories_indexed} memories were indexed again")
            if stores.half_written:
                said.append(f"{stores.half_written} half-written files were removed")
        if self.control_groups:
            said.append(f"{self.control_groups} control groups were removed")
        if learner and learner.get("checkpoint"):
            said.append(f"learning goes on from {learner['checkpoint']}, {learner['seconds_old']:.0f} s old")
        return "; ".join(said)

"""FlowingNEXUS: a byte predictor that learns while it reads, without layers and back-propagation.

`flow.Flow` is what the rest of the house uses; `reference.Reference` defines what it computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.core.contract import offered

if TYPE_CHECKING:
    from nexus.flowing.flow import Flow as Flow
    from nexus.flowing.flow import Reading as Reading
    from nexus.flowing.settings import FlowSettings as FlowSettings

__getattr__, __dir__, __all__ = offered(
    __name__,
    {
        "flow": "Flow Reading",
        "settings": "FlowSettings",
    },
)

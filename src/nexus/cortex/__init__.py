"""Cortex (seed 004): knowledge and memory. What you add is found by words and meaning, what you say stays.

`Cortex` is the room behind one object; the service holds one, and a program of your own may (`Cortex.open`).
For users: docs/guides/python.md. Knows no language model, no service and no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.core.contract import offered

if TYPE_CHECKING:
    from nexus.cortex.assembler import Frame as Frame
    from nexus.cortex.assembler import Turn as Turn
    from nexus.cortex.cortex import Cortex as Cortex
    from nexus.cortex.embedder import Embedder as Embedder
    from nexus.cortex.embedder import OnnxEmbedder as OnnxEmbedder
    from nexus.cortex.embedders import Embedders as Embedders
    from nexus.cortex.filters import Filter as Filter
    from nexus.cortex.ledger import ObjectKind as ObjectKind
    from nexus.cortex.memory import Confidence as Confidence
    from nexus.cortex.memory import Domain as Domain
    from nexus.cortex.memory import Memory as Memory
    from nexus.cortex.memory import MemoryType as MemoryType
    from nexus.cortex.proposal import ProposedMemory as ProposedMemory
    from nexus.cortex.recovered import Recovered as Recovered
    from nexus.cortex.recovered import Verified as Verified
    from nexus.cortex.reporting import AddReport as AddReport
    from nexus.cortex.reporting import Progress as Progress
    from nexus.cortex.retriever import Result as Result

__getattr__, __dir__, __all__ = offered(
    __name__,
    {
        "assembler": "Frame Turn",
        "cortex": "Cortex",
        "embedder": "Embedder OnnxEmbedder",
        "embedders": "Embedders",
        "filters": "Filter",
        "ledger": "ObjectKind",
        "memory": "Confidence Domain Memory MemoryType",
        "proposal": "ProposedMemory",
        "recovered": "Recovered Verified",
        "reporting": "AddReport Progress",
        "retriever": "Result",
    },
)

"""Controls: what a Nexus is measured against, each a language model of the same widths and interface.

`config`, `start`, a step, `steps`, `stream`, `log_p` and `losses` are as those of `nexus.transformer.model`.
Those with a memory have the window of a Nexus and its fusion, so that nothing differs but what is held and
how it is read. Invariant: each is one file of at most 80 lines; `CONTROLS` names them all.
"""

from nexus.transformer.controls.control import Control, ControlState
from nexus.transformer.controls.direct_mapped import DirectMapped
from nexus.transformer.controls.fifo_knn import FifoKnn
from nexus.transformer.controls.full_attention import FullAttention
from nexus.transformer.controls.gated_delta import GatedDelta
from nexus.transformer.controls.routed_slots import RoutedSlots
from nexus.transformer.controls.window_only import WindowOnly

CONTROLS: dict[str, type[Control]] = {
    "window": WindowOnly,
    "full-attention": FullAttention,
    "fifo-knn": FifoKnn,
    "direct-mapped": DirectMapped,
    "gated-delta": GatedDelta,
    "routed-slots": RoutedSlots,
}

__all__ = ["CONTROLS", "Control", "ControlState"]

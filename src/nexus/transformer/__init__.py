"""The Nexus Transformer: a window that reasons, and a sparse memory that never grows.

Causal attention looks exactly 1,024 tokens back; what is older is in a memory of fixed size that each chunk
of 1,024 tokens reads at its start and writes at its end. Shapes are batch first: B streams, T tokens. The
parts: `config` sizes; `tokenizer` text and ids; `backbone` the window; `ternary` weights of three values;
`rsm` the memory; `lexical`, `pointer`, `gates` and `fusion` how it is found, followed, filled and used;
`model` all of it as a stream; `memory` the small door: write a text, ask what was said.

Only this room and `nexus.training` use torch. Importing the package imports nothing heavy; importing its
parts does, and where torch is not installed they raise ModuleNotFoundError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.core.contract import offered

if TYPE_CHECKING:
    from nexus.transformer.config import Config as Config
    from nexus.transformer.memory import Memory as Memory
    from nexus.transformer.memory import Recall as Recall
    from nexus.transformer.model import Nexus as Nexus
    from nexus.transformer.tokenizer import Tokenizer as Tokenizer
    from nexus.transformer.weights import shipped as shipped

__getattr__, __dir__, __all__ = offered(
    __name__,
    {
        "config": "Config",
        "memory": "Memory Recall",
        "model": "Nexus",
        "tokenizer": "Tokenizer",
        "weights": "shipped",
    },
)

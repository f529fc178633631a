"""Who reads what: one model for documents, one for what is said and remembered.

Measured (bench/fit_weights.py, docs/decisions/0010): granite finds more in documents, MiniLM's word
vectors find more in talk. A text is still embedded once, and kinds are searched apart, so their vectors
never meet. Invariant: both have the same number of dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

from nexus.core.errors import ConfigError
from nexus.cortex.embedder import Embedder
from nexus.cortex.ledger import ObjectKind


@dataclass(frozen=True, slots=True)
class Embedders:
    """The models by kind. They may be one and the same."""

    documents: Embedder
    talk: Embedder

    def __post_init__(self) -> None:
        if self.documents.dimensions != self.talk.dimensions:
            raise ConfigError(
                f"cortex.embedder has {self.documents.dimensions} dimensions and cortex.talk_embedder"
                f" {self.talk.dimensions}",
                hint="choose two of the same size; see `nexus models list`",
            )

    @classmethod
    def both(cls, embedder: Embedder) -> Embedders:
        """One model for everything."""
        return cls(embedder, embedder)

    def of(self, kind: ObjectKind) -> Embedder:
        """The model that reads this kind."""
        return self.documents if kind == "document" else self.talk

    @property
    def dimensions(self) -> int:
        """The size of every vector."""
        return self.documents.dimensions

    @property
    def model_id(self) -> str:
        """Changes whenever any vector does."""
        names = dict.fromkeys((self.documents.model_id, self.talk.model_id))
        return "+".join(names)

    def unload_if_idle(self, now: float) -> bool:
        """Let go of what nobody has used for a while; `now` is monotonic. Whether anything was let go."""
        gone = self.documents.unload_if_idle(now)
        return (self.talk is not self.documents and self.talk.unload_if_idle(now)) or gone

"""Results of a bench as JSON, written as the command `nexus bench` writes them."""

from nexus.cortex.evaluation.record import write

__all__ = ["write"]

"""The window and nothing else: what a Nexus is without its memory.

Knows nothing that lies more than `layers * window` tokens back. Invariant: its weights are those of the
backbone of a Nexus, name by name.
"""

from __future__ import annotations

from nexus.transformer.controls.control import Control


class WindowOnly(Control):
    """A causal transformer that looks `config.window` tokens back."""

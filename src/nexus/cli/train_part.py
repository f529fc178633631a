"""What the commands of the transformer need that a plain installation has not: torch.

Looks without importing. Invariant: what is missing is one error that names the extra and the command.
"""

from __future__ import annotations

import importlib.util

from nexus.core.errors import MissingPartError


def need() -> None:
    """Raises `MissingPartError` without torch or safetensors."""
    missing = [name for name in ("torch", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingPartError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed: "
            "the transformer needs the extra `train`",
            hint="run: scripts/torch.sh in a checkout, pip install 'nexusos[train]' elsewhere",
        )


def threads(count: int) -> None:
    """Compute with so many threads, 0 leaves it to torch; and keep what is freed."""
    from nexus.training import heap, leg

    heap.keep_freed()
    if count:
        leg.use_threads(count)

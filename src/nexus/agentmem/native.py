"""Finding the compiled module. Invariant: who asks gets it set up, or a MissingPartError with the command
that mends it."""

from __future__ import annotations

import functools
import sys
from types import ModuleType

from nexus.agentmem.errors import BY_STATUS
from nexus.agentmem.unit_type import UnitType
from nexus.core.errors import MissingPartError

MEND = "apt-get install g++ python3-dev libzstd-dev && make up"


@functools.cache
def native() -> ModuleType:
    """nexus._agentmem, raising the classes of nexus.agentmem.errors. Raises `MissingPartError`."""
    try:
        from nexus import _agentmem
    except ImportError as error:
        if not sys.platform.startswith("linux"):
            raise MissingPartError("AgentMem needs Linux (memfd, seals)", hint="use it on Linux") from error
        raise MissingPartError(f"the compiled part of AgentMem is missing: {error}", hint=MEND) from error
    _agentmem.set_up(dict(BY_STATUS), {int(member): member for member in UnitType})
    return _agentmem

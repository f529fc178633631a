"""A process that is meant to be killed: stores memories and documents and says so after each.

    python -m nexus.cortex.evaluation.kill_writer HOME MODELS DOCUMENTS START

Prints one JSON line for each thing that was acknowledged. Invariant: a line is printed after the call
returned, never before, except `writing`, which is printed before because an addition that was carried
out may die before it is acknowledged.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.evaluation.product import default_embedders

_MANY = 100_000
FORGETS, FORGOTTEN = 7, 3
"""Every memory whose number leaves `FORGOTTEN` when divided by `FORGETS` is forgotten at once."""


def main() -> None:
    """Write until killed."""
    home, models, documents = (Path(argument) for argument in sys.argv[1:4])
    start = int(sys.argv[4])
    embedders = default_embedders(models)
    say(begun=True)
    with Cortex(Home(home), CortexSettings(), embedders) as cortex:
        say(opened=True)
        for n in range(start, start + _MANY):
            memory = cortex.remember(f"service number {n} listens on port {20_000 + n}")
            say(memory=memory.id, text=memory.learning)
            path = documents / f"part{n % 40}.md"
            say(writing=str(path), marker=f"zebra{n}")
            path.write_text(f"# Part {n}\n\nThe marker of this part is zebra{n}, kept in room {n}.\n" * 3)
            cortex.add([path])
            say(document=str(path), marker=f"zebra{n}")
            if n % FORGETS == FORGOTTEN:
                cortex.forget(memory.id)
                say(forgotten=memory.id)


def say(**what: object) -> None:
    """One line for who listens, at once."""
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()

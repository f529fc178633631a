"""A process that is meant to be killed: stores memories and documents and says so after each.

Usage: kill_writer.py HOME EMBEDDER_FOLDER DOCUMENTS START
Prints one JSON line for each thing that was acknowledged.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder

home, embedder_folder, documents, start = (
    Path(sys.argv[1]),
    Path(sys.argv[2]),
    Path(sys.argv[3]),
    int(sys.argv[4]),
)
embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


say(begun=True)
with Cortex(Home(home), CortexSettings(), embedder) as cortex:
    say(opened=True)
    for n in range(start, start + 100_000):
        memory = cortex.remember(f"service number {n} listens on port {20_000 + n}")
        say(memory=memory.id, text=memory.learning)
        path = documents / f"part{n % 40}.md"
        # Said before: an addition that was carried out may die before it is acknowledged.
        say(writing=str(path), marker=f"zebra{n}")
        path.write_text(f"# Part {n}\n\nThe marker of this part is zebra{n}, kept in room {n}.\n" * 3)
        cortex.add([path])
        say(document=str(path), marker=f"zebra{n}")
        if n % 7 == 3:
            cortex.forget(memory.id)
            say(forgotten=memory.id)

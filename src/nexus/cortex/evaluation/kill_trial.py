"""One trial of the kill test: run the writer, kill it at a random moment, look at what is left.

Knows what was promised from the writer's own words only, never from the store.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.evaluation.kill_writer import FORGETS, FORGOTTEN
from nexus.cortex.evaluation.product import default_embedders


@dataclass
class Promised:
    """What the writer has acknowledged so far, over all its lives."""

    memories: dict[str, str] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    # Markers written to a document since its last acknowledgement: any of them may be the one stored.
    begun: dict[str, set[str]] = field(default_factory=dict)
    lives: int = 0
    acknowledged: int = 0

    def note(self, line: bytes) -> None:
        """Take in one line of the writer."""
        said = json.loads(line)
        if "memory" in said:
            self.memories[said["memory"]] = said["text"]
        elif "document" in said:
            self.documents[said["document"]] = said["marker"]
            self.begun[said["document"]] = set()
        elif "writing" in said:
            self.begun.setdefault(said["writing"], set()).add(said["marker"])
            return
        elif "forgotten" in said:
            del self.memories[said["forgotten"]]
        else:
            return
        self.acknowledged += 1

    def may_be_gone(self, memory: str) -> bool:
        """Whether the writer may have died while it was forgetting this memory: the very last one only."""
        number = int(self.memories[memory].split()[2])
        return memory == list(self.memories)[-1] and number % FORGETS == FORGOTTEN


def kill_once(home: Home, folder: Path, models: Path, promised: Promised, draw: random.Random) -> None:
    """Let the writer live for a random while, then kill -9."""
    start = promised.lives * 1000
    promised.lives += 1
    module = "nexus.cortex.evaluation.kill_writer"
    command = [sys.executable, "-m", module, str(home.root), str(models), str(folder), str(start)]
    # Not measured: a killed process saves no coverage, and measuring makes it slow.
    env = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
    assert writer.stdout
    # From before the stores are opened to deep in the work: repairs are killed, too.
    try:
        writer.stdout.readline()
        time.sleep(draw.choice([draw.uniform(0, 0.2), draw.uniform(0, 1.2)]))
    finally:
        writer.kill()
    rest = writer.stdout.read()
    writer.wait()
    writer.stdout.close()
    for line in rest.splitlines(keepends=True):
        if line.endswith(b"\n"):
            promised.note(line)


def losses(home: Home, models: Path, promised: Promised) -> list[str]:
    """What was promised and is not there, or is half there, one sentence each."""
    found = []
    with Cortex(home, CortexSettings(), default_embedders(models)) as cortex:
        held = {m.id: m.learning for m in cortex.memories()}
        for key in [k for k, text in promised.memories.items() if held.get(k) != text]:
            if not promised.may_be_gone(key) or (home.memories / f"{key}.md").exists():
                found.append(f"{key} is lost")
            del promised.memories[key]
        state = cortex.verify()
        if not state.sound:
            found.append(f"the index was not repaired: {state}")
        for path, marker in promised.documents.items():
            words = {marker, *promised.begun[path]}
            if not any(
                result.chunk.path == path and word in result.chunk.text
                for word in words
                for result in cortex.recall(word, 20, ("document",))
            ):
                found.append(f"{path} lost {marker}")
    found += [f"{path.name} was left behind" for path in home.memories.iterdir() if path.suffix != ".md"]
    return found

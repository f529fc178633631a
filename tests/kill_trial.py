"""One trial of the kill test: run the writer, kill it at a random moment, look at what is left."""

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
from nexus.cortex.embedder import OnnxEmbedder

WRITER = Path(__file__).with_name("kill_writer.py")


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


def kill_once(home: Home, folder: Path, embedder: Path, promised: Promised, draw: random.Random) -> None:
    """Let the writer live for a random while, then kill -9."""
    start = promised.lives * 1000
    promised.lives += 1
    command = [sys.executable, str(WRITER), str(home.root), str(embedder), str(folder), str(start)]
    # Not measured: a killed process saves no coverage, and measuring makes it slow.
    env = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
    assert writer.stdout
    # From before the stores are opened to deep in the work: repairs are killed, too.
    writer.stdout.readline()
    time.sleep(draw.choice([draw.uniform(0, 0.2), draw.uniform(0, 1.2)]))
    writer.kill()
    rest = writer.stdout.read()
    writer.wait()
    writer.stdout.close()
    for line in rest.splitlines(keepends=True):
        if line.endswith(b"\n"):
            promised.note(line)


def check(home: Home, embedder: OnnxEmbedder, promised: Promised) -> None:
    """Everything promised is there, found, and nothing else is half there."""
    with Cortex(home, CortexSettings(), embedder) as cortex:
        held = {m.id: m.learning for m in cortex.memories()}
        lost = [k for k, text in promised.memories.items() if held.get(k) != text]
        # Only the very last memory may be gone: it was just being forgotten when the writer died.
        for key in lost:
            assert key == list(promised.memories)[-1], f"{key} is lost"
            assert int(promised.memories[key].split()[2]) % 7 == 3, f"{key} is lost"
            assert not (home.memories / f"{key}.md").exists()
            del promised.memories[key]
        points = cortex._ledger.points()
        assert cortex._index.points() == set(points)
        for path, marker in promised.documents.items():
            words = {marker, *promised.begun[path]}
            assert any(
                result.chunk.path == path and word in result.chunk.text
                for word in words
                for result in cortex.recall(word, 20, ("document",))
            ), f"{path} lost {marker}"
        for name in home.memories.iterdir():
            assert name.suffix == ".md"

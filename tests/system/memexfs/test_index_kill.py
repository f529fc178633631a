"""The index under kill -9: whatever it was doing, the next one finds every file and nothing else."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nexus.cortex.embedder import OnnxEmbedder
from tests.unit.memexfs.index_sample import sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
KILLS, FILES = 25, 40
WORKER = """
import os, random, sys, time
from pathlib import Path
from nexus.core.paths import Home
from nexus.cortex.embedder import OnnxEmbedder
from tests.unit.memexfs.index_sample import sample

drawn = random.Random(int(sys.argv[2]))
embedder = OnnxEmbedder("all-minilm-l6-v2", Path(sys.argv[3]))
with sample(Home(Path(sys.argv[1])), embedder, "qdrant") as memex:
    memex.memex.start()
    print("ready", flush=True)
    while True:
        number = drawn.randrange(40)
        name = f"folder{number % 4}/{number}.md"
        text = f"# Note {number}\\n\\nKeeper {drawn.randrange(9999)} of the lighthouse. "
        text += "The sea is grey. " * 90
        if drawn.random() < 0.8:
            memex.write(name, text)
        elif (memex.tree / name).exists():
            memex.remove(name)
        time.sleep(0.02)
"""


def test_kill_9_at_any_point_leaves_nothing_to_mend_by_hand(home, embedder_folder):
    drawn = random.Random(11)
    for number in range(KILLS):
        command = [sys.executable, "-c", WORKER, str(home.root), str(number), str(embedder_folder)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], env=os.environ.copy()
        )
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(drawn.uniform(0, 1.5))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(60)
            process.stdout.close()
    with sample(home, OnnxEmbedder("all-minilm-l6-v2", embedder_folder), "qdrant") as memex:
        # What is on the disk and was not told of any more is `nexus.memexfs.reconcile`'s to find: done here.
        there = {os.fsencode(path.relative_to(memex.tree)) for path in memex.tree.rglob("*.md")}
        known = {row.path for row in memex.memex.store.files()}
        for path in known - there:
            memex.memex.store.removed(path, folder=False)
        memex.memex.store.enqueue(sorted(there), 0)
        memex.memex.pipeline.reconcile()
        memex.work()
        assert memex.memex.pipeline.reconcile() == 0
        assert memex.memex.store.check() == []
        assert memex.cortex.verify().sound
        assert memex.memex.status()["files"] == {"indexed": len(there)}
        assert memex.memex.status()["vectors"] == len(there)
        texts = {path: (memex.tree / os.fsdecode(path)).read_text() for path in sorted(there)}
        whole = [path for path, text in texts.items() if "Keeper " in text]  # or killed before it
        assert len(whole) > len(there) // 2
        for path in whole[:10]:
            text = texts[path]
            asked = f"keeper {text.split('Keeper ')[1].split()[0]} note {path.split(b'/')[1][:-3].decode()}"
            assert path in [found.path for found in memex.memex.search(asked, 10)]

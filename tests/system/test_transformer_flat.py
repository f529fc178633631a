"""Two million tokens through a Nexus: the process grows by at most two megabytes, the state not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

# The widths are small so that it takes a minute; memory, window and chunk are those that ship.
PROGRAM = """
import json, sys, torch
from nexus.core.platform import trim_heap
from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.model import Nexus
torch.set_num_threads(1)
memory = MemoryConfig(orders=(1, 3), key_width=16, value_width=16, replacement="priority")
model = Nexus(Config(16, 1, 2, 1, 2, 512, 8, group=8, memory=memory)).eval()
state, random, piece = model.start(1), torch.Generator().manual_seed(0), 9001
pages = lambda: int(open("/proc/self/statm").read().split()[1])
seen = []
while state.position < 2_000_000:
    state = model.stream(torch.randint(0, 512, (1, piece), generator=random), state)
    if state.position % (piece * 10) == 0:
        trim_heap()
        seen.append((state.position, pages(), state.bytes(), int(state.entries.occupied()[0])))
print(json.dumps(seen))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident pages are read from /proc")
def test_a_stream_of_two_million_tokens_takes_no_more_room_than_a_short_one() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=1200)
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert seen[-1][0] > 1_900_000
    assert seen[-1][3] > 16_000  # the memory was full, and full of what came last
    # Cut at odd places: a part of a chunk is in the state, too, at most 1,024 tokens and their hidden states.
    sizes = [size for _, _, size, _ in seen]
    assert max(sizes) - min(sizes) <= 1024 * (8 + 16 * 4)
    # Masks come and go with the cuts, a megabyte up and down: the heights of both ends are compared.
    pages, end = [pages for _, pages, _, _ in seen], len(seen) // 3
    assert (max(pages[-end:]) - max(pages[:end])) * 4096 < 2 << 20

"""Does a Flow that reads for a long time hold more and more memory? Prints JSON for bench/flowing.py.

    python bench/flowing_stream.py MEGABYTES FILE...

Reads the files over and over in steps of 4,096 bytes, a new text at each file, and learns all of it: nine
megabytes of ten as base text, the tenth as the user's. Resident memory is taken at each megabyte.
"""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import cycle
from pathlib import Path

from nexus.flowing.flow import Flow

STEP = 4096


def resident() -> float:
    """Megabytes of this process that are in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Read, measure, print."""
    wanted, texts = int(sys.argv[1]) * 1_000_000, [Path(name).read_bytes() for name in sys.argv[2:]]
    flow, read, held, longest = Flow(), 0, [resident()], 0.0
    began = time.process_time()
    for text in cycle(texts):
        flow.begin()
        for at in range(0, len(text), STEP):
            step = time.process_time()
            flow.read(text[at : at + STEP], learn=True, mixer=read // 1_000_000 % 10 == 9)
            longest = max(longest, time.process_time() - step)
            read += len(text[at : at + STEP])
            if read // 1_000_000 >= len(held):
                held.append(resident())
        if read >= wanted:
            break
    seconds = time.process_time() - began
    # The tables are touched little by little; by a fifth of the way all of them have been.
    settled = held[len(held) // 5 :]
    result = {
        "megabytes": read / 1e6,
        "kb_per_cpu_second": read / seconds / 1e3,
        "longest_step_cpu_ms": longest * 1e3,
        "rss_mb_at_the_beginning": held[0],
        "rss_mb_after_a_fifth": settled[0],
        "rss_mb_at_the_end": settled[-1],
        "rss_mb_growth_since_a_fifth": settled[-1] - settled[0],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""An agent with the same text twice: once offered for merging, once not. Answers when it is asked."""

from __future__ import annotations

import sys

from nexus.agentmem import merge

MIB = 1 << 20


def text(size: int) -> bytes:
    """The same in every process, and no two of its pages alike."""
    line = b"%015d\n"
    return b"".join(line % number for number in range(size // 16))


offered = merge.copy(text(int(sys.argv[1]) * MIB))
kept = bytearray(text(int(sys.argv[1]) * MIB))
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "write":
        offered[:5] = b"mine!"
    print(offered[5:].startswith(kept[5:20]) and bytes(offered[16:]) == bytes(kept[16:]), flush=True)

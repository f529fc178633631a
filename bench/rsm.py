"""How many tokens a second one core writes into the transformer's memory, and reads; beside bare traffic.

    python bench/rsm.py [--rounds N] [--json FILE]

16,384 entries (2,048 sets of 8 ways), keys and values of 64, chunks of 1,024 tokens; full before it is
timed. Each figure is the median of processor time of one thread; the cases take turns, so that a busy
machine hurts them all alike, and the spread over the rounds is told.

write, ...          `chunked.write_`: all tokens or 20 %, LRU and by priority, without and with payloads
write, functional   `chunked.write` without gradients: it copies the memory
write, tape         `Tape.write` with gradients to gates, keys and values, forward only
read, exact         one tag a token, without and with payloads
read, probe 4       4 of 2,048 sets by centroid
read, dense         softmax over all entries
limit, ...          the same bytes moved by plain gathers and copies of rows: what cannot be beaten here

The limit of a write: read and write the keys and values of the rows that are written, read those of the
tokens, and the tags of their sets. The limit of an exact read: read the tags of the sets and the rows of
the values and keys.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import record
import torch
from torch import Tensor

from nexus.transformer.rsm import chunked, read
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.shape import Replacement, Shape
from nexus.transformer.rsm.tape import Tape
from nexus.transformer.rsm.writes import Writes

CHUNK: Final = 1024
KEYS: Final = 60_000  # different tags, drawn evenly: more than there are entries
WIDTH: Final = 64


def writes(shape: Shape, n: int, clock: Tensor, random: torch.Generator) -> Writes:
    """n random writes of a chunk that begins at `clock` [1]."""
    tag = torch.randint(0, KEYS, (n,), generator=random)
    time_ = clock + torch.arange(n)
    return Writes(
        stream=torch.zeros(n, dtype=torch.int64),
        set=(tag * 2_654_435_761) % shape.sets,
        tag=tag,
        gate=torch.rand(n, generator=random) * 0.9,
        key=torch.randn(n, WIDTH, generator=random),
        value=torch.randn(n, WIDTH, generator=random),
        payload=torch.zeros(n, shape.payload, dtype=torch.int32),
        place=time_ + 1,
        time=time_,
        priority=torch.rand(n, generator=random),
    )


def full(replacement: Replacement, payload: int, random: torch.Generator) -> Entries:
    """A memory whose every way is taken."""
    memory = Entries.empty(Shape(payload=payload, replacement=replacement), 1)
    while int(memory.occupied()) < memory.shape.entries:
        chunked.write_(memory, writes(memory.shape, 4 * CHUNK, memory.clock, random), 4 * CHUNK)
    return memory


def writing(memory: Entries, n: int, random: torch.Generator) -> Callable[[], object]:
    """Writes into the memory, drawn beforehand; only their times are set each time."""
    drawn = [writes(memory.shape, n, memory.clock, random) for _ in range(8)]
    turn = iter(range(1 << 60))

    def once() -> None:
        now = drawn[next(turn) % len(drawn)]
        torch.add(torch.arange(n), memory.clock, out=now.time)
        chunked.write_(memory, now, CHUNK)

    return once


def cases(random: torch.Generator) -> dict[str, Callable[[], object]]:
    """What is timed, by name; each call is one chunk."""
    found: dict[str, Callable[[], object]] = {}
    few = CHUNK // 5
    for replacement, payload in (("lru", 0), ("lru", 32), ("priority", 32)):
        memory = full(replacement, payload, random)  # type: ignore[arg-type]
        for share, n in (("all tokens", CHUNK), ("20 %", few)):
            found[f"write, {share}, {replacement}, payload {payload}"] = writing(memory, n, random)
    memory = full("lru", 32, random)
    one = writes(memory.shape, CHUNK, memory.clock, random)
    found["write, functional, all tokens"] = lambda: chunked.write(memory, one, CHUNK)
    taped = full("lru", 32, random)

    def tape() -> None:
        now = writes(taped.shape, CHUNK, taped.clock, random)
        for tensor in (now.gate, now.key, now.value):
            tensor.requires_grad_()
        with torch.enable_grad():
            Tape(taped).write(now, CHUNK)

    found["write, tape, all tokens"] = tape
    query = torch.randn(1, CHUNK, WIDTH, generator=random)
    centroids = torch.randn(memory.shape.sets, WIDTH, generator=random)
    sets, tags = one.set[None], one.tag[None]
    found["read, exact"] = lambda: read.exact(memory, sets, tags, payload=False)
    found["read, exact, payloads"] = lambda: read.exact(memory, sets, tags)
    found["read, probe 4"] = lambda: read.probe(memory, query, centroids, 4)
    found["read, dense"] = lambda: read.dense(memory, query)
    for share, n in (("all tokens", CHUNK), ("20 %", few)):
        found[f"limit, write, {share}"] = _moved(memory, n, random, write=True)
    found["limit, read, exact"] = _moved(memory, CHUNK, random, write=False)
    return found


def _moved(memory: Entries, n: int, random: torch.Generator, *, write: bool) -> Callable[[], object]:
    """The traffic alone: rows at random places, as the memory's own are."""
    key, value = memory.key.clone().view(-1, WIDTH), memory.value.clone().view(-1, WIDTH)
    slot = torch.randperm(memory.shape.entries, generator=random)[:n]
    tags, row = memory.tag.view(-1, memory.shape.ways), slot // memory.shape.ways

    def once() -> None:
        tags.index_select(0, row)
        for table in (key, value):
            rows = table.index_select(0, slot)
            if write:
                table.index_copy_(0, slot, rows)

    return once


def main() -> None:
    """Time all of it and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    taken: dict[str, list[float]] = {}
    with torch.no_grad():
        timed = cases(torch.Generator().manual_seed(0))
        for turn in range(options.rounds + 3):
            for name, once in timed.items():
                began = time.process_time()
                once()
                if turn >= 3:  # the first ones warm up
                    taken.setdefault(name, []).append(time.process_time() - began)
    results: dict[str, Any] = {}
    for name, seconds in taken.items():
        quarter, median, other = statistics.quantiles(seconds, n=4)
        results[name] = {"tokens_per_second": CHUNK / median, "quartiles": [CHUNK / other, CHUNK / quarter]}
        print(f"{name:44} {CHUNK / median:12,.0f} tok/s  [{CHUNK / other:,.0f} .. {CHUNK / quarter:,.0f}]")
    for limit, case in (
        ("limit, write, all tokens", "write, all tokens, lru, payload 0"),
        ("limit, write, 20 %", "write, 20 %, lru, payload 0"),
        ("limit, read, exact", "read, exact"),
    ):
        share = results[case]["tokens_per_second"] / results[limit]["tokens_per_second"]
        results[case]["share_of_limit"] = share
        print(f"{case} is at {share:.0%} of what its traffic alone allows")
    record.write(results, options.json)


if __name__ == "__main__":
    main()

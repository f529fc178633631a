"""What the memory costs the window, and whether a long stream is as fast as a short one.

Usage: python bench/transformer_stream.py [--json FILE] [--size xs|s|m] [--long TOKENS] [--meanings SETS]
           [--device cpu|cuda] [--runs N]

One stream, one thread on a CPU; there a second is one of process time, so that other work does not count.
Random weights and tokens of a skewed distribution: what is read, written and replaced does not depend on
what they mean. "taken in" is `Nexus.stream`, "read" one that reads at every token, too; both beside the
window alone in turns. Full attention, of the same weights and taken in by the same chunks, at the lengths
where it can be waited for.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import record
import torch
from torch import Tensor

from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.controls import CONTROLS
from nexus.transformer.model import Nexus

SHORT = 16_384
FULL = (4096, 8192, 16_384)


def clock(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def drawn(count: int, vocabulary: int, device: str, seed: int) -> Tensor:
    """int64 [1, count]: few tokens often, most of them seldom, as words are."""
    random = torch.Generator().manual_seed(seed)
    spread = torch.rand(1, count, generator=random).pow(3) * vocabulary
    return spread.long().clamp(max=vocabulary - 1).to(device)


def in_turns(works: Mapping[str, Callable[[], None]], device: str, runs: int) -> dict[str, float]:
    """Median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            began = clock(device)
            work()
            seconds[name].append(clock(device) - began)
    return {name: statistics.median(each) for name, each in seconds.items()}


def lanes(model: Nexus, device: str, runs: int) -> dict[str, float]:
    """Seconds of SHORT tokens, the memory full, by what is done with them."""
    config = model.config
    warm = model.stream(drawn(8 * SHORT, config.vocabulary, device, 0), model.start(1, device))
    tokens = drawn(SHORT, config.vocabulary, device, 1)

    def alone() -> None:
        past = warm.window
        for _, piece in model.steps(tokens, warm):
            _, past = model.backbone(piece, past)

    def taken() -> None:
        state = warm
        for number, (_, piece) in enumerate(model.steps(tokens, warm)):
            state = model.take(piece, state) if number else model(piece, state).state

    def read() -> None:
        state = warm
        for number, (_, piece) in enumerate(model.steps(tokens, warm)):
            state = model(piece, state, reuse=number > 0).state

    return in_turns({"window alone": alone, "taken in": taken, "read": read}, device, runs)


def flat(model: Nexus, device: str, long: int) -> dict[str, float]:
    """Tokens a second of the first SHORT tokens behind a full window and of the last of `long`."""
    vocabulary, state = model.config.vocabulary, model.start(1, device)
    rates: dict[str, float] = {}
    taken: list[float] = []
    while state.position < long:
        tokens = drawn(SHORT, vocabulary, device, state.position)
        began = clock(device)
        state = model.stream(tokens, state)
        taken.append(clock(device) - began)
        if state.position == 4 * SHORT:
            rates["16k"] = SHORT / statistics.median(taken[1:])
    rates[f"{long:,}"] = SHORT / statistics.median(taken[-3:])
    return rates


def beside_full(model: Nexus, device: str, runs: int) -> list[dict[str, float]]:
    """Tokens a second of a stream's first tokens, here and under full attention."""
    full: Any = CONTROLS["full-attention"](model.config).eval().to(device)
    full.load_state_dict(model.state_dict(), strict=False)
    rows = []
    for length in FULL:
        tokens = drawn(length, model.config.vocabulary, device, 2)

        def stream(one: Any, tokens: Tensor = tokens) -> None:
            one.stream(tokens, one.start(1, device))

        works = {"nexus": partial(stream, model), "full": partial(stream, full)}
        seconds = in_turns(works, device, runs)
        rates = {name: length / each for name, each in seconds.items()}
        rows.append({"tokens": length, **rates, "ratio": rates["nexus"] / rates["full"]})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--size", choices=["xs", "s", "m"], default="xs")
    parser.add_argument("--long", type=int, default=1 << 20)
    parser.add_argument("--meanings", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Nexus(getattr(Config, asked.size)(memory=MemoryConfig(meanings=asked.meanings)))
    model = model.eval().to(asked.device)
    results: dict[str, Any] = {"size": asked.size, "config": model.config.to_json()}
    with torch.no_grad():
        seconds = lanes(model, asked.device, asked.runs)
        results["lanes"] = {name: SHORT / each for name, each in seconds.items()}
        for name, each in seconds.items():
            more = each / seconds["window alone"] - 1
            print(f"{name:>12}: {SHORT / each:>9,.0f} tok/s, {more:+.1%} of the window's time", flush=True)
        results["full attention"] = beside_full(model, asked.device, asked.runs)
        for row in results["full attention"]:
            print(
                f"{row['tokens']:>7,.0f} tokens: {row['nexus']:,.0f} tok/s, "
                f"full attention {row['full']:,.0f}, ratio {row['ratio']:.2f}",
                flush=True,
            )
        results["flat"] = flat(model, asked.device, asked.long)
        for name, rate in results["flat"].items():
            print(f"at {name}: {rate:,.0f} tok/s", flush=True)
    record.write(results, asked.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What Flow learns, keeps and costs, each figure beside its control, in one run.

    NEXUS_DATA=FOLDER python bench/flowing.py [--stream MB] [--torch-python PATH] [--json FILE]

base     a novel: bits per byte while it is read, and on its last tenth, held out; PPM, a GRU (at equal and at
         ten times the CPU seconds), bzip2 and xz on the same bytes
users    every tenth session of coding agents, tool calls, small talk: 40 kB learnt as the user's, the next
         40 kB held out, before and after; what that, and dreaming of it, costs the novel's held-out tenth;
         control: learnt as base text
saving   seconds and megabytes
stream   resident memory while MB megabytes are learnt (default 100, ten minutes and more; 0 leaves it out)

NEXUS_DATA holds books/eval, books/train, agents and bench (docs/guides/benchmarks.md). The GRU needs torch:
where this Python has none, name one that has.
"""

from __future__ import annotations

import argparse
import bz2
import hashlib
import json
import lzma
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import flowing_ppm
import numpy as np
import record

from nexus.flowing.flow import Flow, Reading

HERE = Path(__file__).parent
NOVEL = "books/eval/10341.txt"
SESSIONS = "agents/specstory-claude-code"
OTHERS = {
    "tool calls, tau-bench": "agents/tau-bench/gpt-4o-airline.json",
    "small talk, LoCoMo": "bench/locomo-dev/locomo-dev.json",
}
EVERY = 10
LEARNT = 40_000
PIECE = 512


def user_texts(data: Path) -> dict[str, bytes]:
    """Every tenth of the sessions of at least 100 kB, by name, none twice; and two of another kind."""
    sessions: dict[bytes, Path] = {}
    for path in sorted((data / SESSIONS).rglob("*.md")):
        if ".specstory/history" in path.as_posix() and path.stat().st_size >= 100_000:
            sessions.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
    chosen = list(sessions.values())[::EVERY]
    texts = {f"session {path.name.removesuffix('.md')}": path.read_bytes() for path in chosen}
    return texts | {name: (data / place).read_bytes() for name, place in OTHERS.items()}


def timed(flow: Flow, data: bytes, **how: Any) -> tuple[Reading, float]:
    """A reading and its CPU seconds, in steps of 4,096 bytes as the learner reads."""
    began, bits, depth = time.process_time(), [], 0.0
    for at in range(0, len(data), 4096):
        step = flow.read(data[at : at + 4096], **how)
        bits.append(step.bits)
        depth += step.flow_depth * len(step.bits)
    return Reading(np.concatenate(bits), depth / len(data)), time.process_time() - began


def held_out(flow: Flow, data: bytes, mixer: int = 0) -> float:
    """Bits per byte of a new text, nothing learnt."""
    flow.begin()
    return flow.read(data, learn=False, mixer=mixer).bits_per_byte


def base(flow: Flow, novel: bytes, tail: bytes, torch_python: str) -> dict[str, Any]:
    """Learn the novel; the controls read the same bytes."""
    reading, seconds = timed(flow, novel, learn=True)
    ppm = flowing_ppm.Ppm()
    began = time.process_time()
    ppm_bits = ppm.read(novel, learn=True) / len(novel)
    ppm_seconds = time.process_time() - began
    ppm.recent = b""
    # At equal CPU: as much of the novel as each of the two reads in the seconds of the slower one.
    equal = min(len(novel), int(len(novel) * seconds / ppm_seconds))
    return {
        "bytes": len(novel),
        "flow": {
            "online_bpb": reading.bits_per_byte,
            "held_out_bpb": held_out(flow, tail),
            "cpu_seconds": seconds,
            "kb_per_cpu_second": len(novel) / seconds / 1e3,
            "flow_depth": reading.flow_depth,
        },
        "ppm": {
            "online_bpb": ppm_bits,
            "held_out_bpb": ppm.read(tail, learn=False) / len(tail),
            "cpu_seconds": ppm_seconds,
            "bytes_read_in_flows_seconds": equal,
        },
        "bzip2_bpb": len(bz2.compress(novel)) * 8 / len(novel),
        "xz_bpb": len(lzma.compress(novel, preset=9 | lzma.PRESET_EXTREME)) * 8 / len(novel),
        "gru": {f"{times}x": gru(torch_python, times * seconds, novel, tail) for times in (1, 10)},
    }


def gru(python: str, seconds: float, novel: bytes, tail: bytes) -> dict[str, Any] | str:
    """The back-propagation control, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "train", Path(folder) / "held-out"]
        for file, data in zip(files, (novel, tail), strict=True):
            file.write_bytes(data)
        command = [python, str(HERE / "flowing_gru.py"), str(seconds), *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"not measured: {done.stderr.strip().splitlines()[-1]}"
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def user(saved: Path, text: bytes, tail: bytes, mixer: int) -> dict[str, float]:
    """One user on top of the saved base; `mixer` 0 is the control without parts of the user's own."""
    flow = Flow.load(saved)
    learnt, later = text[:LEARNT], text[LEARNT : 2 * LEARNT]
    before = {"frozen": held_out(flow, later, mixer), "base": held_out(flow, tail)}
    flow.begin()
    reading, seconds = timed(flow, learnt, learn=True, mixer=mixer)
    after = {"frozen": held_out(flow, later, mixer), "base": held_out(flow, tail)}
    # Dreaming: the half of the pieces that surprised more, once again.
    pieces = [
        (float(reading.bits[at : at + PIECE].mean()), learnt[at : at + PIECE])
        for at in range(0, len(learnt), PIECE)
    ]
    for _, piece in sorted(pieces, reverse=True)[: len(pieces) // 2]:
        flow.begin()
        flow.read(piece, learn=True, mixer=mixer)
    dreamt = {"frozen": held_out(flow, later, mixer), "base": held_out(flow, tail)}
    flow.begin()
    online = flow.read(later, learn=True, mixer=mixer).bits_per_byte
    return {
        "frozen_bpb": before["frozen"],
        "while_learning_bpb": reading.bits_per_byte,
        "later_held_out_bpb": after["frozen"],
        "later_held_out_ratio": after["frozen"] / before["frozen"],
        "later_while_learning_on_ratio": online / before["frozen"],
        "after_dreaming_ratio": dreamt["frozen"] / before["frozen"],
        "base_cost_of_user_bpb": after["base"] - before["base"],
        "base_cost_after_dreaming_bpb": dreamt["base"] - before["base"],
        "kb_per_cpu_second": len(learnt) / seconds / 1e3,
    }


def saving(flow: Flow, path: Path) -> dict[str, float]:
    """What a checkpoint costs."""
    began = time.process_time()
    flow.save(path)
    saved = time.process_time()
    Flow.load(path)
    return {
        "megabytes": path.stat().st_size / 1e6,
        "save_cpu_seconds": saved - began,
        "load_cpu_seconds": time.process_time() - saved,
    }


def main() -> None:
    """Run all of it and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stream", type=int, default=100, help="megabytes")
    parser.add_argument("--torch-python", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    data = Path(os.environ["NEXUS_DATA"])
    stream = None
    if options.stream:
        books = sorted((data / "books/train").glob("*.txt"), key=lambda p: (-p.stat().st_size, p.name))[:60]
        command = [sys.executable, str(HERE / "flowing_stream.py"), str(options.stream), *map(str, books)]
        stream = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = (data / NOVEL).read_bytes()
    novel, tail = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
    flow = Flow()
    results: dict[str, Any] = {}
    results["base"] = base(flow, novel, tail, options.torch_python)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "base.flow"
        results["saving"] = saving(flow, saved)
        users = user_texts(data)
        results["users"] = {name: user(saved, text, tail, 1) for name, text in users.items()}
        results["users_without_parts_of_their_own"] = {
            name: user(saved, text, tail, 0) for name, text in users.items()
        }
    for name in ("users", "users_without_parts_of_their_own"):
        rows = list(results[name].values())
        results[f"median of {name}"] = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    ratios = [row["later_held_out_ratio"] for row in results["users"].values()]
    results["users_at_half_or_less"] = f"{sum(ratio <= 0.5 for ratio in ratios)} of {len(ratios)}"
    if stream:
        results["stream"] = json.loads(stream.communicate()[0])
    print(json.dumps(results, indent=2))
    record.write(results, options.json)


if __name__ == "__main__":
    main()

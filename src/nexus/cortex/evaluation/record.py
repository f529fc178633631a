"""Results of a bench as JSON, with what is needed to take them again: commit, machine, versions, command."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from nexus.core.errors import StorageError

_LIBRARIES = ("nexus", "numpy", "onnxruntime", "qdrant-edge-py", "tokenizers", "pystemmer")


def write(results: Any, path: Path | None) -> None:
    """Write `results` with their circumstances to `path`; None writes nothing. Raises `StorageError`."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps(circumstances() | {"results": results}, indent=2, ensure_ascii=False) + "\n"
        )
    except OSError as error:
        raise StorageError.from_os(error, path) from error


# What benches write while they run.
_RESULTS = (":(top,exclude)bench/results", ":(top,exclude)docs/reference/benchmarks.md")


def circumstances() -> dict[str, Any]:
    """When, where, with what and by which command."""
    return {
        "commit": commit(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": platform.platform(),
            "load": os.getloadavg(),
        },
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _LIBRARIES},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def commit(folder: Path = Path(__file__).parent) -> str:
    """The commit that `folder` is of, with "-dirty" where other files than results differ from it; ""
    outside a checkout."""
    described = _git(folder, "describe", "--always")
    changed = described and _git(
        folder, "status", "--porcelain", "--untracked-files=no", "--", ":/", *_RESULTS
    )
    return f"{described}-dirty" if changed else described


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()

"""What one event of an agent costs: our hook client against the same in Python, service up and down.

    python bench/hook.py [--runs 40]

Wall and CPU time of the whole process, median and 95th percentile, A B A B in one run. The service is
the real socket with a fixed answer, so that the figures are the client's and the socket's alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import sysconfig
import tempfile
from pathlib import Path

import record

from nexus.cortex.evaluation.running_service import process_cost
from nexus.service.hook_socket import HookSocket

PYTHON = """
import os, socket, struct, sys
event = sys.stdin.buffer.read()
try:
    service = socket.socket(socket.AF_UNIX)
    service.connect(os.environ["NEXUS_HOME"] + "/run/hook.sock")
except OSError:
    sys.exit(0)
part = lambda data: struct.pack("!I", len(data)) + data
service.sendall(b"NXH1" + part(b"") + part(b"") + part(event))
reply = service.makefile("rb").read()
sys.stdout.buffer.write(reply[4:])
"""
ANSWER = json.dumps(
    {"hookSpecificOutput": {"hookEventName": "UserPromptSubmit", "additionalContext": "x" * 2000}}
).encode()
SMALL = json.dumps({"hook_event_name": "UserPromptSubmit", "prompt": "which port?", "cwd": "/"}).encode()
LARGE = json.dumps({"hook_event_name": "PostToolUse", "tool_response": "line\n" * 400_000}).encode()


def measure(command: list[str], event: bytes, home: Path) -> tuple[float, float]:
    """Wall and CPU milliseconds of one process."""
    wall, cpu, _ = process_cost(command, event, {"NEXUS_HOME": str(home), "PATH": "/usr/bin:/bin"})
    return wall, cpu


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--out", type=Path)
    runs = parser.parse_args()
    clients = {
        "nexus-hook": [str(Path(sysconfig.get_path("scripts")) / "nexus-hook")],
        "python": [sys.executable, "-ES", "-c", PYTHON],
    }
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        up, down = Path(folder) / "up", Path(folder) / "down"
        (up / "run").mkdir(parents=True)
        (down / "run").mkdir(parents=True)
        listening = HookSocket(up / "run" / "hook.sock", lambda call: ANSWER)
        listening.start()
        cases = {"up": (SMALL, up), "down": (SMALL, down), "up, event of 2 MB": (LARGE, up)}
        times: dict[str, list[tuple[float, float]]] = {}
        for _ in range(runs.runs):
            for case, (event, home) in cases.items():
                for name, command in clients.items():
                    times.setdefault(f"{name}, {case}", []).append(measure(command, event, home))
        listening.stop()
    for name, pairs in times.items():
        wall, cpu = [w for w, _ in pairs], [c for _, c in pairs]
        results[name] = {
            "wall_ms": round(statistics.median(wall), 2),
            "wall_p95_ms": round(statistics.quantiles(wall, n=20)[-1], 2),
            "cpu_ms": round(statistics.median(cpu), 2),
        }
        print(f"{name:<32} {results[name]}")
    record.write(results, runs.out)


if __name__ == "__main__":
    main()

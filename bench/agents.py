"""What an agent waits for: the MCP handshake and calls over both transports, and the hook at a prompt.

    python bench/agents.py --models build/models [--memories 300] [--runs 50]

Starts a service of its own with as many memories. Milliseconds on the wall, median and 95th percentile.
"first" is the handshake with a service that has just begun to listen, its stores still opening.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import record

HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
PROMPT = {"hook_event_name": "UserPromptSubmit", "cwd": "/", "prompt": "Which port does service 7 listen on?"}


def request(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


SEARCH = request("tools/call", {"name": "memory_search", "arguments": {"query": "port of service 7"}})


def spread(work: Callable[[int], object], runs: int) -> dict[str, float]:
    """Wall milliseconds of `work`."""
    times = []
    for number in range(runs):
        started = time.perf_counter()
        work(number)
        times.append(1e3 * (time.perf_counter() - started))
    return {
        "p50_ms": round(statistics.median(times), 2),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 2),
    }


def first_handshake(client: httpx.Client, patience: float = 60) -> float:
    """Milliseconds of the handshake, as soon as anybody listens."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        started = time.perf_counter()
        try:
            client.post("/mcp", json=request("initialize", HELLO)).raise_for_status()
            return round(1e3 * (time.perf_counter() - started), 2)
        except httpx.ConnectError:
            time.sleep(0.01)
    raise SystemExit("the service does not listen")


def relay(env: dict[str, str]) -> tuple[subprocess.Popen[bytes], Callable[[dict[str, Any]], object]]:
    """A running `nexus mcp`, and how to ask it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nexus", "mcp"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    given, taken = process.stdin, process.stdout

    def ask(message: dict[str, Any]) -> object:
        given.write(json.dumps(message).encode() + b"\n")
        given.flush()
        return json.loads(taken.readline())

    return process, ask


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--memories", type=int, default=300)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--port", type=int, default=18_765)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"memories": options.memories}
    with tempfile.TemporaryDirectory() as folder:
        env = {
            **os.environ,
            "NEXUS_HOME": folder,
            "NEXUS_MODELS_FOLDER": str(options.models.resolve()),
            "NEXUS_SERVICE_PORT": str(options.port),
            "NEXUS_SERVICE_TOKEN": "t" * 32,
        }
        service = subprocess.Popen([sys.executable, "-m", "nexus", "up"], env=env, stderr=subprocess.DEVNULL)
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{options.port}",
            headers={**HEADERS, "authorization": "Bearer " + "t" * 32},
            timeout=60,
            trust_env=False,
        )
        try:
            results["handshake, first"] = {"ms": first_handshake(client)}
            while client.get("/readyz").status_code != 200:
                time.sleep(0.05)
            for number in range(options.memories):
                fact = f"service {number} listens on port {3000 + number} of host {number % 17}"
                client.post("/api/memories", json={"learning": fact}).raise_for_status()
            results["handshake, HTTP"] = spread(
                lambda _: client.post("/mcp", json=request("initialize", HELLO)), options.runs
            )
            results["call, HTTP"] = spread(lambda _: client.post("/mcp", json=SEARCH), options.runs)

            def start(_: int) -> None:
                process, ask = relay(env)
                ask(request("initialize", HELLO))
                process.communicate()

            results["start and handshake, stdio"] = spread(start, max(5, options.runs // 5))
            process, ask = relay(env)
            ask(request("initialize", HELLO))
            results["call, stdio"] = spread(lambda _: ask(SEARCH), options.runs)
            process.communicate()
            command = [str(Path(sysconfig.get_path("scripts")) / "nexus-hook")]

            def prompt(number: int) -> None:
                event = json.dumps({**PROMPT, "session_id": str(number)}).encode()
                done = subprocess.run(command, input=event, env=env, capture_output=True, check=True)
                assert b"additionalContext" in done.stdout

            results["hook at a prompt"] = spread(prompt, options.runs)
        finally:
            service.terminate()
            service.wait()
    for name, value in results.items():
        print(f"{name:<28} {value}")
    record.write(results, options.out)


if __name__ == "__main__":
    main()

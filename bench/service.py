"""What the service's own endpoints take: while the learner learns, per core, and the relay of each agent.

    python bench/service.py [--only latency throughput relay] [--rounds 8] [--seconds 5] [--json FILE]

latency     GET /api/status with a learner that learns and with the learner switched off, a service of its own
            for each, in turns. A request every 5 ms on one connection. Confidence: the rounds drawn anew.
throughput  requests per CPU second of the service (all its threads, by the kernel's clock), so that another
            load on the machine changes little; and per second of the clock. Service on one core, eight
            connections of `wrk` from another. Control in the same rounds: uvicorn and Starlette, as
            the service runs them, with one constant answer.
relay       memory of `nexus mcp` after a handshake, a list of tools and a call.

Needs the models of the tests (scripts/test-models.sh) and, for throughput, the program wrk. The learner reads
Python's own library; the service's store holds 20 memories.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import record

from nexus.cortex.evaluation.running_service import INITIALIZE, RunningService, request
from nexus.training.replay import Replay

MODELS = Path(os.environ.get("NEXUS_MODELS_FOLDER") or os.environ.get("NEXUS_TEST_MODELS") or "build/models")
CONNECTIONS = 8
EVERY_SECONDS = 0.005
LEARNT_FROM = 12 << 20  # bytes; more than is read while this measures
RECALL = json.dumps({"query": "Which port has service 7?"})
ENDPOINTS: tuple[tuple[str, str, str, bool], ...] = (
    # name, path, body of a POST, with the token
    ("GET /healthz", "/healthz", "", True),
    ("GET /readyz", "/readyz", "", True),
    ("GET /api/status", "/api/status", "", True),
    ("GET /api/status without a token", "/api/status", "", False),
    ("GET /v1/models", "/v1/models", "", True),
    ("GET /metrics", "/metrics", "", True),
    ("GET /api/memories", "/api/memories", "", True),
    ("POST /api/recall, one query", "/api/recall", RECALL, True),
)
CONTROL = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
async def constant(request):
    return JSONResponse({"status": "ok", "service": "nexusos"})
uvicorn.run(Starlette(routes=[Route("/", constant)]), port=int(sys.argv[1]), log_config=None,
            access_log=False, server_header=False)
"""


@contextmanager
def service(learning: bool, cores: set[int] | None = None) -> Iterator[tuple[RunningService, psutil.Process]]:
    """A service of its own with 20 memories, on `cores` where given, and its process."""
    with tempfile.TemporaryDirectory() as folder, on(cores):
        home = Path(folder) / "home"
        if learning:
            fill(home / "training" / "replay.db")
        settings = {"NEXUS_TRAINING_ENABLED": str(learning).lower()}
        running = RunningService(home, MODELS, **settings)
        running.start()
        try:
            for number in range(20):
                told = {"learning": f"Service {number} listens on port {8000 + number}, as agreed."}
                running.http.post("/api/memories", json=told).raise_for_status()
            yield running, process_of(running)
        finally:
            running.stop()


def process_of(running: RunningService) -> psutil.Process:
    """The process of a service that this one started."""
    port = int(running.env["NEXUS_SERVICE_PORT"])
    for child in psutil.Process().children():
        if any(c.laddr.port == port for c in child.net_connections("tcp") if c.status == "LISTEN"):
            return child
    raise SystemExit("the service that was started is not a child of this process")


@contextmanager
def on(cores: set[int] | None) -> Iterator[None]:
    """What is started within runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def fill(path: Path) -> None:
    """As much to read as the learner cannot finish meanwhile."""
    replay, size = Replay(path), 0
    for source in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        text = source.read_text(encoding="utf-8", errors="replace")
        replay.add(text, "conversation", source.name)
        size += len(text)
        if size >= LEARNT_FROM:
            break
    replay.close()


def latency(rounds: int, seconds: float) -> dict[str, Any]:
    """Milliseconds of GET /api/status with and without a learner at work."""
    taken: dict[bool, list[list[float]]] = {True: [], False: []}
    learnt, shares = [], []
    for number in range(2 * rounds):
        learning = number % 2 == 0
        with service(learning) as (running, _):
            if learning:
                wait_until(partial(bytes_learned, running))
            before = bytes_learned(running)
            taken[learning].append(ask(running, seconds))
            if learning:
                time.sleep(1.2)  # it reports once a second
                status = running.http.get("/api/status").json()
                learnt.append(status["learning"]["bytes_learned"] - before)
                shares.append(status["resources"]["background_cpu_percent"])
        print(f"{'learning' if learning else 'off':<9} {summed(taken[learning][-1:])}", flush=True)
    # The learner goes last: on a busy machine it may get nothing, and that round says nothing.
    kept = [number for number, size in enumerate(learnt) if size > 0]
    if len(kept) < 2:
        raise SystemExit("the learner got no processor time: this machine is too busy to measure it")
    taken = {side: [taken[side][number] for number in kept] for side in taken}
    ratios = {
        name: {"is": of(range(len(kept))), "95_percent": interval(len(kept), of)}
        for name, at in (("median", 50), ("p99", 99))
        for of in [partial(ratio, taken, at)]
    }
    return {
        "off": summed(taken[False]),
        "learning": summed(taken[True]),
        "ratio": ratios,
        "rounds": len(kept),
        "rounds_without_learning_left_out": rounds - len(kept),
        "bytes_learnt_a_second": round(statistics.median(learnt) / (seconds + 1.2)),
        "learner_percent_of_the_machine": statistics.median(shares),
    }


def wait_until(true: Callable[[], object], seconds: float = 120) -> None:
    """Raises `SystemExit` when it does not come true."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("the learner did not begin to learn")
        time.sleep(0.2)


def bytes_learned(running: RunningService) -> int:
    """As the service tells it."""
    return int(running.http.get("/api/status").json()["learning"].get("bytes_learned", 0))


def ask(running: RunningService, seconds: float) -> list[float]:
    """Milliseconds of each request, on one connection and without a client library's own time."""
    head = f"GET /api/status HTTP/1.1\r\nhost: {running.url[7:]}\r\n"
    head += f"authorization: {running.http.headers['authorization']}\r\n\r\n"
    taken, end = [], time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", int(running.env["NEXUS_SERVICE_PORT"])), 60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < end:
            began = time.perf_counter()
            connection.sendall(head.encode())
            said = connection.recv(1 << 16)
            while b"\r\n\r\n" not in said:
                said += connection.recv(1 << 16)
            size = int(re.search(rb"content-length: (\d+)", said, re.IGNORECASE)[1])  # type: ignore[index]
            while len(said) < said.index(b"\r\n\r\n") + 4 + size:
                said += connection.recv(1 << 16)
            taken.append((time.perf_counter() - began) * 1000)
            if b" 200 " not in said[:20]:
                raise SystemExit(f"the service answered {said[:100]!r}")
            time.sleep(EVERY_SECONDS)
    return taken


def percentile(values: Sequence[float], at: int) -> float:
    """The value below which `at` percent lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[at - 1]


def summed(rounds: list[list[float]]) -> dict[str, Any]:
    """Of all rounds together."""
    values = [value for each in rounds for value in each]
    return {
        "requests": len(values),
        "median_ms": round(percentile(values, 50), 3),
        "p99_ms": round(percentile(values, 99), 3),
    }


def ratio(taken: dict[bool, list[list[float]]], at: int, rounds: Sequence[int]) -> float:
    """A percentile while learning by that without, of these rounds."""
    both = [percentile([v for n in rounds for v in taken[side][n]], at) for side in (True, False)]
    return round(both[0] / both[1], 3)


def interval(rounds: int, of: Callable[[list[int]], float], times: int = 1000) -> list[float]:
    """Where 95 % of `of` lie when the rounds are drawn anew."""
    chance = random.Random(1)
    seen = sorted(of([chance.randrange(rounds) for _ in range(rounds)]) for _ in range(times))
    return [seen[int(times * 0.025)], seen[int(times * 0.975)]]


def throughput(rounds: int, seconds: int) -> dict[str, Any]:
    """Requests per second, of the clock and of the service's CPU, by endpoint."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("throughput needs two cores: one for the service, one for wrk")
    rows: dict[str, list[tuple[float, float]]] = {}
    with service(False, {cores[0]}) as (running, process), control(cores[0]) as (address, other), \
            tempfile.TemporaryDirectory() as folder:  # fmt: skip
        for _ in range(rounds):
            for name, path, body, token in ENDPOINTS:
                key = running.http.headers["authorization"] if token else ""
                command = [wrk, *script(Path(folder), body, key), f"-d{seconds}s", running.url + path]
                rows.setdefault(name, []).append(load(command, process.pid, cores[-1]))
            told = load([wrk, f"-d{seconds}s", address], other, cores[-1])
            rows.setdefault("control: Starlette, a constant answer", []).append(told)
    results = {}
    for name, pairs in rows.items():
        results[name] = {
            "requests_per_cpu_second": round(statistics.median(cpu for cpu, _ in pairs)),
            "least": round(min(cpu for cpu, _ in pairs)),
            "most": round(max(cpu for cpu, _ in pairs)),
            "requests_per_second": round(statistics.median(wall for _, wall in pairs)),
        }
        print(f"{name:<40} {results[name]}", flush=True)
    return results


def script(folder: Path, body: str, key: str) -> list[str]:
    """What wrk sends, beside a plain GET."""
    lines = [f'wrk.headers["authorization"] = "{key}"'] if key else []
    if body:
        lines += [
            'wrk.method = "POST"',
            'wrk.headers["content-type"] = "application/json"',
            f"wrk.body = [[{body}]]",
        ]
    path = folder / "request.lua"
    path.write_text("\n".join(lines))
    return ["-s", str(path)]


def load(command: list[str], pid: int, core: int) -> tuple[float, float]:
    """Requests per second of a process's CPU, and of the clock."""
    with on({core}):
        before, began = cpu_seconds(pid), time.monotonic()
        command = [command[0], "-t1", f"-c{CONNECTIONS}", *command[1:]]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        used, took = cpu_seconds(pid) - before, time.monotonic() - began
    found = re.search(r"(\d+) requests in", said)
    if found is None or "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"{' '.join(command)}\n{said}")
    return int(found[1]) / used, int(found[1]) / took


def cpu_seconds(pid: int) -> float:
    """Of all threads: the clock of Linux for another process."""
    return time.clock_gettime((~pid << 3) | 2)


@contextmanager
def control(core: int) -> Iterator[tuple[str, int]]:
    """The bare server, its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with on({core}):
        process = subprocess.Popen([sys.executable, "-c", CONTROL, str(port)])
    try:
        for _ in range(600):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/", process.pid
    finally:
        process.kill()
        process.wait()


def relay(times: int) -> dict[str, Any]:
    """Megabytes of a relay: in memory, and of its own."""
    asked = [
        request("initialize", INITIALIZE),
        request("tools/list", {}),
        request("tools/call", {"name": "memory_status", "arguments": {}}),
    ]
    command = [str(Path(sysconfig.get_path("scripts")) / "nexus"), "mcp"]
    resident, own, program = [], [], ""
    with service(False) as (running, _):
        # As for most users: the key lies in its file, not in the settings.
        env = {name: value for name, value in running.env.items() if name != "NEXUS_SERVICE_TOKEN"}
        key = str(running.http.headers["authorization"]).removeprefix("Bearer ")
        (Path(env["NEXUS_HOME"]) / "run" / "token").write_text(key)
        for _ in range(times):
            with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                assert process.stdin
                assert process.stdout
                for each in asked:
                    process.stdin.write(json.dumps(each).encode() + b"\n")
                    process.stdin.flush()
                    if "result" not in json.loads(process.stdout.readline()):
                        raise SystemExit(f"{each['method']} failed")
                memory = psutil.Process(process.pid).memory_full_info()
                resident.append(memory.rss / 1e6)
                own.append(memory.uss / 1e6)
                program = Path(psutil.Process(process.pid).exe()).name
                process.stdin.close()
    return {
        "resident_mb": round(statistics.median(resident), 2),
        "own_mb": round(statistics.median(own), 2),
        "program": program,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("latency", "throughput", "relay")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    results: dict[str, Any] = {}
    if "latency" in asked.only:
        results["latency"] = latency(asked.rounds, asked.seconds)
        print(json.dumps(results["latency"], indent=2))
    if "throughput" in asked.only:
        results["throughput"] = throughput(max(1, asked.rounds // 2), max(1, round(asked.seconds / 2)))
    if "relay" in asked.only:
        results["relay"] = relay(5)
        print(results["relay"])
    record.write(results, asked.json)


if __name__ == "__main__":
    main()

"""Whether background work keeps to its limit, how soon it makes room, and what it costs those who are served.

    python bench/governor.py [--seconds 30] [--percent 10 25] [--only share yield latency] [--json FILE]

A child that wants all of the processor is held by the governor: `all` is what the service does (it paces
itself, goes last, the kernel holds a quota), `pace` is the first of the three alone. `busy` has one process
that spins for each core. CPU is read from the child's own clock of the kernel, so other work on the machine
changes what the child gets, never how it is counted. Percent are of the whole machine.

Latency: a small HTTP endpoint in a process of its own, asked 100 times a second, with the child and without
in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import record

from nexus.core.settings import BackgroundSettings
from nexus.service.resource import ResourceGovernor

SPIN = [sys.executable, "-c", "while True: pass"]
BURNER = Path(__file__).with_name("burner.py")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Child:
    """The burner, and its clock."""

    def __init__(self, step_ms: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(BURNER), str(step_ms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.pid = self._process.pid
        self.rested()

    def say(self, line: str) -> None:
        """Send one line."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")

    def rested(self) -> float:
        """Wait until it rests; the monotonic time at which it came to."""
        assert self._process.stdout
        return float(self._process.stdout.readline())

    def cpu(self) -> float:
        """CPU seconds of all its threads: the clock of Linux for another process."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        with self._process:
            pass


@contextmanager
def load(processes: int) -> Iterator[None]:
    """So many processes that spin."""
    running = [subprocess.Popen(SPIN) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@contextmanager
def governed(percent: float, means: str, step_ms: float) -> Iterator[tuple[ResourceGovernor, Child]]:
    """A child held to `percent` in both modes, working."""
    governor = ResourceGovernor(BackgroundSettings(active_percent=percent, idle_percent=percent))
    governor.start()
    child = Child(step_ms)
    governor.listen(lambda serving: child.say("yield" if serving else "go"))
    try:
        if means == "all":
            governor.govern(child.pid)
        child.say(f"share {governor.share}")
        child.say("go")
        yield governor, child
    finally:
        child.stop()
        governor.stop()


def share(percent: float, means: str, busy: bool, step_ms: float, seconds: float) -> dict[str, Any]:
    """What the child used of the machine: the mean, and the most and least in any stretch of a second."""
    cores = os.cpu_count() or 1
    with load(cores if busy else 0), governed(percent, means, step_ms) as (governor, child):
        time.sleep(1)
        points = [(time.monotonic(), child.cpu())]
        while points[-1][0] - points[0][0] < seconds:
            time.sleep(0.01)
            points.append((time.monotonic(), child.cpu()))
        said = governor.as_dict()
    windows, last = [], 0
    for began, used in points:
        while last < len(points) and points[last][0] - began < 1.0:
            last += 1
        if last == len(points):
            break
        windows.append((points[last][1] - used) / (points[last][0] - began) / cores * 100)
    mean = (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0]) / cores * 100
    return {
        "percent": percent,
        "means": means,
        "machine": "busy" if busy else "quiet",
        "step_ms": step_ms,
        "mean": round(mean, 2),
        "most_in_a_second": round(max(windows), 2),
        "least_in_a_second": round(min(windows), 2),
        "scheduling": said["scheduling"],
        "cgroup": said["cgroup"],
    }


def make_room(percent: float, busy: bool, step_ms: float, times: int) -> dict[str, Any]:
    """How long until the child rests after a request came, and what it uses later than 50 ms after."""
    rested, used = [], []
    with load((os.cpu_count() or 1) if busy else 0), governed(percent, "all", step_ms) as (governor, child):
        for number in range(times):
            time.sleep(0.5 + number % 7 / 50)  # not in step with the pace
            asked = time.monotonic()
            with governor.serving():
                time.sleep(0.05)
                at_fifty = child.cpu()
                rested.append((child.rested() - asked) * 1000)
                time.sleep(0.2)
                used.append((child.cpu() - at_fifty) * 1000)
    return {
        "machine": "busy" if busy else "quiet",
        "step_ms": step_ms,
        "requests": times,
        "rests_after_ms_median": round(statistics.median(rested), 2),
        "rests_after_ms_most": round(max(rested), 2),
        "cpu_ms_later_than_50_ms_median": round(statistics.median(used), 3),
        "cpu_ms_later_than_50_ms_most": round(max(used), 3),
    }


def latency(percent: float, step_ms: float, seconds: float, rounds: int) -> dict[str, Any]:
    """Milliseconds of a request without and with the child, A B A B."""
    taken: dict[str, list[float]] = {"off": [], "on": []}
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        port = int(server.stdout.readline())
        ask(port, 1)
        for _ in range(rounds):
            taken["off"] += ask(port, seconds)
            with governed(percent, "all", step_ms):
                taken["on"] += ask(port, seconds)
    finally:
        server.kill()
        with server:
            pass
    found: dict[str, Any] = {"requests": {name: len(times) for name, times in taken.items()}}
    for name, times in taken.items():
        cuts = statistics.quantiles(times, n=100)
        found[f"{name}_p50_ms"], found[f"{name}_p99_ms"] = round(cuts[49], 3), round(cuts[98], 3)
    return found | {"p99_ratio": round(found["on_p99_ms"] / found["off_p99_ms"], 2)}


def ask(port: int, seconds: float) -> list[float]:
    """Ask every 10 ms; milliseconds of each request."""
    connection, taken = http.client.HTTPConnection("127.0.0.1", port), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        connection.request("GET", "/")
        connection.getresponse().read()
        taken.append((time.perf_counter() - began) * 1000)
        time.sleep(0.01)
    connection.close()
    return taken


def serve() -> None:
    """The endpoint: answers each request on a kept connection; prints its port. Ends when killed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWER)

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(run())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--percent", type=float, nargs="+", default=[10, 25])
    parser.add_argument("--step-ms", type=float, default=25)
    parser.add_argument("--only", nargs="+", choices=("share", "yield", "latency"))
    parser.add_argument("--machine", nargs="+", choices=("quiet", "busy"), default=["quiet", "busy"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        # Ends with whoever asked, however that one ended.
        parent = os.getppid()
        threading.Thread(target=lambda: _until_orphan(parent), daemon=True).start()
        return serve()
    parts = asked.only or ("share", "yield", "latency")
    results: dict[str, Any] = {"step_ms": asked.step_ms}
    if "share" in parts:
        results["share"] = []
        for machine in asked.machine:
            for means in ("pace", "all"):
                for percent in asked.percent:
                    row = share(percent, means, machine == "busy", asked.step_ms, asked.seconds)
                    results["share"].append(row)
                    print(
                        f"{percent:g} % {machine:<5} {means:<4} mean {row['mean']:6.2f}"
                        f"  second {row['least_in_a_second']:6.2f} to {row['most_in_a_second']:6.2f}"
                        f"  {row['scheduling']} {row['cgroup']}",
                        flush=True,
                    )
    if "yield" in parts:
        results["yield"] = []
        for machine in asked.machine:
            found = make_room(
                max(asked.percent), machine == "busy", asked.step_ms, max(3, int(asked.seconds))
            )
            results["yield"].append(found)
            print(found, flush=True)
    if "latency" in parts:
        results["latency"] = latency(max(asked.percent), asked.step_ms, asked.seconds / 3, 3)
        print(results["latency"], flush=True)
    record.write(results, asked.json)


def _until_orphan(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main()

"""What idle agents cost when they are paused, and beside it KSM alone and zswap alone.

    sudo python bench/agentmem_pause.py [--agents 10] [--heap 233] [--active 0.1] [--rounds 3] [--json FILE]

N real Node processes on pseudo-terminals, each with a heap of live objects of its own (233 MiB make 283 MB of
private memory, as gemini-cli has). One after the other:
KSM alone (all of them started with --merge); paused (all but the active ones); zswap alone (a memory limit of
what pausing came to makes the kernel choose what goes, knowing nothing of agents). RAM is the sum of PSS and
what zswap holds. Wake latency: from a key press to the first byte of the answer of a paused agent; "echo"
touches little, "sum" the whole heap. At the end the figures are extrapolated to 100 agents, 10 of them
active: a calculation, not a run.

Sets up a swap file and zswap by `nexus tune` and takes them away; needs root. Other work on the machine shows
in the latencies.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import record

from nexus.agentmem.footprint import Footprint, footprint
from nexus.agentmem.machine import Machine
from nexus.agentmem.pageout import meminfo
from nexus.agentmem.pause import members, pause, resume
from nexus.agentmem.registry import Registry
from nexus.agentmem.tune import Tune
from nexus.core.errors import NexusError
from nexus.core.paths import Home

MB = 1e6
SCRIPT = """
const wanted = Number(process.argv[1]) * 1048576, heap = [];
let seed = process.pid;
while (process.memoryUsage().heapUsed < wanted)
  for (let i = 0; i < 10000; i++) {
    seed = (seed * 48271) % 2147483647;
    heap.push({ number: seed, name: 'item ' + seed, role: 'tool', list: [seed, i, seed ^ i] });
  }
const sum = () => heap.reduce((total, item) => (total + item.number + item.list[2]) % 1000000007, 0);
const right = sum();
process.stdin.setRawMode(true);
process.stdin.on('data', (key) => {
  if (key.toString() === 's' && sum() !== right) process.stdout.write('broken');
  process.stdout.write('.');
});
process.stdout.write('ready');
"""


class Agent:
    """One Node process behind `nexus run`, on a terminal."""

    def __init__(self, name: str, heap_mb: int, *options: str, group: Path | None = None) -> None:
        words = ["-m", "nexus", "run", "--name", name, *options, "--", "node", "-e", SCRIPT, str(heap_mb)]
        self.name = name
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            if group:
                (group / "cgroup.procs").write_text(str(os.getpid()))
            os.execv(sys.executable, [sys.executable, *words])
        while b"ready" not in self._read():
            pass

    def press(self, key: str) -> float:
        """Seconds until it answers."""
        began = time.perf_counter()
        os.write(self._terminal, key.encode())
        answer = self._read()
        took = time.perf_counter() - began
        if answer != b".":
            raise SystemExit(f"{self.name} answered {answer!r}: its data is not what it was")
        return took

    def end(self) -> None:
        """Kill it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)

    def _read(self) -> bytes:
        if not select.select([self._terminal], [], [], 300)[0]:
            raise SystemExit(f"{self.name} does not answer")
        return os.read(self._terminal, 4096)


@contextmanager
def started(count: int, heap_mb: int, *options: str, group: Path | None = None) -> Iterator[list[Agent]]:
    """Agents, ended at the end."""
    agents: list[Agent] = []
    try:
        for number in range(count):
            agents.append(Agent(f"agent-{number}", heap_mb, *options, group=group))
        yield agents
    finally:
        for agent in agents:
            agent.end()


def taken(agents: list[Agent]) -> dict[str, float]:
    """MB of RAM that they take now, zswap's pool in it."""
    used = sum((footprint([agent.pid]) for agent in agents), Footprint())
    pool = meminfo().get("Zswap", 0)
    return {
        "pss_mb": round(used.pss / MB, 1),
        "private_mb": round(used.private / MB, 1),
        "swapped_mb": round(used.swapped / MB, 1),
        "zswap_pool_mb": round(pool / MB, 1),
        "ram_mb": round((used.pss + pool) / MB, 1),
    }


def spread(seconds: list[float]) -> dict[str, float]:
    """min, p50, p99 and max in ms."""
    found = sorted(seconds)
    last = min(len(found) - 1, round(0.99 * (len(found) - 1)))
    ms = {"min": found[0], "p50": statistics.median(found), "p99": found[last], "max": found[-1]}
    return {name: round(value * 1000, 1) for name, value in ms.items()} | {"count": len(found)}


def ksm_alone(machine: Machine, arguments: argparse.Namespace) -> dict[str, Any]:
    """Equal pages merged, by three scans of everything."""
    tune = Tune(machine)
    with started(arguments.agents, arguments.heap, "--merge") as agents:
        before = taken(agents)
        if "ksm" not in tune.apply(["ksm"]):
            return {"not measured": "KSM was on already, or is not in this kernel"}
        ksm = Path("/sys/kernel/mm/ksm")
        wanted, deadline = int((ksm / "full_scans").read_text()) + 3, time.monotonic() + 180
        while time.monotonic() < deadline and int((ksm / "full_scans").read_text()) < wanted:
            time.sleep(1)
        last = int((ksm / "general_profit").read_text())
        after = taken(agents)
        ksmd = next(p for p in Path("/proc").iterdir() if p.name.isdigit() and comm(p) == "ksmd")
        fields = (ksmd / "stat").read_text().rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return {"before": before, "after": after, "profit_mb": round(last / MB, 1), "ksmd_cpu_s_ever": cpu}


def comm(folder: Path) -> str:
    """A process' name."""
    with suppress(OSError):
        return (folder / "comm").read_text().strip()
    return ""


def zswap_alone(arguments: argparse.Namespace, active: int, limit_mb: float) -> dict[str, Any]:
    """The kernel's own choice, under a limit of what pausing came to; the active ones are used meanwhile."""
    mount = Path("/sys/fs/cgroup/memory")
    if not (mount / "memory.limit_in_bytes").exists():
        return {"not measured": "no memory controller of control groups v1"}
    folder = mount / f"nexus-bench-{os.getpid()}"
    folder.mkdir()
    try:
        with started(arguments.agents, arguments.heap, group=folder) as agents:
            before = [agent.press("s") for _ in range(10) for agent in agents[:active]]
            (folder / "memory.limit_in_bytes").write_text(str(int(limit_mb * MB)))
            after = [agent.press("s") for _ in range(10) for agent in agents[:active]]
            return {
                "limit_mb": round(limit_mb, 1),
                "after": taken(agents),
                "active_sum_ms": {"before": spread(before), "under the limit": spread(after)},
            }
    finally:
        with suppress(OSError):
            folder.rmdir()


def paused(arguments: argparse.Namespace, active: int) -> dict[str, Any]:
    """All but the active ones paused; then woken, one after the other, and paused again."""
    registry = Registry(Home.from_env())
    with started(arguments.agents, arguments.heap) as agents:
        found = {agent.pid: agent for agent in registry.agents()}
        idle, plain = agents[active:], taken(agents)
        awake = [agent.press(key) for agent in idle for key in "es"]
        seconds, processor = [], os.times()
        for agent in idle:
            seconds.append(pause(registry, found[agent.pid]).seconds)
        used = os.times()
        after = taken(agents)
        each = taken(idle)
        latency: dict[str, list[float]] = {"echo": [], "sum": [], "echo after resume": []}
        for _ in range(arguments.rounds):
            for kind, key in (("echo", "e"), ("sum", "s"), ("echo after resume", "e")):
                for agent in idle:
                    one = found[agent.pid]
                    if kind == "echo after resume":
                        resume(registry, one)
                    latency[kind].append(agent.press(key))
                    registry.set_awake(one)
                    pause(registry, one)
        children = (
            used.children_system - processor.children_system + used.children_user - processor.children_user
        )
        return {
            "before": plain,
            "after": after,
            "idle_ones": each,
            "processes": sum(len(members(found[agent.pid])) for agent in agents),
            "ms_to_pause_one": spread(seconds),
            "cpu_s_to_pause_one": round(children / len(idle), 2),
            "awake_ms": {"echo": spread(awake[::2]), "sum": spread(awake[1::2])},
            "wake_ms": {kind: spread(times) for kind, times in latency.items()},
        }


def extrapolated(result: dict[str, Any], agents: int, active: int) -> dict[str, Any]:
    """100 agents, 10 of them active, from what was measured. What they share is counted once."""
    idle = agents - active
    before, after, ones = result["before"], result["after"], result["idle_ones"]
    shared = before["pss_mb"] - before["private_mb"]
    awake = before["private_mb"] / agents
    asleep = ones["private_mb"] / idle
    pool = after["zswap_pool_mb"] / idle
    return {
        "an_active_one_mb": round(awake, 1),
        "a_paused_one_mb": round(asleep + pool, 1),
        "shared_once_mb": round(shared, 1),
        "100_agents_10_active_gb": round((10 * awake + 90 * (asleep + pool) + shared) / 1000, 2),
        "100_agents_never_paused_gb": round((100 * awake + shared) / 1000, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--agents", type=int, default=10)
    parser.add_argument("--heap", type=int, default=233, help="MiB of live objects each")
    parser.add_argument("--active", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["paused", "ksm", "zswap"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if os.geteuid():
        raise SystemExit("needs root: a swap file and zswap are set up and taken away")
    active = max(1, round(arguments.agents * arguments.active))
    if active >= arguments.agents:
        raise SystemExit("nobody would be idle: more --agents, or less --active")
    machine = Machine()
    with tempfile.TemporaryDirectory() as home:
        os.environ["NEXUS_HOME"] = home
        needed = (arguments.agents * (arguments.heap + 80) + 512) << 20
        tune = Tune(machine, swap_folder=Path(home), swap_bytes=needed)
        if tune.applied():
            raise SystemExit("`nexus tune` is in use on this machine; its figures would mix with ours")
        results: dict[str, Any] = {"agents": arguments.agents, "active": active, "heap_mib": arguments.heap}
        try:
            if "ksm" in arguments.only:
                results["ksm alone"] = ksm_alone(machine, arguments)
                tune.revert()
            tune.apply(["swap", "zswap"])
            results["compressor"] = machine.read("/sys/module/zswap/parameters/compressor")
            results["paused"] = paused(arguments, active)
            results["extrapolated"] = extrapolated(results["paused"], arguments.agents, active)
            if "zswap" in arguments.only:
                results["zswap alone"] = zswap_alone(arguments, active, results["paused"]["after"]["pss_mb"])
        except NexusError as error:
            raise SystemExit(str(error)) from error
        finally:
            tune.revert()
    show(results)
    record.write(results, arguments.json)


def show(results: dict[str, Any], indent: str = "") -> None:
    """Print nested figures."""
    for name, value in results.items():
        if isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values()):
            print(f"{indent}{name}")
            show(value, indent + "  ")
        else:
            print(f"{indent}{name}: {value}")


if __name__ == "__main__":
    main()

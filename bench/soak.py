"""A day of the whole service in minutes: five agents at work, kills, a full disk, jumps of the clock.

    python bench/soak.py --models build/models [--hours 24] [--minutes-an-hour 1] [--json FILE]

`nexus up` in processes of its own with everything switched on; the model is small, and real. Five agents work
on it by the interfaces that agents have (bench/soak_five.py); every sixth hour nobody asks, and it learns.
What was acknowledged stands in a ledger of the bench's own, and after every episode and at each quiet hour
the service is compared with it. Memory (PSS) of each process, open files, threads and the disk are taken
every few seconds. Ends with 1 where anything was lost or answered wrongly. bench/soak_report.py writes the
page. As root it fills a disk and mounts MemexFS; what cannot be had here is left out, and said.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import record

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import soak_figures as figures
from soak_agents import World
from soak_check import check
from soak_episodes import Episodes
from soak_five import crew
from soak_ledger import Ledger
from soak_sampler import Sampler

from nexus.core.errors import NexusError
from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.evaluation.product import default_embedders
from nexus.unikernel import builder
from tests.memex_mounts import take_away
from tests.moved_clock import made_clock
from tests.running import Service
from tests.small_disk import NoDiskError, mounted_disk

ROOT = Path(__file__).resolve().parents[1]
SEED = 20261122
SAMPLE_SECONDS = 3.0
DISK_MIB = 2048
# Hour, what, and how many hours at most. What a day of less than twelve has is the second list, by share.
WHOLE_DAY = (
    (4.0, "client storm", 0.5),
    (7.0, "clock jumps", 1.0),
    (10.0, "full disk", 0.75),
    (13.0, "client storm", 0.5),
    (15.0, "kill storm", 1.7),
)
SHORT_DAY = ((0.25, "clock jumps", 0.15), (0.55, "kill", 0.1))
QUIET_EVERY = 6
SETTINGS = {
    # Small pools, so that they are full early; one thread, and little learning, as others use the machine.
    "NEXUS_ENGINE_RAM_MIB": "64",
    "NEXUS_ENGINE_DISK_GIB": "1",
    "NEXUS_ENGINE_THREADS": "1",
    "NEXUS_ENGINE_REPLY_TOKENS": "24",
    "NEXUS_SERVICE_QUEUE": "64",
    "NEXUS_BACKGROUND_ACTIVE_SECONDS": "5",
    "NEXUS_BACKGROUND_IDLE_PERCENT": "15",
    "NEXUS_AGENTMEM_COLD_GIB": "0.25",
}


class Soak:
    """One run; `episodes` and `checks` are what there was so far."""

    def __init__(self, options: argparse.Namespace, world: World, sampler: Sampler, what: Episodes) -> None:
        self._options, self._world, self._sampler, self._what = options, world, sampler, what
        self._seconds = 60 * options.minutes_an_hour
        self.episodes: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        self.left_out: dict[str, str] = {}
        self.told: list[str] = []
        self._agents = crew(world, SEED)
        self.day = figures.Day(time.monotonic(), self._seconds)

    def run(self) -> None:
        """The whole day."""
        hours = self._options.hours
        plan = list(WHOLE_DAY)
        if hours < 12:
            plan = [(share * hours, name, length * hours) for share, name, length in SHORT_DAY]
        plan = [
            row for row in plan if row[0] < hours and (not self._options.only or row[1] in self._options.only)
        ]
        self.day = figures.Day(time.monotonic(), self._seconds)
        self._sampler.start()
        for agent in self._agents:
            agent.start()
        self._world.working.set()
        try:
            quiet = [h for h in range(1, int(hours)) if h % QUIET_EVERY == QUIET_EVERY - 1]
            for hour in sorted({*(start for start, _, _ in plan), *quiet}):
                self._wait(hour)
                for start, name, length in plan:
                    if start == hour:
                        self._episode(name, length)
                if hour in quiet:
                    self._quiet(hour)
            self._wait(hours)
            self._check("the end")
        finally:
            self._world.ended.set()
            for agent in self._agents:
                agent.join()
            self._sampler.stop()

    def _wait(self, hour: float) -> None:
        while (now := self.day.hour(time.monotonic())) < hour:
            time.sleep(min(1.0, (hour - now) * self._seconds))

    def _episode(self, name: str, length: float) -> None:
        if why := self._what.possible(name):
            self.left_out[name] = why
            print(f"{name}: left out, {why}", flush=True)
            return
        began = self.day.hour(time.monotonic())
        detail = self._what.of(name)(length * self._seconds)
        ended = self.day.hour(time.monotonic())
        told = {"name": name, "from": round(began, 3), "to": round(ended, 3), "detail": detail}
        self.episodes.append(told)
        print(told, flush=True)
        self._check(name)

    def _quiet(self, hour: float) -> None:
        """Nobody asks until the next hour; what is learnt meanwhile is."""
        self._check("a quiet hour", go_on=False)
        self._wait(hour + 1)
        self._world.working.set()

    def _check(self, after: str, *, go_on: bool = True) -> None:
        """While all agents rest."""
        self._world.working.clear()
        with ExitStack() as stack:
            for agent in self._agents:
                stack.enter_context(agent.turn)
            began = time.monotonic()
            done = check(self._world)
        self.told += done.told
        row = {
            "hour": round(self.day.hour(began), 2),
            "after": after,
            "checked": done.checked,
            "lost": done.lost,
            "unwritten": done.recent,
            "seconds": round(time.monotonic() - began, 1),
        }
        self.checks.append(row)
        print(row, *done.told, sep="\n  ", flush=True)
        if go_on:
            self._world.working.set()


def main() -> int:
    """Run, print, write; 1 where something was lost or wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--minutes-an-hour", type=float, default=1)
    parser.add_argument("--pause", type=float, default=0.5, help="mean seconds between two acts of an agent")
    parser.add_argument("--only", nargs="*", default=(), help="of the episodes, by name")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        with ExitStack() as stack:
            result = day(options, folder, stack)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    # Where the results lie is nobody's business.
    if "--json" in sys.argv:
        at = sys.argv.index("--json")
        sys.argv[at : at + 2] = []
    record.write(result, options.json)
    print({name: result[name] for name in ("writes", "endings", "left_out")})
    for problem in result["wrong"]:
        print(f"wrong: {problem}")
    return 1 if result["wrong"] or any(row["lost"] for row in result["writes"].values()) else 0


def day(options: argparse.Namespace, folder: Path, stack: ExitStack) -> dict[str, Any]:
    """The figures of a day in a fresh home."""
    left_out: dict[str, str] = {}
    # The whole file system is the home: what the service says is written elsewhere.
    home, disk = folder / "home", None
    try:
        disk = stack.enter_context(mounted_disk(home, DISK_MIB))
    except NoDiskError as error:
        left_out["full disk"] = str(error)
    point = folder / "memex" if os.geteuid() == 0 and Path("/dev/fuse").exists() else None
    if point is None:
        left_out["mount"] = "needs root and /dev/fuse"
    if why := _sandbox(home):
        left_out["sandbox"] = why
    clock = stack.enter_context(made_clock())
    (folder / "tmp").mkdir()
    env = {
        **SETTINGS,
        "TMPDIR": str(folder / "tmp"),
        "PYTHONFAULTHANDLER": "1",
        "CLAUDE_CONFIG_DIR": str(folder / "claude"),
        **(clock.env if clock else {}),
        **({"NEXUS_MEMEX_MOUNT": str(point)} if point else {}),
    }
    service = Service(home, options.models.resolve(), **env)
    world = World(service, Ledger(), folder, point, options.pause)
    with _served(service, point):
        _follow(world)
        ballast = home / "ballast"
        sampler = Sampler(home, SAMPLE_SECONDS, lambda: _used(ballast))
        what = Episodes(world, sampler, clock, disk, SEED)
        soak = Soak(options, world, sampler, what)
        soak.run()
        if clock:
            clock.move(timedelta())
        stopped = service.stop()
        log = service.log()
    wrong = [*soak.told, *what.wrong]
    if stopped != 0:
        wrong.append(f"the service stopped with {stopped}")
    if "Traceback" in log:
        wrong.append(f"a traceback in the log: {log[log.index('Traceback') :][:1500]}")
    with Cortex(Home(home), CortexSettings(), default_embedders(options.models.resolve())) as cortex:
        if not cortex.verify().sound:
            wrong.append(f"the store is not sound: {cortex.verify()}")
    requests = world.ledger.requests
    wrong += [f"{one.kind}: {one.outcome}" for one in requests if one.outcome.startswith("wrong")]
    endings = figures.endings(requests, soak.episodes, soak.day)
    wrong += [f"{n} times {outcome}, in no episode" for outcome, n in _unasked(endings)]
    return {
        "hours": options.hours,
        "minutes_an_hour": options.minutes_an_hour,
        "agents": [type(agent).__name__ for agent in crew(world, SEED)],
        "requests": len(requests),
        "left_out": left_out | soak.left_out,
        "episodes": soak.episodes,
        "checks": soak.checks,
        "writes": _writes(world, soak),
        "endings": endings,
        "wrong": [problem.replace(str(folder), "FOLDER") for problem in wrong],
        "processes": figures.processes(sampler.samples, soak.day),
        "latency": figures.latency(requests, soak.day),
        "disk": figures.disk(sampler.disk, soak.day),
    }


def _unasked(endings: dict[str, dict[str, int]]) -> Iterator[tuple[str, int]]:
    """What nothing explains: nobody broke anything then."""
    for outcome, number in endings.get(figures.QUIET, {}).items():
        if outcome not in ("ok", "wrong", "refused: busy"):
            yield outcome, number


def _writes(world: World, soak: Soak) -> dict[str, Any]:
    kinds = sorted({kind for row in soak.checks for kind in row["checked"]})
    return {
        kind: {
            "acknowledged": world.ledger.acknowledged[kind],
            "checked": sum(row["checked"].get(kind, 0) for row in soak.checks),
            "lost": sum(row["lost"].get(kind, 0) for row in soak.checks),
        }
        for kind in kinds
    }


@contextmanager
def _served(service: Service, point: Path | None) -> Iterator[None]:
    """The service until the context ends, and no mount of it after that."""
    try:
        service.start(180)
        yield
    except AssertionError:
        # All of it: where a process died is told at length.
        print((service.root.parent / f"{service.root.name}.log").read_text(errors="replace")[-50_000:])
        raise
    finally:
        if service.process:
            service.stop()
        if point is not None:
            take_away(point)


def _follow(world: World) -> None:
    """The folder that the service is to watch; an empty one is not taken."""
    followed = world.folder / "followed"
    followed.mkdir(exist_ok=True)
    (followed / "first.md").write_text("# First\n\nThis folder is followed.\n")
    with (
        world.service.client() as http,
        http.stream("POST", "/api/knowledge", json={"paths": [str(followed)]}) as reply,
    ):
        for _ in reply.iter_lines():
            pass


def _sandbox(home: Path) -> str:
    """Give the home the image that sandboxes run; why not, where it cannot be built."""
    base = ROOT / "build" / "unikernel"
    try:
        builder.python_image(build=True, base=base)
    except NexusError as error:
        return str(error)
    shutil.copytree(base, home / "cache" / "unikernel")
    return ""


def _used(ballast: Path) -> int:
    """Bytes that are taken on the disk, without what fills it."""
    return shutil.disk_usage(ballast.parent).used - (
        ballast.stat().st_blocks * 512 if ballast.exists() else 0
    )


if __name__ == "__main__":
    sys.exit(main())

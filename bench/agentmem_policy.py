"""Which order of leaving restores the fewest bytes while agents wait: semantic LRU, LRU, LRU-2, bound.

    NEXUS_DATA=folder python bench/agentmem_policy.py [--fit ROUNDS] [--json FILE]

Replays a trace with bench/agentmem_policy.c and the broker's own native/agentmem/broker/policy.c. What is
real in the trace: the sessions (SpecStory's Claude Code sessions, SWE-agent's, tau-bench's), their pieces
in order with their lengths, and within SpecStory's sessions the times. What is constructed: when each
session begins (working hours of five days), the times within the other sessions, that each session belongs
to four agents with times of their own, that agents of one kind share a prompt and tools of a measured size,
that an agent is paused half an hour after its last piece, that it comes back later once or more without
writing, and what it reads: prompt, tools and the last 16 pieces whenever it speaks; everything in 3 of 10
returns. Importance is the same for all. Half of the agents fit the weights (--fit, random steps kept when
they restore less), the other half give the figures. Memory is a share of what all of them hold at once at
most.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import re
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

import record

HERE = Path(__file__).resolve().parent
BROKER = HERE.parent / "native" / "agentmem" / "broker"
SHARES = (0.1, 0.2, 0.4)
CONVERSATION, PROMPT, TOOLS, RESULT = 1, 2, 3, 4
ACTIVE, IDLE, PAUSED = 1, 2, 3
RECENT = 16
TIMES = 4  # agents that have the same session at another time: few large sessions would decide otherwise
SHARED = {"specstory": (7200, 31900), "swe": (4000, 9000), "tau": (6500, 11000)}  # bytes of prompt and tools
HOUR = 3600.0
SPOKEN = re.compile(r"^_\*\*\w+.*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)Z\)\*\*_", re.M)

Piece = tuple[float, int, int]  # seconds since the session began, type, bytes


def specstory(folder: Path) -> list[list[Piece]]:
    """Sessions with their own times."""
    sessions = []
    for path in sorted(folder.rglob("*.md")):
        text = path.read_text(encoding="utf-8", errors="replace")
        marks = list(SPOKEN.finditer(text))
        pieces: list[Piece] = []
        for mark, following in itertools.zip_longest(marks, marks[1:]):
            said = text[mark.start() : following.start() if following else len(text)]
            at = datetime.fromisoformat(mark[1]).timestamp()
            kind = RESULT if "<tool-use" in said else CONVERSATION
            pieces.append((max(at, pieces[-1][0]) if pieces else at, kind, len(said.encode())))
        if len(pieces) >= 8:
            sessions.append([(at - pieces[0][0], kind, size) for at, kind, size in pieces])
    return sessions


def timed(messages: list[tuple[str, str]], draw: random.Random) -> list[Piece]:
    """Messages without times: an agent answers in seconds, a person in minutes, sometimes after hours."""
    at, pieces = 0.0, []
    for role, text in messages:
        kind = RESULT if role in ("tool", "observation") else CONVERSATION
        slow = role == "user" and draw.random() < 0.15
        at += draw.lognormvariate(math.log(HOUR), 1) if slow else draw.lognormvariate(math.log(15), 1)
        pieces.append((at, kind, max(1, len(text.encode()))))
    return pieces


def sessions(data: Path, draw: random.Random) -> list[tuple[str, list[Piece]]]:
    """Every session with its kind."""
    found = [("specstory", pieces) for pieces in specstory(data / "agents" / "specstory-claude-code")]
    for path in sorted((data / "agents" / "swe-agent").rglob("*.traj")):
        history = json.loads(path.read_text(encoding="utf-8")).get("history", [])
        told = [(m.get("role", ""), str(m.get("content", ""))) for m in history if m.get("role") != "system"]
        found.append(("swe", timed(told, draw)))
    for path in sorted((data / "agents" / "tau-bench").glob("*.json")):
        for task in json.loads(path.read_text(encoding="utf-8")):
            told = [(m["role"], json.dumps(m)) for m in task["traj"] if m["role"] != "system"]
            found.append(("tau", timed(told, draw)))
    return [(kind, pieces) for kind, pieces in found if len(pieces) >= 8]


def trace(agents: list[tuple[str, list[Piece]]], draw: random.Random) -> str:
    """The trace of these agents as agentmem_policy.c reads it."""
    kinds = sorted(SHARED)
    lines = [f"A {kinds.index(kind)}" for kind, _ in agents]
    units = [(size, kind, group) for group, name in enumerate(kinds) for size, kind in shared(name)]
    events: list[tuple[float, int, str, int, int]] = []
    for agent, (name, pieces) in enumerate(agents):
        common = [kinds.index(name) * 2, kinds.index(name) * 2 + 1]
        begin = 24 * HOUR * draw.randrange(5) + HOUR * draw.uniform(8, 17)
        own: list[int] = []
        last = read = -math.inf
        visits = [(begin + at, kind, size) for at, kind, size in pieces]
        end = visits[-1][0]
        while draw.random() < 0.5:  # it comes back and writes nothing
            end = 24 * HOUR * (end // (24 * HOUR) + draw.choice([0, 1, 1, 2])) + HOUR * draw.uniform(8, 18)
            if end > visits[-1][0] + 600:
                visits.append((end, 0, 0))
        for at, kind, size in visits:
            order = len(events)
            if at - last > 300:
                if last > 0:
                    events.append((last + 60, order, "s", agent, IDLE))
                if at - last > 1800 and last > 0:
                    events.append((last + 1800, order + 1, "s", agent, PAUSED))
                events.append((at, order + 2, "s", agent, ACTIVE))
            if at - read > 30:
                whole = at - last > 300 and draw.random() < 0.3
                wanted = common + (own if whole else own[-RECENT:])
                events += [(at, order + 3 + k, "r", agent, unit) for k, unit in enumerate(wanted)]
                read = at
            if size:
                own.append(len(units))
                units.append((size, kind, -1))
                events.append((at, order + 4 + len(own) + RECENT, "w", agent, own[-1]))
            last = at
        events.append((last + 24 * HOUR, len(events), "x", agent, 0))
    events.sort()
    lines += [f"U {size} {kind} {group}" for size, kind, group in units]
    lines += [f"E {round(at * 1000) + 1} {what} {agent} {number}" for at, _, what, agent, number in events]
    return "\n".join(lines) + "\n"


def shared(name: str) -> list[tuple[int, int]]:
    """Prompt and tools of a kind of agent."""
    prompt, tools = SHARED[name]
    return [(prompt, PROMPT), (tools, TOOLS)]


class Replay:
    """A process that has loaded a trace."""

    def __init__(self, program: Path, file: Path) -> None:
        self.process = subprocess.Popen(
            [program, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.most = self.run("lru", 1 << 60)[2]

    def run(self, policy: str, memory: int, weights: list[float] | None = None) -> list[int]:
        """Bytes and count restored, and the most that was held. `RuntimeError` when the program died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        told = " ".join(str(weight) for weight in weights or [])
        self.process.stdin.write(f"{policy} {memory} {told}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the replay ended at {policy} {memory}")
        return [int(word) for word in answer.split()]

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


NAMES = [f"agent[{i}]" for i in range(5)] + ["age", "age_again", "size", "importance", "sharers"]
NAMES += [f"type[{i}]" for i in range(1, 6)] + ["newest"]
FITTED = [2, 3, 6, 7, 9, 10, 11, 12, 13, 15]  # the trace says nothing of the others


def published() -> list[float]:
    """The weights of policy.c, in the order of NAMES."""
    text = (BROKER / "policy.c").read_text(encoding="utf-8")
    table = text[text.index("am_policy_default = {") : text.index("};")]
    found = {m[1]: [float(w) for w in m[2].strip("{}").split(",")] for m in
             re.finditer(r"\.(\w+) = (\{[^}]*\}|[-\d.]+)", table)}  # fmt: skip
    return [*found["agent"], *(found[n][0] for n in NAMES[5:10]), *found["type"][1:], found["newest"][0]]


def fit(replay: Replay, rounds: int, draw: random.Random) -> list[float]:
    """Random steps from the present weights; a step is kept when mean and worst memory gain."""

    def cost(weights: list[float]) -> float:
        shares = [
            replay.run("semantic", int(replay.most * share), weights)[0] / base[i]
            for i, share in enumerate(SHARES)
        ]
        return sum(shares) / len(shares) + max(shares)

    base = [max(1, replay.run("lru", int(replay.most * share))[0]) for share in SHARES]
    best = published()
    least = cost(best)
    for number in range(rounds):
        tried = list(best)
        for which in draw.sample(FITTED, draw.choice([1, 1, 2])):
            tried[which] = round(tried[which] + draw.gauss(0, 2 if number < rounds / 2 else 0.5), 2)
        if (now := cost(tried)) < least:
            best, least = tried, now
            print(f"step {number}: {least / 2:.3f} of what LRU restores: {best}", flush=True)
    return best


def main() -> None:
    """Make the traces, fit when asked, replay, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("NEXUS_DATA", "data")))
    parser.add_argument("--fit", type=int, default=0, help="steps of fitting; 0: the published weights")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    draw = random.Random(3)
    agents = sessions(options.data, draw)
    agents.sort(
        key=lambda agent: (agent[0], sum(size for _, _, size in agent[1]))
    )  # so that the halves are alike
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "agentmem_policy"
        sources = [HERE / "agentmem_policy.c", BROKER / "policy.c"]
        flags = ["-std=c11", "-O2", "-D_GNU_SOURCE", f"-I{BROKER}"]
        subprocess.run(["cc", *flags, *sources, "-lm", "-o", program], check=True)
        replays = []
        for half in range(2):
            file = Path(folder) / f"trace{half}"
            file.write_text(trace(agents[half::2] * TIMES, draw), encoding="ascii")
            replays.append(Replay(program, file))
        weights = fit(replays[0], options.fit, draw) if options.fit else published()
        print(
            f"{len(agents)} agents, half of them held out, which hold {replays[1].most / 1e6:.1f} MB at most"
        )
        print("weights:", {name: weight for name, weight in zip(NAMES, weights, strict=True) if weight})
        for share in SHARES:
            memory = int(replays[1].most * share)
            for policy in ("semantic", "lru", "lru2", "lru2apart", "bound"):
                restored = replays[1].run(policy, memory, weights if policy == "semantic" else None)
                rows.append({"memory": share, "policy": policy, "bytes": restored[0], "count": restored[1]})
                print(f"{share:4.0%}  {policy:<10} {restored[0] / 1e6:8.1f} MB  {restored[1]:7} restores")
        for replay in replays:
            replay.close()
    record.write({"rows": rows, "weights": dict(zip(NAMES, weights, strict=True))}, options.json)


if __name__ == "__main__":
    main()

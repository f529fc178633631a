"""What agents write, run by `nexus sandbox run`: CPython gives the same answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nexus.unikernel import fallback
from nexus.unikernel.images import Image

ORDERS = [
    {"id": 1, "customer": "Ada", "total": 120.5, "items": ["pen", "ink"], "at": "2026-03-01T10:00:00"},
    {"id": 2, "customer": "Grace", "total": 80.0, "items": ["paper"], "at": "2026-03-02T11:30:00"},
    {"id": 3, "customer": "Ada", "total": 42.25, "items": [], "at": "2026-03-05T09:15:00"},
]
SNIPPETS = {
    "json": """
        import json
        text = '{"users": [{"name": "Ada", "tags": ["x", "y"]}, {"name": "Bob", "tags": []}], "n": 1e3}'
        data = json.loads(text)
        by_name = {u["name"]: len(u["tags"]) for u in data["users"]}
        told = {**by_name, "n": data["n"], "nested": {"b": None, "a": [True, 1.5, "é"]}}
        print(json.dumps(told, indent=2, sort_keys=True))
        try:
            json.loads('{"broken": [1, 2}')
        except json.JSONDecodeError as error:
            print(error, error.pos)
    """,
    "regex": r"""
        import re
        log = "\n".join(
            f"2026-03-{d:02d} {h:02d}:00 {'ERROR' if h % 3 else 'INFO'} user{h}@example.org took {h * 17}ms"
            for d in range(1, 4)
            for h in range(0, 24, 5)
        )
        pattern = re.compile(
            r"^(?P<date>\d{4}-\d\d-\d\d) (?P<hour>\d\d):00 (?P<level>ERROR|INFO)"
            r" (\S+@[\w.]+) took (\d+)ms$",
            re.M,
        )
        for m in pattern.finditer(log):
            if m["level"] == "ERROR":
                print(m.groupdict(), m.group(4), int(m[5]))
        print(re.sub(r"(\w+)@([\w.]+)", lambda m: f"<{m[2]}:{m[1].upper()}>", log.splitlines()[1]))
        print(re.split(r"[,;]\s*", "a, b;c,  d"), re.findall(r"(?i)error", log)[:2])
    """,
    "statistics": """
        import statistics, math
        from collections import Counter, defaultdict
        xs = [2.5, 3.1, 4.7, 5.0, 5.0, 6.2, 8.8, 9.1]
        print(statistics.mean(xs), statistics.median(xs), statistics.stdev(xs), statistics.mode(xs))
        mean = sum(xs) / len(xs)
        print(math.sqrt(sum((x - mean) ** 2 for x in xs) / len(xs)), round(statistics.pvariance(xs), 6))
        print(statistics.quantiles(xs, n=4))
        groups = defaultdict(list)
        for x in xs:
            groups[int(x) // 3].append(x)
        print(dict(groups), Counter("mississippi").most_common(3))
        a = [1, 2, 3, 4, 5]; b = [2, 4, 5, 4, 5]
        print(statistics.correlation(a, b), statistics.linear_regression(a, b))
    """,
    "bug fix": """
        def merge(intervals):
            done = []
            for start, end in sorted(intervals):
                if done and start <= done[-1][1]:
                    done[-1] = (done[-1][0], max(done[-1][1], end))
                else:
                    done.append((start, end))
            return done

        assert merge([(1, 3), (2, 6), (8, 10), (15, 18)]) == [(1, 6), (8, 10), (15, 18)]
        assert merge([]) == []
        assert merge([(1, 4), (4, 5)]) == [(1, 5)]
        print("first fix holds")
        def binary_search(a, x):
            low, high = 0, len(a)
            while low < high:
                middle = (low + high) // 2
                if a[middle] < x:
                    low = middle + 1
                else:
                    high = middle
            return low if low < len(a) and a[low] == x else -1

        for n in range(30):
            a = list(range(0, n, 2))
            for x in range(-1, n + 1):
                assert binary_search(a, x) == (a.index(x) if x in a else -1), (n, x)
        print("second fix holds")
        assert 1 + 1 == 3, "arithmetic"
    """,
    "data classes and dates": """
        from dataclasses import dataclass, field, asdict
        from datetime import datetime, timedelta, date
        from enum import Enum

        class State(Enum):
            OPEN = "open"
            DONE = "done"

        @dataclass(order=True)
        class Task:
            due: date
            title: str = field(compare=False)
            state: State = field(default=State.OPEN, compare=False)
            tags: list[str] = field(default_factory=list, compare=False)

        tasks = [Task(date(2026, 3, 14), "pi"), Task(date(2026, 2, 28), "leap", State.DONE, ["x"])]
        tasks.append(Task(date(2025, 12, 31), "old"))
        for task in sorted(tasks):
            print(task, (date(2026, 3, 1) - task.due).days, task.due.strftime("%A %d %B %Y"))
        print(asdict(tasks[1]))
        when = datetime.fromisoformat("2026-11-21T05:26:59+00:00")
        print(when + timedelta(days=40, hours=3), when.isocalendar()[:2])
        print(datetime.strptime("03/04/26 17:05", "%d/%m/%y %H:%M"))
    """,
    "csv": """
        import csv, io, itertools
        text = 'name,amount,note\\n"Smith, J",12.50,"a ""b"" c"\\nBob,7,\\nSmith\\tX,3.25,multi\\n'
        rows = list(csv.DictReader(io.StringIO(text)))
        print(rows, sum(float(r["amount"]) for r in rows))
        out = io.StringIO()
        writer = csv.writer(out)
        first = lambda row: row["name"][0]
        for key, group in itertools.groupby(sorted(rows, key=first), key=first):
            group = list(group)
            writer.writerow([key, len(group), "|".join(r["note"] for r in group)])
        print(out.getvalue())
    """,
    "algorithms": """
        import heapq
        from functools import lru_cache
        from collections import deque
        graph = {"a": {"b": 7, "c": 9, "f": 14}, "b": {"c": 10, "d": 15}, "c": {"d": 11, "f": 2}}
        graph.update({"d": {"e": 6}, "f": {"e": 9}, "e": {}})
        def dijkstra(start):
            best, queue = {start: 0}, [(0, start)]
            while queue:
                cost, node = heapq.heappop(queue)
                for other, weight in graph[node].items():
                    if cost + weight < best.get(other, float("inf")):
                        best[other] = cost + weight
                        heapq.heappush(queue, (best[other], other))
            return best
        print(dijkstra("a"))
        @lru_cache(maxsize=None)
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)
        print(fib(80), sum(int(d) for d in str(2**1000)))
        window, best = deque(maxlen=3), None
        for x in [4, -1, 9, 2, 7, -3]:
            window.append(x)
            best = max(best, sum(window)) if best is not None else sum(window)
        print(best, [*zip("abc", range(3))], f"{3.14159:>10.3f}|{255:#06x}|{1234567:,}|{'x':*^5}")
    """,
}
PAGE = {"name": "widget", "versions": ["1.0", "1.2"], "downloads": 1234}


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(PAGE).encode() if self.path.startswith("/api") else b"absent"
        self.send_response(200 if self.path.startswith("/api") else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Both:
    """Runs a file by `nexus sandbox run` and by CPython."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home

    def run(self, code: str, *options: str) -> subprocess.CompletedProcess[str]:
        file = self.folder / "main.py"
        lines = code.split("\n")
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        file.write_text("\n".join(line[margin:] for line in lines))
        command = [sys.executable, "-m", "nexus", "sandbox", "run", *options, str(file)]
        environment = {**os.environ, "NEXUS_HOME": str(self.home)}
        mine = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        theirs = subprocess.run([sys.executable, "-I", file], capture_output=True, text=True, check=False)
        assert mine.stdout == theirs.stdout, mine.stderr
        assert mine.returncode == theirs.returncode, mine.stderr
        assert mine.stderr.splitlines()[-1:] == theirs.stderr.splitlines()[-1:] or theirs.returncode == 0
        return mine


@pytest.fixture
def both(tmp_path: Path, home_with_image: Path) -> Both:
    return Both(tmp_path, home_with_image)


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_answers_as_in_cpython(both: Both, name: str) -> None:
    assert "bubblewrap" not in both.run(SNIPPETS[name]).stderr


def test_code_asks_a_host_that_it_was_granted(both: Both, site: str) -> None:
    code = f"""
        import json
        from urllib.request import urlopen
        from urllib.error import HTTPError
        with urlopen("http://{site}/api/widget?x=1") as reply:
            told = json.loads(reply.read())
        print(told["name"], max(told["versions"]), reply.status)
        try:
            urlopen("http://{site}/missing")
        except HTTPError as error:
            print(error.code, error)
    """
    both.run(code, "--allow-http", site)


def test_code_reads_a_file_that_it_was_granted(both: Both, tmp_path: Path) -> None:
    data = tmp_path / "orders.json"
    data.write_text(json.dumps(ORDERS))
    code = f"""
        import json
        from pathlib import Path
        with open({str(data)!r}) as file:
            orders = json.load(file)
        totals = {{}}
        for order in orders:
            totals[order["customer"]] = totals.get(order["customer"], 0) + order["total"]
        print(totals, max(orders, key=lambda o: len(o["items"]))["id"])
        print(Path({str(data)!r}).suffix, len(Path({str(data)!r}).read_text()))
        try:
            open("/etc/nothing-here")
        except OSError:
            print("not there")
    """
    both.run(code, "--read", str(data))


def test_what_guests_lack_is_run_by_cpython_which_is_said(both: Both) -> None:
    if not fallback.preflight().works:
        pytest.skip(f"bubblewrap: {fallback.preflight().detail}")
    code = """
        import sqlite3
        db = sqlite3.connect(":memory:")
        db.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(i, "x" * i) for i in range(5)])
        print(db.execute("SELECT sum(a), max(length(b)) FROM t").fetchone())
    """
    done = both.run(code)
    assert "sqlite3" in done.stderr
    assert "bubblewrap" in done.stderr or "CPython" in done.stderr


def test_the_image_is_small(python_image: Image) -> None:
    assert python_image.elf.stat().st_size <= 400_000

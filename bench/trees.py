"""Two documentation trees and 249 sessions of agents through a real service and the real commands.

    NEXUS_DATA=folder python bench/trees.py [--models build/models] [--json FILE] [--only NAME ...]
                                            [--questions FILE] [--model MODEL] [--expected FILE]

NEXUS_DATA holds docs/fastapi, docs/rust-book and agents/specstory-claude-code; the tree "nexusos" of
tree_questions_own.json is our own documentation. A service is started in a home of its own; everything else
is what a user types: `nexus add`, `nexus recall`, `nexus context`. A question of tree_questions.json (or
FILE) is answered when more than half of the lines of a passage are of a section that answers it, or when the
passage holds such a section whole; a frame answers it when one of its sources does. Which sections answer
says the list that was written before any search, and, counted apart, what judges said afterwards of all that
was found (tree_pool.py). Questions are asked when everything is in the store, among documents only and among
all; with `--model`, among documents three times more with the help of this model: `nexus recall --draft`,
`--rerank` and both; with `--expected`, once more with what an agent wrote that the answer may read
(tree_expected.json), as agents do with `expected` of the tool memory_search.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import record

from nexus.cortex.evaluation.running_service import RunningService

OWN = Path(__file__).resolve().parents[1]
SESSIONS = "agents/specstory-claude-code"
WAYS = {"draft": ("--draft",), "rerank": ("--rerank",), "both": ("--draft", "--rerank")}
TOP = 3
_TICKS = os.sysconf("SC_CLK_TCK")
_POLL_SECONDS = 0.25


def sections(text: str) -> Iterator[tuple[str, int, int]]:
    """Heading, first and last line (from 1) of each part of a Markdown text, up to the next heading."""
    fence, heading, first, number = "", "", 1, 0
    # What a comment holds is no heading; its lines stay.
    shown = re.sub("<!--.*?-->", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.DOTALL)
    for number, line in enumerate(shown.splitlines(), 1):
        mark = line.lstrip()[:3]
        if mark in ("```", "~~~"):
            fence = "" if mark == fence else fence or mark
        elif line.startswith("#") and line.lstrip("#").startswith(" ") and not fence:
            yield heading, first, number - 1
            heading, first = line.lstrip("#").partition(" { #")[0].strip(), number
    yield heading, first, number


def wanted(root: Path, listed: dict[str, list[str]]) -> dict[str, list[range]]:
    """The lines of these sections, by file. Ends the run when a section is not there."""
    lines = {}
    for name, headings in listed.items():
        found = {h: range(a, b + 1) for h, a, b in sections((root / name).read_text())}
        if missing := [heading for heading in headings if heading not in found]:
            raise SystemExit(f"{root / name} has no section {missing[0]!r}")
        lines[str((root / name).resolve())] = [found[heading] for heading in headings]
    return lines


def answers(source: dict[str, Any], parts: dict[str, list[range]]) -> bool:
    """Whether a passage is of a section that answers."""
    held = range(source["lines"][0], source["lines"][1] + 1)
    inside = [set(held) & set(part) for part in parts.get(source["path"], [])]
    whole = any(
        len(lines) == len(part) for lines, part in zip(inside, parts.get(source["path"], ()), strict=True)
    )
    return whole or 2 * len(set().union(*inside)) > len(held)


def rank(found: list[dict[str, Any]], parts: dict[str, list[range]]) -> int:
    """The place of the first passage that answers, from 1; 0 for none."""
    return next((place for place, source in enumerate(found, 1) if answers(source, parts)), 0)


class Bench:
    """The commands, against one service."""

    def __init__(
        self,
        service: RunningService,
        home: Path,
        *,
        model: bool = False,
        expected: dict[str, str] | None = None,
    ) -> None:
        self.service, self.model, self.expected = service, model, expected or {}
        self.pid = json.loads((home / "run" / "nexus.lock").read_text())["pid"]

    def nexus(self, *arguments: str) -> str:
        """What `nexus ARGUMENTS` prints. Ends the run with what it says when it fails."""
        command = [sys.executable, "-m", "nexus", *arguments]
        done = subprocess.run(command, env=self.service.env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"nexus {arguments[0]}: {done.stderr or done.stdout}")
        return done.stdout

    def cpu(self) -> float:
        """Processor seconds of the service and of its children that have ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS

    def resident(self) -> list[int]:
        """Megabytes that the service holds, and how many of them are pages of mapped files."""
        return [round(size) for size in self.service.resident()]

    def add(self, folder: Path) -> dict[str, Any]:
        """`nexus add`, and when its first and its last file were found by their words."""
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.stat().st_size > 200]
        found: dict[str, float] = {}
        over, started, cpu = threading.Event(), time.perf_counter(), self.cpu()

        def look() -> None:
            for name, path in (("first", files[0]), ("last", files[-1])):
                # Several words: the longest of a session may stand in its marks, which are no talk.
                known = {word for word in path.read_text(errors="replace").split() if word.isalpha()}
                query = " ".join(sorted(known, key=lambda word: (len(word), word))[-10:])
                body = {"query": query, "path": str(path), "limit": 1}
                while not over.is_set():
                    reply = self.service.http.post("/api/recall", json=body)
                    if reply.raise_for_status().json()["results"]:
                        found[name] = round(time.perf_counter() - started, 1)
                        break
                    over.wait(_POLL_SECONDS)

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            report = json.loads(self.nexus("add", "--json", str(folder)))
        finally:
            wall = time.perf_counter() - started
            over.set()
            watcher.join()
        told = Counter(f"{file['status']}: {file['reason']}" for file in report["files"] if file["reason"])
        return {
            "files": report["counts"],
            "chunks": sum(file["chunks"] for file in report["files"]),
            "embedded": report["embedded"],
            "wall_s": round(wall, 1),
            "cpu_s": round(self.cpu() - cpu, 1),
            "first_file_found_s": found.get("first"),
            "last_file_found_s": found.get("last"),
            "rss_mb": self.resident()[0],
            "told": dict(told),
        }

    def ask(self, tree: dict[str, Any], root: Path) -> list[dict[str, Any]]:
        """Every question of a tree: the places of its answer, and what stood in the first three."""
        rows = []
        for question in tree["questions"]:
            text, parts = question["question"], wanted(root, question["sections"])
            by_judges = wanted(root, question.get("judged", {}))
            recall = ("recall", "--json", "-n", str(TOP))
            documents = json.loads(self.nexus(*recall, "--kind", "document", text))
            everything = json.loads(self.nexus(*recall, text))
            frame = json.loads(self.nexus("context", "--json", text))
            in_frame, tokens = self.framed(frame, parts), frame["tokens"]
            helped: dict[str, Any] = {}
            for way, options in self.ways(text):
                began = time.perf_counter()
                found = json.loads(self.nexus(*recall, "--kind", "document", *options, text))
                helped[way] = {
                    "rank": rank(found, parts),
                    "rank_judged": rank(found, by_judges) if by_judges else None,
                    "seconds": round(time.perf_counter() - began, 1),
                    "found": [place(source, root) for source in found],
                }
            if text in self.expected:
                frame = json.loads(self.nexus("context", "--json", "--expect", self.expected[text], text))
                helped["expected"]["source_of_frame"] = self.framed(frame, parts)
            rows.append(
                {
                    "question": text,
                    "rank": rank(documents, parts),
                    "rank_judged": rank(documents, by_judges) if by_judges else None,
                    "rank_among_all": rank(everything, parts),
                    "source_of_frame": in_frame,
                    "frame_tokens": tokens,
                    "found": [place(source, root) for source in documents],
                    "found_among_all": [place(source, root) for source in everything],
                    **({"model": helped} if helped else {}),
                }
            )
        return rows

    @staticmethod
    def framed(frame: dict[str, Any], parts: dict[str, list[range]]) -> int:
        """The place of the first document of a frame that answers, from 1; 0 for none."""
        return rank([source for source in frame["sources"] if source["kind"] == "document"], parts)

    def ways(self, question: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The ways of searching that are helped: name and options."""
        if self.model:
            yield from WAYS.items()
        if text := self.expected.get(question):
            yield "expected", ("--expect", text)


def place(source: dict[str, Any], root: Path) -> str:
    """A passage in short: file, lines, heading."""
    path = source["path"]
    name = (
        path.removeprefix(f"{root.resolve()}/") if path.startswith(str(root.resolve())) else Path(path).name
    )
    return f"{name}:{source['lines'][0]}-{source['lines'][1]} {' > '.join(source['heading'])}".strip()


def judged(rows: list[dict[str, Any]]) -> str:
    """How many have their answer in the top by the judges' list, in words; nothing where nobody judged."""
    ranks = [row["rank_judged"] for row in rows]
    return "" if None in ranks else f" ({sum(map(bool, ranks))} by the judges)"


def show(results: dict[str, Any]) -> None:
    """The figures as tables."""
    names = ("chunks", "embedded", "wall_s", "cpu_s", "first_file_found_s", "last_file_found_s", "rss_mb")
    print(f"{'':<34}{''.join(f'{name:>20}' for name in names)}")
    for name, row in results["add"].items():
        print(f"{name:<34}{''.join(f'{row[key]!s:>20}' for key in names)}  {row['files']}")
    print(f"resident, and pages of files among it, in MB: {results['rss_mb']}")
    for name, rows in results["questions"].items():
        print(f"\n{name}: place of the right section among documents, among all, and in the frame")
        for row in rows:
            places = (
                f"{row['rank'] or '-':>3}{row['rank_among_all'] or '-':>3}{row['source_of_frame'] or '-':>3}"
            )
            print(f"{places}  {row['question']}")
            if not row["rank"]:
                print("".join(f"{'':>13}{found}\n" for found in row["found"]), end="")
        keys = ("rank", "rank_among_all", "source_of_frame")
        hits = [sum(bool(row[key]) for row in rows) for key in keys]
        print(
            f"in the top {TOP}: {hits[0]} of {len(rows)}{judged(rows)}; among all {hits[1]};"
            f" in the frame {hits[2]}"
        )
        for way in rows[0].get("model", ()):
            ranks = [row["model"][way]["rank"] for row in rows]
            seconds = statistics.median(row["model"][way]["seconds"] for row in rows)
            missed = [row["question"] for row in rows if not row["model"][way]["rank"]]
            by_judges = judged([row["model"][way] for row in rows])
            hit = f"{len(rows) - len(missed)}{by_judges}"
            framed = [row["model"][way].get("source_of_frame") for row in rows]
            in_frame = "" if None in framed else f"; in the frame {sum(map(bool, framed))}"
            print(f"{way}: {hit}, first {ranks.count(1)}{in_frame}; {seconds} s each (median)")
            print("".join(f"{'':>13}missed: {question}\n" for question in missed), end="")


def main() -> None:
    """Add, ask, add again, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="of fastapi, rust-book, nexusos, sessions")
    parser.add_argument("--model", help="a chat model that helps")
    parser.add_argument("--questions", type=Path, default=Path(__file__).with_name("tree_questions.json"))
    parser.add_argument("--expected", type=Path, help="what the answer may read, by question")
    options = parser.parse_args()
    expected = json.loads(options.expected.read_text())["expected"] if options.expected else None
    data = Path(os.environ.get("NEXUS_DATA", ""))
    trees = json.loads(options.questions.read_text())["trees"]
    folders = {tree["name"]: (OWN if tree.get("own") else data) / tree["folder"] for tree in trees}
    folders["sessions"] = data / SESSIONS
    chosen = {name: path for name, path in folders.items() if not options.only or name in options.only}
    results: dict[str, Any] = {"add": {}, "rss_mb": {}, "questions": {}}
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as folder:
        home = Path(folder) / "home"
        settings = {"NEXUS_ENGINE_KIND": "llamacpp", "NEXUS_ENGINE_MODEL": "smollm2-135m"}
        if options.model:
            settings = {"NEXUS_ENGINE_KIND": "local", "NEXUS_ENGINE_MODEL": options.model}
        service = RunningService(home, options.models, **settings)
        try:
            service.start()
            bench = Bench(service, home, model=bool(options.model), expected=expected)
            results["rss_mb"]["started"] = bench.resident()
            for name, path in chosen.items():
                results["add"][name] = bench.add(path)
                print(name, results["add"][name], flush=True)
            for tree in trees:
                if tree["name"] in chosen:
                    results["questions"][tree["name"]] = bench.ask(
                        tree, folders[tree["name"]] / tree["under"]
                    )
            for name, path in chosen.items():
                results["add"][f"{name}, again"] = bench.add(path)
            results["rss_mb"]["at the end"] = bench.resident()
            frame = bench.nexus("context", trees[0]["questions"][0]["question"])
            results["frame"] = frame.replace(str(OWN), ".").replace(str(data.resolve()), "NEXUS_DATA")
            results["verify"] = bench.nexus("index", "verify")
        finally:
            service.stop()
    show(results)
    record.write(results, options.json)


if __name__ == "__main__":
    main()

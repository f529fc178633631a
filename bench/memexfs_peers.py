"""MemexFS beside Recoll, the desktop search of Debian: the same 1,000 files, the same questions.

    [NEXUS_DATA=FOLDER] PYTHONPATH=. python bench/memexfs_peers.py --models build/models [--json FILE]

Needs Recoll with its readers (apt-get install recollcmd python3-recoll poppler-utils xsltproc unzip
python3-lxml). Two sets:

    mixed   1,000 files in a dozen forms, written by tests/memex_corpus.py, 46 questions in other words than
            the file's, and 46 in its words. All were written for our tests, so the set below says more.
    real    with NEXUS_DATA: the 1,000 files and 86 questions of memexfs_search.py

For each: seconds until all files are found by their words, and until they are indexed (ours: with both
kinds of vectors, by the model; Recoll has words only), recall@1 and @10, mean reciprocal rank, and
milliseconds a question, in turn, both without the start of a program. Recoll is asked for any of the words,
stemmed, best first: with all of them, as it does by itself, a question in a sentence finds nothing (told as
recall@10, all words).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import memexfs_search
import record

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.memexfs.memex import Memex
from tests import memex_corpus

FIRST = 10
# Runs under Debian's Python, which has Recoll's module: questions as JSON lines in, paths below the top out.
ASKER = """
import json, sys
from urllib.parse import unquote
from recoll import recoll
base = recoll.connect(confdir=sys.argv[1])
top = "file://" + sys.argv[2] + "/"
for line in sys.stdin:
    how, text = json.loads(line)
    asked = recoll.SearchData()
    asked.addclause(how, text)
    query = base.query()
    query.executesd(asked)
    found = [doc.url for doc in query.fetchmany(30)]
    print(json.dumps([url[len(top):] for url in found if url.startswith(top)]), flush=True)
"""


class Recoll:
    """An index of the folder `top`, and a process that is asked."""

    def __init__(self, folder: Path, top: Path) -> None:
        folder.mkdir()
        (folder / "recoll.conf").write_text(
            f"topdirs = {top}\nindexstemminglanguages = english\nidxflushmb = 50\n"
            "filtermaxseconds = 30\nnoaspell = 1\nloglevel = 1\n"
        )
        began = time.monotonic()
        subprocess.run(["recollindex", "-c", folder, "-z"], check=True, capture_output=True)
        self.seconds = round(time.monotonic() - began, 1)
        self._process = subprocess.Popen(
            ["/usr/bin/python3", "-c", ASKER, folder, top],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def found(self, question: str, how: str = "or") -> list[bytes]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([how, question]), file=self._process.stdin, flush=True)
        # an archive's or a mail's parts have their file's address: each file once
        return list(dict.fromkeys(os.fsencode(path) for path in json.loads(self._process.stdout.readline())))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def mixed(tree: Path) -> tuple[list[bytes], dict[str, list[tuple[bytes, str]]]]:
    files = [os.fsencode(path.relative_to(tree)) for path in memex_corpus.write(tree, 1000)]
    asked = memex_corpus.QUESTIONS
    return files, {
        "in other words": [(os.fsencode(question.path), question.text) for question in asked],
        "in its words": [(os.fsencode(question.path), question.exact) for question in asked],
    }


def real(tree: Path) -> tuple[list[bytes], dict[str, list[tuple[bytes, str]]]]:
    files = memexfs_search.quality_files(Path(os.environ["NEXUS_DATA"]), tree)
    told = json.loads(memexfs_search.QUESTIONS.read_text())["paraphrased"]
    return files, {
        "in other words": [(os.fsencode(item["file"]), item["question"]) for item in told],
        "in its words": memexfs_search.exact_questions(tree, files),
    }


def timed(questions: Sequence[str], ways: dict[str, Callable[[str], object]]) -> dict[str, dict[str, float]]:
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for question in questions:
        for name, way in ways.items():
            began = time.perf_counter()
            way(question)
            taken[name].append(1000 * (time.perf_counter() - began))
    return {
        name: {
            "p50": round(statistics.median(values), 1),
            "p99": round(sorted(values)[int(0.99 * (len(values) - 1))], 1),
        }
        for name, values in taken.items()
    }


def compare(
    made: Callable[[Path], tuple[list[bytes], dict[str, list[tuple[bytes, str]]]]], folder: Path, model: Path
) -> dict[str, Any]:
    home = Home(folder / "home")
    home.create()
    with Cortex(home, CortexSettings(), OnnxEmbedder(memexfs_search.MODEL, model)) as cortex:
        memex = Memex(home, memexfs_search.Local(), cortex)
        tree = home.root / "memex" / "tree"
        try:
            files, asked = made(tree)
            recoll = Recoll(folder / "recoll", tree)
            ours = memexfs_search.index(memex, files)
            result: dict[str, Any] = {
                "files": len(files),
                "words s": {"memexfs": round(ours.words, 1), "recoll": recoll.seconds},
                "index s": {"memexfs": round(ours.all, 1), "recoll": recoll.seconds},
            }
            ways: dict[str, Callable[[str], list[bytes]]] = {
                "memexfs": lambda text: [found.path for found in memex.search(text, FIRST)],
                "recoll": recoll.found,
            }
            for name, questions in asked.items():
                result[name] = {way: memexfs_search.measured(questions, ask) for way, ask in ways.items()}
                every = memexfs_search.measured(questions, lambda text: recoll.found(text, "and"))
                result[name]["recoll"]["recall@10, all words"] = every["recall@10"]
            result["question ms"] = timed([text for _, text in asked["in other words"]], dict(ways))
            recoll.close()
            return result
        finally:
            memex.stop()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if shutil.which("recollindex") is None:
        parser.error(
            "no Recoll: apt-get install recollcmd python3-recoll poppler-utils xsltproc unzip python3-lxml"
        )
    sets = {"mixed": mixed, **({"real": real} if "NEXUS_DATA" in os.environ else {})}
    results = {}
    for name, made in sets.items():
        with tempfile.TemporaryDirectory(prefix="memexfs-peers-") as folder:
            results[name] = compare(made, Path(folder), options.models / memexfs_search.MODEL)
        print(name, json.dumps(results[name], indent=2), flush=True)
    told = subprocess.run(["recollindex", "-h"], capture_output=True, text=True, check=False)
    version = re.search(r"Recoll version: (.*)", told.stdout + told.stderr)
    record.write({"peer": version[1] if version else "Recoll", **results}, options.json)


if __name__ == "__main__":
    main()

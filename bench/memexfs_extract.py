"""What reading a file for the index costs: ours, in its confined process, against markitdown in this one.

    PYTHONPATH=. python bench/memexfs_extract.py [--runs 5] [--out bench/results/memexfs-extract.json]

Wall milliseconds, medians, A B A B in one run, both warm; the documents are made by the tests. PDF has no
peer here (markitdown's reader is not installed), text and code have none at all.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import record
from markitdown import MarkItDown

from nexus.memexfs.extract import extract
from nexus.memexfs.extract_process import ExtractProcess
from tests import memex_files

PEERED = {".docx", ".xlsx", ".pptx", ".html"}
WORDS = (
    "The shop gives the money back within thirty days, by the card that was used, and asks for no reason. "
)


def documents() -> dict[str, bytes]:
    """By their names."""
    page = "\n".join([WORDS] * 40)
    rows: list[list[object]] = [[WORDS[:40], number, number * 1.5] for number in range(5_000)]
    return {
        "36 pages.pdf": memex_files.pdf([page] * 36, title="Returns"),
        "1000 paragraphs.docx": memex_files.docx(["# Returns", *[WORDS] * 1000]),
        "5000 rows.xlsx": memex_files.xlsx({"Returns": rows}),
        "50 slides.pptx": memex_files.pptx([("Returns", WORDS)] * 50),
        "500 kB.html": b"<html><body><h1>Returns</h1>" + f"<p>{WORDS}</p>\n".encode() * 4_600,
        "1 MB.txt": WORDS.encode() * 10_000,
        "1 MB.py": b'"""Gives money back."""\n'
        + b"def back(sum: int) -> int:\n    return -sum\n\n\n" * 20_000,
    }


def measure(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    process, peer = ExtractProcess(), MarkItDown()
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        cold = Path(folder) / "cold.docx"
        cold.write_bytes(memex_files.docx(["x"]))
        start = measure(lambda: extract(cold, b"cold.docx", process=process))
        for name, data in documents().items():
            path = Path(folder) / name
            path.write_bytes(data)
            ours, theirs = [], []
            for _ in range(chosen.runs):
                ours.append(measure(lambda: extract(path, path.name.encode(), process=process)))  # noqa: B023
                if path.suffix in PEERED:
                    theirs.append(measure(lambda: peer.convert(str(path))))  # noqa: B023
            mine = statistics.median(ours)
            results[name] = {"ours_ms": round(mine, 1)}
            line = f"{name:22} {mine:8.1f} ms"
            if theirs:
                other = statistics.median(theirs)
                results[name] |= {"markitdown_ms": round(other, 1), "times_faster": round(other / mine, 1)}
                line += f", markitdown {other:8.1f} ms: {other / mine:.1f} times"
            print(line, flush=True)
    process.close()
    print(f"the first document, which starts the process: {start:.0f} ms")
    record.write({"first_ms": round(start), "files": results}, chosen.out)


if __name__ == "__main__":
    main()

"""How long does AgentMem's log take to give a record of 64 KB back, from memory and from the disk?

    python bench/agentmem_log.py [--folder FOLDER] [--json FILE]

Compiles native/agentmem/lib's log with the C compiler of this machine and reads records at random: one at a
time, and 32 at a time with io_uring and without. Each read checks the record's tag (BLAKE3). Wall-clock of
a read (of 32: the 32nd part of the call) as p50, p99 and least, and CPU of the reading thread, in
microseconds. The disk is read past the page cache where FOLDER's file system allows it; the folder below it
is removed again.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import record

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parent / "native" / "agentmem"


def main() -> None:
    """Compile, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the log lies; a temporary folder otherwise")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        program = Path(folder) / "agentmem_log"
        sources = [HERE / "agentmem_log.c", *sorted((LIBRARY / "lib").glob("log*.c"))]
        sources += sorted((LIBRARY / "lib").glob("blake3*.c"))
        include = [f"-I{LIBRARY / 'include'}", f"-I{LIBRARY / 'lib'}"]
        flags = ["-std=c11", "-O3", "-D_GNU_SOURCE"]
        subprocess.run(["cc", *flags, *include, *sources, "-lpthread", "-o", program], check=True)
        told = subprocess.run([program, folder], check=True, capture_output=True, text=True).stdout
    rows = []
    for line in told.splitlines():
        name, *figures = line.split()
        p50, p99, least, cpu = (float(figure) for figure in figures)
        rows.append({"read": name, "p50_us": p50, "p99_us": p99, "least_us": least, "cpu_us": cpu})
        print(f"{name:<14} p50 {p50:8.1f} us  p99 {p99:8.1f} us  least {least:7.1f} us  CPU {cpu:6.1f} us")
    record.write({"rows": rows}, options.json)


if __name__ == "__main__":
    main()

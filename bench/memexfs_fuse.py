"""What a file system in Python costs: our FUSE server beside mfusepy (libfuse) and the raw disk.

    sudo python bench/memexfs_fuse.py [--files 1000] [--megabytes 128] [--rounds 3] [--case NAME]
        [--json FILE]

All show the same plain folder, so what is measured is the server and not what MemexFS does; ours comes twice,
the second time with the kernel's passthrough. Each has a process of its own and is asked by this one. Every
round takes each case in turn; told is the best of each row, because others work on the machine.

    stat        (p50) of a file, where the kernel may believe nothing: every one reaches the server
    create      open(O_CREAT|O_EXCL), 4 kB, close
    open...     open, 4 kB read, close
    close       of a file that was written: 99th percentile
    names       of a folder of --files, per second, with their attributes (ls -l)
    write, read MB/s of one large file, in calls of 1 MiB; from the page cache
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import record

from nexus.memexfs.mount_table import mounted_at

ROOT = Path(__file__).resolve().parents[1]
CHUNK = bytes(1 << 20)
CASES = ("raw", "ours", "ours, passthrough", "mfusepy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--megabytes", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    best: dict[str, dict[str, float]] = {}
    for _ in range(args.rounds):
        for case in args.case or CASES:
            with tempfile.TemporaryDirectory(prefix="memexfs-bench-", dir=ROOT / "build") as folder:
                found = measured(case, Path(folder), args.files, args.megabytes)
            held = best.setdefault(case, found)
            for row, value in found.items():
                held[row] = max(held[row], value) if row.endswith("/s") else min(held[row], value)
            print(f"{case}: {found}", file=sys.stderr)
    rows = list(next(iter(best.values())))
    print(f"{'':22}" + "".join(f"{row:>18}" for row in rows))
    for case, found in best.items():
        print(f"{case:22}" + "".join(f"{found[row]:18,.1f}" for row in rows))
    if args.json:
        record.write({"files": args.files, "megabytes": args.megabytes, "cases": best}, args.json)


def measured(case: str, folder: Path, files: int, megabytes: int) -> dict[str, float]:
    """One case from an empty folder: each row's figure."""
    real = folder / "real"
    real.mkdir()
    if case == "raw":
        return {**cold(real, files), **workload(real, files, megabytes)}
    found = {}
    for seconds in (0.0, 60.0):  # nothing believed, and the way it is used
        point = folder / f"mount{seconds:.0f}"
        point.mkdir()
        arguments = [str(real), str(point), str(seconds)]
        if case == "mfusepy":
            command = [sys.executable, __file__, "--serve", *arguments]
        else:
            command = [sys.executable, "-m", "tests.memex_passthrough", *arguments]
            command += ["--passthrough"] if "passthrough" in case else []
        server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
        try:
            deadline = time.monotonic() + 30
            while mounted_at(point) is None:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise RuntimeError(f"{case} does not mount")
                time.sleep(0.02)
            found.update(cold(point, files) if not seconds else workload(point, files, megabytes))
            if seconds:
                found["server MB"] = (
                    int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * 4096 / 1e6
                )
        finally:
            subprocess.run(["umount", "-l", point], check=False)
            server.wait(30)
        for made in real.iterdir():
            shutil.rmtree(made) if made.is_dir() else made.unlink()
    return found


def cold(at: Path, files: int) -> dict[str, float]:
    path = at / "stat"
    path.touch()
    took = [seconds(path.stat) for _ in range(files)]
    return {"stat us": 1e6 * statistics.median(took)}


def workload(at: Path, files: int, megabytes: int) -> dict[str, float]:
    many = at / "many"
    many.mkdir()
    names = [str(many / f"file{number}") for number in range(files)]
    page = CHUNK[:4096]
    closes = []

    def create() -> None:
        for name in names:
            fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            os.write(fd, page)
            before = time.perf_counter()
            os.close(fd)
            closes.append(time.perf_counter() - before)

    def read() -> None:
        for name in names:
            fd = os.open(name, os.O_RDONLY)
            os.read(fd, 4096)
            os.close(fd)

    def large(flags: int, step: Callable[[int], object]) -> None:
        fd = os.open(at / "large", flags, 0o644)
        for _ in range(megabytes):
            step(fd)
        os.close(fd)

    created, opened = seconds(create), seconds(read)
    listed = seconds(lambda: [entry.stat() for entry in os.scandir(many)])
    buffer = bytearray(CHUNK)
    written = seconds(lambda: large(os.O_CREAT | os.O_WRONLY, lambda fd: os.write(fd, CHUNK)))
    first = seconds(lambda: large(os.O_RDONLY, lambda fd: os.readv(fd, [buffer])))
    return {
        "create/s": files / created,
        "open+read+close/s": files / opened,
        "close p99 us": 1e6 * sorted(closes)[len(closes) * 99 // 100],
        "names/s": files / listed,
        "write MB/s": megabytes * 1.048576 / written,
        "read MB/s": megabytes * 1.048576 / first,
    }


def seconds(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def serve_mfusepy(real: str, point: str, timeout: str) -> None:
    """The same folder by libfuse, as its users write it."""
    import mfusepy

    class Shown(mfusepy.Operations):  # type: ignore[misc]
        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            try:
                found = os.lstat(real + path)
            except OSError as error:
                raise mfusepy.FuseOSError(error.errno or errno.EIO) from None
            times = {f"st_{time}": getattr(found, f"st_{time}_ns") for time in ("atime", "mtime", "ctime")}
            kept = ("mode", "nlink", "size", "uid", "gid", "ino")
            return {**times, **{f"st_{name}": getattr(found, f"st_{name}") for name in kept}}

        def mkdir(self, path: str, mode: int) -> int:
            os.mkdir(real + path, mode)  # noqa: PTH102
            return 0

        def create(self, path: str, mode: int, fi: object = None) -> int:
            return os.open(real + path, os.O_RDWR | os.O_CREAT, mode)

        def open(self, path: str, flags: int) -> int:
            return os.open(real + path, flags & ~os.O_APPEND)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            return os.pwrite(fh, data, offset)

        def release(self, path: str, fh: int) -> int:
            os.close(fh)
            return 0

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
            os.utime(real + path, ns=times) if times else os.utime(real + path)
            return 0

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", *os.listdir(real + path)]  # noqa: PTH208

    mfusepy.FUSE(
        Shown(), point, foreground=True, attr_timeout=float(timeout), entry_timeout=float(timeout),
        negative_timeout=float(timeout),
    )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve_mfusepy(*sys.argv[2:5])
    else:
        main()

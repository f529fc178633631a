"""A supervisor for tests: keeps a mount, and starts the next worker when it is told to kill one.

`python tests/memex_keeper.py BASE [--passthrough]` shows BASE/tree at BASE/mount. A line on standard input
kills the worker with -9 and starts another; the end of the input ends the mount.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nexus.memexfs import session  # noqa: E402
from nexus.memexfs.mount import mount  # noqa: E402
from tests.memex_mounts import take_away  # noqa: E402


def main() -> None:
    base, options = Path(sys.argv[1]), sys.argv[2:]
    tree, point = base / "tree", base / "mount"
    for folder in (base, tree, point):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    passed = [os.memfd_create("numbers"), os.memfd_create("open")]
    fd = mount(point)
    through = "--passthrough" in options
    agreed = session.begin(fd, passthrough=through)
    options += ["--negotiated", f"{agreed.minor},{agreed.flags}", "--log", f"{passed[0]}"]
    options += ["--table", f"{passed[1]}"] if through else []

    def start(*more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(ROOT / "tests/memex_serve.py"), str(fd), str(tree), *options, *more]
        worker = subprocess.Popen(command, pass_fds=(fd, *passed))
        print("started", flush=True)
        return worker

    worker = start()
    try:
        for _ in sys.stdin:
            worker.kill()
            worker.wait()
            worker = start("--again")
    finally:
        os.close(fd)
        take_away(point)
        try:
            worker.wait(20)
        except subprocess.TimeoutExpired:  # a test that failed has left something open
            worker.kill()


if __name__ == "__main__":
    main()

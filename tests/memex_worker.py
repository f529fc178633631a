"""A worker for the tests of the supervisor: shows the folder that it is given, and can be held anywhere.

`python -m tests.memex_worker FOLDER HOLD`. While the file HOLD says `before OPERATION` or `after OPERATION`,
that operation stops there, and HOLD.held appears.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from nexus.memexfs.fuse import serve
from nexus.memexfs.guardian import guard
from nexus.memexfs.inherited import inherited
from tests.memex_passthrough import Passthrough


class Held:
    """Any file system, with operations that stop on demand."""

    def __init__(self, inner: object, hold: Path) -> None:
        self._inner = inner
        self._hold = hold

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._inner, name)

        def call(*arguments: object) -> object:
            self._wait(f"before {name}")
            result = inner(*arguments)
            self._wait(f"after {name}")
            return result

        return call

    def _wait(self, where: str) -> None:
        while self._hold.exists() and self._hold.read_text() == where:
            self._hold.with_suffix(".held").touch()
            time.sleep(0.01)


def main(folder: str, hold: str) -> None:
    own = inherited()
    if Path(hold).with_suffix(".broken").exists():
        sys.exit(3)
    guard(own)
    shown = Passthrough(Path(folder), own.log, seconds=0.0, backing=own.negotiated.passthrough)
    serve(
        own.fuse,
        Held(shown, Path(hold)),
        resend=own.again,
        negotiated=own.negotiated,
        open_table=own.table,
    )


if __name__ == "__main__":
    os.umask(0)
    main(*sys.argv[1:])

"""What the compiled relay leaves to the one in Python: what has no answer yet, and the settled revision.

The compiled relay (native/relay) does what a session is made of, and becomes this process when anything else
is to be done. Invariant: what it had read and not answered comes before the rest of stdin, and a line that
was cut between the two is one line again.
"""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nexus.core.paths import find_project

# Set by the compiled relay when it leaves the rest: a descriptor, and what the handshake settled.
PENDING, REVISION = "NEXUS_RELAY_PENDING", "NEXUS_RELAY_REVISION"


def project_header(folder: Path | None = None) -> str:
    """The project of `folder` (where this process is), as the header `nexus-project` says it."""
    return urllib.parse.quote(str(find_project(folder or Path.cwd()) or ""))


def lines(rest: BinaryIO) -> Iterator[bytes]:
    """What was left over, then `rest`."""
    descriptor = os.environ.pop(PENDING, "")
    if descriptor:
        with open(int(descriptor), "rb") as left:
            for line in left:
                yield line if line.endswith(b"\n") else line + rest.readline()
    yield from rest


def revision() -> str:
    """What the handshake settled, "" where there was none."""
    return os.environ.pop(REVISION, "")

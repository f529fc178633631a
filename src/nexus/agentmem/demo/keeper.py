"""Keeps the demo's broker and folder, and takes both away when the demo ends, however it ends.

    python -m nexus.agentmem.demo.keeper [OPTION OF THE BROKER...]

Says {"folder", "socket", "pid"} or {"error", "hint"} as one line of JSON, waits for the end of its stdin,
which the kernel closes for whoever was killed, then stops the broker and removes the folder. Knows
nothing of agents.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from nexus.agentmem.broker import Launcher
from nexus.core.errors import NexusError


def main() -> None:
    """Until stdin ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The demo says when. A function, because what is ignored would be inherited by the broker.
        signal.signal(number, lambda *_: None)
    folder = Path(tempfile.mkdtemp(prefix="nexus-demo-"))
    try:
        with Launcher(folder / "broker", options=sys.argv[1:]) as launcher:
            said = {"folder": str(folder), "socket": str(launcher.socket), "pid": launcher.pid}
            print(json.dumps(said), flush=True)
            sys.stdin.buffer.read()
    except NexusError as error:
        print(json.dumps({"error": error.message, "hint": error.hint}), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""Where the command `nexus` begins.

An agent starts `nexus mcp` in each of its sessions and waits for it, so that one command does without
what parses all others: half of the time to start, half of the memory. Where the compiled relay was
installed beside this command, the process becomes that one: a tenth of the rest. So does `nexus run`, which
becomes the agent itself.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Run the command of `sys.argv`."""
    starts_agent = sys.argv[1:2] == ["run"] and sys.argv[2:3] not in (["-h"], ["--help"])
    if sys.argv[1:] != ["mcp"] and not starts_agent:
        from nexus.cli import main as everything

        everything.main()
        return
    from nexus.core.errors import NexusError

    try:
        if starts_agent:
            from nexus.cli.run import run

            run(sys.argv[2:])
        _become_small()
        from nexus.cli.relay import relay_stdio

        relay_stdio()
    except NexusError as error:
        print(f"nexus: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The agent has gone.
        sys.stderr.close()
        sys.exit(0)


def _become_small() -> None:
    """Go on as the compiled relay; returns where there is none, or where it has left the rest to Python."""
    from nexus.cli.pending import PENDING, project_header
    from nexus.core.paths import Home

    if PENDING in os.environ:
        return
    # Beside this Python or this command, never in the folder where the agent happens to work.
    beside = (Path(path).parent for path in (sys.executable, sys.argv[0]) if Path(path).is_absolute())
    programs = (str(folder / "nexus-relay") for folder in beside)
    program = next((path for path in programs if os.access(path, os.X_OK)), "")
    if not program:
        return
    python = [sys.executable, "-P", "-m", "nexus", "mcp"]
    with suppress(OSError):  # built for another machine
        os.execv(program, [program, str(Home.from_env().root), project_header(), *python])  # noqa: S606

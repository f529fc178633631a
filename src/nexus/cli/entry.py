"""Where the command `nexus` begins.

An agent starts `nexus mcp` in each of its sessions and waits for it, so that one command does without
what parses all others: half of the time to start, half of the memory.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command of `sys.argv`."""
    if sys.argv[1:] != ["mcp"]:
        from nexus.cli import main as everything

        everything.main()
        return
    from nexus.cli.relay import relay_stdio
    from nexus.core.errors import NexusError

    try:
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

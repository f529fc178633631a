"""Write docs/reference/cli.md from the commands' own --help.

The page depends on the commands only, not on the terminal: width and colour are fixed before the command
line is imported.
"""

from __future__ import annotations

import os
import re
from contextlib import redirect_stdout
from io import StringIO

from scripts import generated

_TERMINAL = {"COLUMNS": "96", "TERMINAL_WIDTH": "96", "NO_COLOR": "1", "TERM": "dumb"}
_COLOUR = {"FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "CLICOLOR_FORCE"}
_HEAD = """# The command line

Every command, as its own `--help` prints it. This page is generated: `make docs` writes it again,
and a test fails when it is stale.
"""


def page() -> str:
    """The whole page."""
    os.environ.update(_TERMINAL)
    for name in _COLOUR:
        os.environ.pop(name, None)
    os.environ["_TYPER_FORCE_DISABLE_TERMINAL"] = "1"

    import typer.main

    from nexus.cli.command_tree import commands
    from nexus.cli.main import app

    parts, root = [_HEAD], typer.main.get_command(app)  # once: making it takes longer than what it prints
    for path in (command.path for command in commands()):
        with redirect_stdout(StringIO()) as output:
            root.main([*path, "--help"], prog_name="nexus", standalone_mode=False)
        text = re.sub(r"\x1b\[[0-9;]*m", "", output.getvalue())
        lines = "\n".join(line.rstrip() for line in text.strip("\n").splitlines()).strip("\n")
        title = " ".join(("nexus", *path))
        parts.append(f"{'#' * min(len(path) + 2, 4)} {title}\n\n```text\n{lines}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    generated.write(__doc__ or "", page)

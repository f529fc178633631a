"""A server for tests: the real tree under a mount by libfuse, in a process of its own.

`python tests/memex_serve_mfuse.py POINT TREE` says `ready` on the standard output once it answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nexus.memexfs.mfuse import serve
from nexus.memexfs.real import Files
from nexus.memexfs.tree import Tree


def main() -> None:
    files = Files(Path(sys.argv[2]))
    tree = Tree(files.root, orphans=files.orphan)
    serve(Path(sys.argv[1]), tree, ready=lambda: print("ready", flush=True))
    print("ended", flush=True)


if __name__ == "__main__":
    main()

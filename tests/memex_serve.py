"""A worker for tests: the real tree, served on a mount's descriptor, in a process of its own.

`python tests/memex_serve.py FD TREE [--log FD] [--table FD] [--negotiated MINOR,FLAGS [--again]]
[--passthrough] [--source NAME=PATH]...`
"""

from __future__ import annotations

import argparse
import os
import resource
from pathlib import Path

from nexus.memexfs import fuse
from nexus.memexfs.real import Files
from nexus.memexfs.session import Negotiated
from nexus.memexfs.tree import Tree


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("fd", type=int)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--log", type=int)
    parser.add_argument("--table", type=int)
    parser.add_argument("--negotiated")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--passthrough", action="store_true")
    parser.add_argument("--source", action="append", default=[])
    args = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sources = {os.fsencode(n): Path(p) for n, _, p in (s.partition("=") for s in args.source)}
    files = Files(args.tree, sources=sources, passthrough=args.passthrough)
    tree = Tree(files.root, log_fd=args.log, orphans=files.orphan)
    files.orphans.sweep(tree.inodes())
    negotiated = Negotiated(*map(int, args.negotiated.split(","))) if args.negotiated else None
    fuse.serve(
        args.fd,
        tree,
        negotiated=negotiated,
        resend=args.again,
        passthrough=args.passthrough,
        open_table=args.table,
    )


if __name__ == "__main__":
    main()

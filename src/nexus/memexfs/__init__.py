"""MemexFS (seed 000): a tree of files in which a folder may be a question.

`Memex` keeps one tree; `mounting` shows it to every program by FUSE, libfuse or WebDAV; `Desk` does what
people do with names, tags, versions and branches. Asks Cortex what a file is about; knows no service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.core.contract import offered

if TYPE_CHECKING:
    from nexus.memexfs.branch_changes import MergeConflictError as MergeConflictError
    from nexus.memexfs.content import Content as Content
    from nexus.memexfs.desk import Desk as Desk
    from nexus.memexfs.finding import Found as Found
    from nexus.memexfs.memex import Memex as Memex
    from nexus.memexfs.memex import MemexSettings as MemexSettings
    from nexus.memexfs.store import Store as Store

__getattr__, __dir__, __all__ = offered(
    __name__,
    {
        "branch_changes": "MergeConflictError",
        "content": "Content",
        "desk": "Desk",
        "finding": "Found",
        "memex": "Memex MemexSettings",
        "store": "Store",
    },
)

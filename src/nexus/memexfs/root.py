"""The mount's own folder: the real files, and the views of them.

Knows which views there are, not what they show. Invariant: it lists what costs nothing to look at; a question
is asked only below search/ and similar/, where nobody comes by walking.
"""

from __future__ import annotations

from nexus.memexfs.by import by
from nexus.memexfs.node import Node
from nexus.memexfs.projects import Projects
from nexus.memexfs.recent import recent
from nexus.memexfs.search import Search
from nexus.memexfs.similar import Similar
from nexus.memexfs.status import Said, meta
from nexus.memexfs.tags import Tags
from nexus.memexfs.versions import Versions
from nexus.memexfs.virtual import Fixed, Scene


class Root(Fixed):
    """`agents` is the folder of branches, where there is one; `said` are lines for `.memex/status`."""

    def __init__(self, scene: Scene, agents: Node | None = None, said: Said | None = None) -> None:
        nodes: list[tuple[bytes, Node]] = [
            (b"files", scene.files.root),
            (b"tags", Tags(scene, b"tags")),
            (b"projects", Projects(scene, b"projects")),
            (b"search", Search(scene, b"search")),
            (b"similar", Similar(scene, b"similar")),
            (b"recent", recent(scene, b"recent")),
            (b"by", by(scene, b"by")),
            (b"versions", Versions(scene, b"versions")),
            (b".memex", meta(scene, b".memex", said or {})),
        ]
        if agents is not None:
            nodes.append((b"agents", agents))
        super().__init__(scene, b"", nodes)

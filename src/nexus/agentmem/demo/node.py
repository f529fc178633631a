"""Whether Node can take part in the demo, and how its player is started. Knows nothing of what it plays."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

_PLAYER = Path(__file__).with_name("player.js")
_CHECKOUT = Path(__file__).resolve().parents[4]
_BUILT = ("build/Release/agentmem.node", "../../../build/python/native/agentmem/node/agentmem.node")


class NodePlayer(NamedTuple):
    """The command of a Node player, before its arguments, and where the addon is."""

    command: tuple[str, ...]
    addon: Path


def find_node() -> NodePlayer | str:
    """How to start one, or why that cannot be.

    @nexusos/agentmem is looked for in NEXUS_AGENTMEM_NODE, else in this checkout; its addon in
    NEXUS_AGENTMEM_ADDON, else where node-gyp or `make up` builds it.
    """
    node = shutil.which("node")
    if node is None:
        return "node is not installed"
    named = os.environ.get("NEXUS_AGENTMEM_NODE", "")
    package = Path(named) if named else _CHECKOUT / "native" / "agentmem" / "node"
    if not (package / "index.js").is_file():
        return (
            "@nexusos/agentmem is not here: run it from a checkout, or set NEXUS_AGENTMEM_NODE to its folder"
        )
    given = os.environ.get("NEXUS_AGENTMEM_ADDON", "")
    places = [Path(given)] if given else [package / place for place in _BUILT]
    addon = next((place for place in places if place.is_file()), None)
    if addon is None:
        return "the Node addon is not built: apt-get install libnode-dev && make up"
    return NodePlayer((node, "--expose-gc", str(_PLAYER), str(package)), addon.resolve())

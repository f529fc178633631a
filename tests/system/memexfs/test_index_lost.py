"""What the index keeps can be lost: it comes back by itself, and tags with it."""

from __future__ import annotations

import shutil

import pytest

from nexus.cortex.embedder import OnnxEmbedder
from tests.unit.memexfs.index_sample import sample

pytestmark = pytest.mark.slow
FILES = {
    "shop/money.md": "# Giving money back\n\nWho is not happy gets the price returned to the card.\n",
    "door.md": "# The front door\n\nThe handle of the front door is loose. We handle keys at the desk.\n",
    "roof.txt": "# Solar roof\n\nForty panels on the south side give nine kilowatts at noon in June.\n",
}


@pytest.fixture(scope="module")
def embedder(embedder_folder):
    return OnnxEmbedder("all-minilm-l6-v2", embedder_folder)


def fill(memex):
    for name, text in FILES.items():
        memex.write(name, text)


@pytest.mark.parametrize("lost", ["vectors", "shard", "meta.db"])
def test_what_is_lost_comes_back(home, embedder, lost):
    with sample(home, embedder, "qdrant") as memex:
        fill(memex)
        memex.work()
        memex.memex.store.tag(memex.id(b"roof.txt"), "house")
    folder = home.shard if lost == "shard" else home.root / "memex" / lost
    if folder.is_dir():
        shutil.rmtree(folder)
    else:
        folder.write_bytes(b"\0" * 8192)
    with sample(home, embedder, "qdrant") as memex:
        if lost == "meta.db":  # names come back by `nexus.memexfs.reconcile`, which knows the disk
            memex.memex.store.enqueue([b"shop/money.md", b"door.md", b"roof.txt"], 0)
        memex.memex.pipeline.reconcile()
        memex.work()
        assert memex.found("how we handle refunds")[0] == "shop/money.md"
        assert memex.memex.status()["vectors"] == 3
        assert memex.cortex.verify().sound
        assert memex.memex.store.tags_of(memex.id(b"roof.txt")) == ["house"]

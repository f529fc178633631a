"""Every model there is for this configuration: those of the catalog, and what else lies in the store.

Reads records, never whole files. Knows nothing of what is loaded.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nexus.core.errors import ModelCorruptError, ModelMissingError
from nexus.core.models.model import Model
from nexus.core.models.store import ModelStore

if TYPE_CHECKING:
    from nexus.core.config import Settings

State = Literal["installed", "damaged", "not installed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One model. `bytes` are those to download, or on the disk for a model the catalog does not name.

    `context` is in tokens; `dimensions` are of an embedding model's vectors; `folder` is None where the
    model is not whole.
    """

    name: str
    kind: str
    bytes: int | None
    licence: str
    context: int | None
    dimensions: int | None
    pinned: bool
    used: bool
    state: State
    folder: Path | None
    summary: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Used:
    """The models of the catalog that a configuration uses, and why there is none for chat."""

    names: tuple[str, ...]
    note: str = ""


def used_by(settings: Settings) -> Used:
    """What the configuration uses: both embedders, and the chat model unless it is elsewhere."""
    names = tuple(dict.fromkeys((settings.cortex.embedder, settings.cortex.talk_embedder)))
    engine = settings.engine
    if engine.kind == "remote":
        return Used(names, f"engine.kind is {engine.kind}: no chat model is needed here")
    if engine.model.endswith(".gguf") or "/" in engine.model:
        return Used(names, f"engine.model is the file {engine.model}: it is used where it lies")
    return Used((*names, engine.model))


def inventory(store: ModelStore, used: Used) -> list[Entry]:
    """All models of the catalog in its order, then the strangers in the store."""
    known = [_entry(model, store, model.name in used.names) for model in store.catalog.values()]
    return known + [_stranger(store, name) for name in store.names() if name not in store.catalog]


def _entry(model: Model, store: ModelStore, used: bool) -> Entry:
    state = _state(store, model.name)
    return Entry(
        name=model.name,
        kind=model.kind,
        bytes=model.download_size,
        licence=model.licence,
        context=model.context,
        dimensions=model.dimensions,
        pinned=model.pinned,
        used=used,
        state=state,
        folder=store.path_of(model.name) if state == "installed" else None,
        summary=model.summary,
    )


def _stranger(store: ModelStore, name: str) -> Entry:
    """A folder that the catalog does not name: put there by another release or by hand."""
    state = _state(store, name)
    manifest = store.manifest(name) if state == "installed" else None
    return Entry(
        name=name,
        kind="?",
        bytes=sum(file.size for file in manifest.files) if manifest else None,
        licence=manifest.licence if manifest else "?",
        context=None,
        dimensions=None,
        pinned=True,
        used=False,
        state=state,
        folder=store.path_of(name),
        summary="not in this release's catalog",
    )


def _state(store: ModelStore, name: str) -> State:
    try:
        store.manifest(name)
    except ModelMissingError:
        return "not installed"
    except ModelCorruptError:
        return "damaged"
    return "installed"

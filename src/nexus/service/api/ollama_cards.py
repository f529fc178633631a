"""What Ollama's clients are told about a model: size, digest, kind, window, abilities.

Reads the catalog's records and the header of a GGUF file, never a whole one, and each header once.
Invariant: what is not known is said to be empty; the window is the one that requests are held to.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from nexus.core import clock
from nexus.core.errors import NexusError
from nexus.core.models.chat import chat_model
from nexus.core.models.model import Model
from nexus.core.models.store import ModelStore
from nexus.cortex.embedder import SPECS
from nexus.engine.convert.gguf_reader import GgufReader
from nexus.service.api.ollama_answer import moment
from nexus.service.api.ollama_fields import tagged
from nexus.service.api.openai_body import WITH_MEMORY
from nexus.service.daemon import Daemon


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says about itself; empty where it cannot be read."""

    family: str = ""
    parameters: int = 0
    quantization: str = ""
    template: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One model. `size` in bytes on the disk, `window` in tokens, `dimensions` of an embedding."""

    name: str
    size: int
    digest: str
    modified: datetime
    form: str
    header: Header
    window: int
    abilities: tuple[str, ...]
    licence: str = ""
    parent: str = ""
    dimensions: int = 0

    def details(self) -> dict[str, Any]:
        """The part that every list has."""
        return {
            "parent_model": self.parent,
            "format": self.form,
            "family": self.header.family,
            "families": [self.header.family] if self.header.family else [],
            "parameter_size": _human(self.header.parameters),
            "quantization_level": self.header.quantization,
        }

    def row(self) -> dict[str, Any]:
        """The model in `/api/tags`."""
        return {**self.identity(), "modified_at": moment(self.modified)}

    def identity(self) -> dict[str, Any]:
        """What tells it from others."""
        name = tagged(self.name)
        return {
            "name": name,
            "model": name,
            "size": self.size,
            "digest": self.digest,
            "details": self.details(),
        }

    def shown(self) -> dict[str, Any]:
        """The model in `/api/show`."""
        family = self.header.family or "unknown"
        info: dict[str, Any] = {
            "general.architecture": family,
            "general.basename": self.name,
            "general.parameter_count": self.header.parameters,
            f"{family}.context_length": self.window,
        }
        if self.dimensions:
            info[f"{family}.embedding_length"] = self.dimensions
        return {
            "license": self.licence,
            "modelfile": f"# {self.name} is set up by NexusOS: see `nexus models` and engine.model\n",
            "parameters": f"num_ctx {self.window}",
            "template": self.header.template,
            "details": self.details(),
            "model_info": info,
            "capabilities": list(self.abilities),
            "modified_at": moment(self.modified),
        }


def cards(daemon: Daemon) -> list[Card]:
    """The model with memory, the model as it is, and those that embed. Reads files; never raises."""
    settings = daemon.config.settings
    store = ModelStore(settings.models.folder or daemon.config.home.models)
    started = clock.now() - timedelta(seconds=daemon.metrics.uptime_seconds)
    own = _chat(daemon, store, started)
    memory = replace(own, name=WITH_MEMORY, parent=own.name, abilities=("completion",))
    names = dict.fromkeys((settings.cortex.embedder, settings.cortex.talk_embedder))
    return [memory, own, *(_embedding(store, name, started) for name in names)]


def header_of(path: Path) -> Header:
    """The header of a GGUF file, read again only when the file has changed."""
    try:
        state = path.stat()
        return _read(path, state.st_mtime_ns, state.st_size)
    except (OSError, NexusError):
        return Header()


def _chat(daemon: Daemon, store: ModelStore, started: datetime) -> Card:
    engine, settings = daemon.engine, daemon.config.settings.engine
    blank = Card(engine.name, 0, _digest(engine.name), started, "", Header(), engine.context, ("completion",))
    if settings.kind == "remote":
        return replace(blank, abilities=("completion", "tools"))
    try:
        path, name, _ = chat_model(store, settings.model)
        state = path.stat()
    except (OSError, NexusError):
        return blank
    header = header_of(path)
    abilities = ["completion"]
    abilities += ["tools"] if "tools" in header.template else []
    abilities += ["thinking"] if "<think>" in header.template else []
    card = replace(
        blank,
        size=state.st_size,
        digest=_digest(f"{path} {state.st_size} {state.st_mtime_ns}"),
        modified=datetime.fromtimestamp(state.st_mtime, UTC),
        form="gguf",
        header=header,
        abilities=tuple(abilities),
    )
    return _recorded(card, store, name)


def _embedding(store: ModelStore, name: str, started: datetime) -> Card:
    spec = SPECS.get(name)
    known = Card(
        name,
        0,
        _digest(name),
        started,
        "onnx",
        Header(family="bert"),
        spec.max_tokens if spec else 0,
        ("embedding",),
        dimensions=spec.dimensions if spec else 0,
    )
    return _recorded(known, store, name)


def _recorded(card: Card, store: ModelStore, name: str) -> Card:
    """The card with what the record of the installation says, where there is one."""
    try:
        manifest = store.manifest(name)
    except NexusError:
        return card
    model: Model | None = store.catalog.get(name)
    return replace(
        card,
        size=sum(file.size for file in manifest.files),
        digest=max(manifest.files, key=lambda file: file.size).sha256,
        modified=datetime.fromisoformat(manifest.installed_at),
        licence=model.licence if model else "",
    )


@lru_cache(maxsize=8)
def _read(path: Path, changed: int, size: int) -> Header:
    with GgufReader(path) as file:
        weights = Counter[str]()
        for tensor in file.tensors:
            weights[tensor.kind.name] += tensor.size
        return Header(
            file.text("general.architecture") or "",
            sum(math.prod(tensor.shape) for tensor in file.tensors),
            weights.most_common(1)[0][0] if weights else "",
            file.text("tokenizer.chat_template") or "",
        )


def _digest(text: str) -> str:
    """Tells models apart whose bytes nobody has summed up; not the hash of a file."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _human(count: int) -> str:
    """`134.52M`, `1.54B`; empty where it is not known."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size:
            return f"{count / size:.2f}{letter}"
    return str(count) if count else ""

"""Which file a chat model is: one of the catalog by its name, or a GGUF file by its path.

Does not know engines. Invariant: a model of the catalog is used only after `verified`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nexus.core.errors import ConfigError, ModelCorruptError
from nexus.core.models.catalog import find
from nexus.core.models.store import ModelStore


class ChatModel(NamedTuple):
    """`verify` raises `ModelMissingError` or `ModelCorruptError`; None for a file of the user's own."""

    path: Path
    name: str
    verify: Callable[[], None] | None


def chat_model(store: ModelStore, model: str) -> ChatModel:
    """The model that `engine.model` means. Raises `NotFoundError`, `ConfigError`."""
    own_file = Path(model).expanduser()
    if own_file.suffix == ".gguf":
        return ChatModel(own_file, own_file.stem, None)
    files = [file.name for file in find(model, store.catalog).files if file.name.endswith(".gguf")]
    if not files:
        raise ConfigError(f"engine.model = {model!r} is no chat model", hint="see `nexus models list`")
    return ChatModel(store.folder / model / files[0], model, lambda: verified(store, model))


def verified(store: ModelStore, name: str) -> None:
    """Read a model's files whole. Raises `ModelMissingError`, `ModelCorruptError` naming the file."""
    problems = store.verify(name)
    if problems:
        raise ModelCorruptError(str(problems[0]), hint=f"nexus models pull {name} --force")

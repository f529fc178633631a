"""Opening Cortex by a configuration: the service's, or that of a folder, for a program of the user's own.

Invariant: a program that has opened a folder holds its lock, so no service opens it, and the other way round.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from nexus.core.breaker import Breaker
from nexus.core.config import Config, load
from nexus.core.instance import Instance
from nexus.core.models.chat import verified
from nexus.core.models.store import ModelStore
from nexus.core.paths import Home
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.embedders import Embedders


def configured(config: Config, models: Path | None = None, breaker: Breaker | None = None) -> Cortex:
    """Knowledge and memory of a configuration, whose lock the caller holds; the index is not yet repaired.

    `models` is where models are when `models.folder` does not say it: the home's own by default. Raises
    `ModelMissingError`, `ModelCorruptError`, `StorageError`.
    """
    settings = config.settings
    store = ModelStore(settings.models.folder or models or config.home.models)
    minutes = settings.cortex.unload_minutes or math.inf
    loaded: dict[str, OnnxEmbedder] = {}
    for name in (settings.cortex.embedder, settings.cortex.talk_embedder):
        if name not in loaded:
            verified(store, name)
            loaded[name] = OnnxEmbedder(name, store.path(name), idle_seconds=60 * minutes, breaker=breaker)
    embedders = Embedders(loaded[settings.cortex.embedder], loaded[settings.cortex.talk_embedder])
    return Cortex(config.home, settings.cortex, embedders, repair=False)


def opened(folder: str | os.PathLike[str] | None = None) -> Cortex:
    """Cortex of a folder, made where it is not there; see `Cortex.open`."""
    env = dict(os.environ)
    models = Home.from_env(env).models
    if folder is not None:
        env["NEXUS_HOME"] = str(Path(folder).expanduser().absolute())
    config = load(env=env)
    config.home.create()
    instance = Instance(config.home, "")
    try:
        cortex = configured(config, models)
        try:
            cortex.repair()
        except BaseException:
            cortex.close()
            raise
    except BaseException:
        instance.release()
        raise
    cortex.on_close(instance.release)
    return cortex

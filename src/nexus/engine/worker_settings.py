"""What the parent decides for the child process that holds a model.

Knows neither of the engines. Invariant: it travels as one line of JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the worker need not load what checks settings
    from nexus.core.settings import EngineSettings

WorkerKind = Literal["local", "llamacpp"]
# Tokens of the longest conversation where the settings name none. Ours costs disk as it grows, llama.cpp's
# takes its RAM when it starts.
LOCAL_CONTEXT = 262_144
PEER_CONTEXT = 8_192


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`context` is in tokens, 0 for the model's own. What begins with `store` is for `local` only."""

    kind: WorkerKind
    model: str
    context: int
    threads: int = 1
    socket: str = ""
    key: str = ""
    parent: int = 0
    # llama.cpp's server can only be stopped between two batches of the prompt: 64 tokens are about
    # a second on two cores, and cost 6 % more CPU than 512.
    batch: int = 64
    # Prompts that it keeps in RAM so that a second conversation need not read its prefix again; left
    # alone it would take 8 GiB.
    cache_mib: int = 512
    # Our engine: pages of contexts on the disk and in RAM, answers at once, and up to how many tokens
    # everything is attended (0: what the model was trained on).
    store: str = ""
    store_ram_bytes: int = 512 << 20
    store_disk_bytes: int = 8 << 30
    streams: int = 4
    exact_tokens: int = 0

    def to_json(self) -> str:
        """One line for the child process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerSettings:
        """What `to_json` wrote."""
        return cls(**json.loads(text))


def child_kinds(settings: EngineSettings, model: Path, store: Path) -> list[WorkerSettings]:
    """What may compute `model`, in the order in which it is tried; our engine keeps its pages in `store`."""
    local = WorkerSettings(
        "local",
        str(model),
        settings.context or LOCAL_CONTEXT,
        store=str(store),
        store_ram_bytes=settings.ram_mib << 20,
        store_disk_bytes=settings.disk_gib << 30,
        streams=settings.streams,
        exact_tokens=settings.exact_tokens,
    )
    llamacpp = WorkerSettings("llamacpp", str(model), settings.context or PEER_CONTEXT)
    return {"local": [local], "llamacpp": [llamacpp]}.get(settings.kind, [local, llamacpp])

"""A tiny random model with a store, streams and answers: the compiled engine itself, in milliseconds."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nexus._engine import Model, Sampler, Store
from nexus.engine.local.answer import Answer, AnswerEvent, Ended, Failed, Text
from nexus.engine.local.names import BLOCK_TOKENS, Names, Tokens, root_name
from nexus.engine.local.scheduler import Scheduler
from nexus.engine.local.stream import Limits
from nexus.engine.local.streams import Streams
from tests.unit.engine.local.tiny_models import Tiny, draw

LIMITS = Limits(exact_tokens=4096)
MODEL_ID = b"\1" * 32


def tiny_model(folder: Path) -> Model:
    path = folder / "tiny.gguf"
    if not path.exists():
        draw(Tiny("llama")).write(path)
    return Model(str(path), 1)


def prompt(count: int, seed: int = 0) -> Tokens:
    """Tokens, none of which ends an answer."""
    return np.random.default_rng(seed).integers(1, 100, count).astype(np.int32)


@dataclass
class TinyEngine:
    """In `folder`."""

    folder: Path
    capacity: int = 100
    ram: int = 4 << 20
    kept: int = 4
    at_once: int = 4
    model: Model = field(init=False)
    store: Store = field(init=False)
    names: Names = field(init=False)
    streams: Streams = field(init=False)
    scheduler: Scheduler = field(init=False)

    def __post_init__(self) -> None:
        self.model = tiny_model(self.folder)
        self.store = Store(str(self.folder / "blocks"), self.model, MODEL_ID, self.ram, self.capacity)
        self.names = Names(self.folder / "names.db", root_name(MODEL_ID, LIMITS.profile()))
        self.streams = Streams(self.model, self.store, self.names, LIMITS, kept=self.kept, ram_bytes=self.ram)
        self.scheduler = Scheduler(self.model, self.streams, at_once=self.at_once)

    def killed(self) -> Path:
        """A folder with what would be on the disk if it were killed now."""
        folder = self.folder / "after"
        folder.mkdir()
        for path in [*self.folder.glob("names.db*"), self.folder / "blocks", self.folder / "tiny.gguf"]:
            shutil.copyfile(path, folder / path.name)
        return folder

    def restarted(self) -> TinyEngine:
        """Another one, with what a kill now would leave."""
        return TinyEngine(self.killed(), self.capacity, self.ram, self.kept, self.at_once)

    def read(self, tokens: Tokens) -> tuple[Any, int]:
        """A stream that holds all of these, and how many it had."""
        stream, had = self.streams.open(tokens)
        for first in range(had, len(tokens), 256):
            part = tokens[first : first + 256].tolist()
            self.model.step([(stream.context, part, 1)])
            self.streams.grew(stream, part)
            self.streams.settle(stream)
        return stream, had

    def kept_stream(self, tokens: Tokens) -> Any:
        """A stream of these tokens that waits for its next turn."""
        stream, _ = self.read(tokens)
        self.streams.keep(stream)
        return stream

    def answer(self, tokens: Tokens, max_tokens: int = 8, **more: Any) -> Answer:
        """Greedy; it cannot end by itself unless `bias` says so."""
        bias = more.pop("bias", {0: -1000.0})
        sampler = Sampler(temperature=0.0, bias=bias)
        return Answer(tokens, sampler, self.model.tokenizer, max_tokens, **more)

    def flip(self, slot: int, *, head: bool = False) -> None:
        """Damage the block in this slot: its last page, or its head."""
        size = self.store.block_bytes
        with (self.folder / "blocks").open("r+b") as file:
            file.seek(8192 + (slot * size + 80 if head else (slot + 1) * size - 3000))
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 0xFF]))

    @property
    def blocks(self) -> int:
        """Slots in use."""
        return self.store.stats()["blocks"]


def events_of(answer: Answer) -> list[AnswerEvent]:
    """All of them, once it has ended."""
    events: list[AnswerEvent] = []
    while not events or not isinstance(events[-1], Ended | Failed):
        events.append(answer.events.get(timeout=60))
    return events


def text_of(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def whole(count: int) -> int:
    """Full blocks of so many tokens."""
    return count // BLOCK_TOKENS

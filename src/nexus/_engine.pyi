"""The compiled engine; built by CMake from native/engine, loaded only by the engine's worker process.

Errors: FormatError (a bad file), UnsupportedError (a sound file this engine does not compute),
EngineIoError (disk, memory, locks), LimitError (a value out of range), DamagedPageError (stored content
failed its checksum). One thread at a time calls into a Model and the
Contexts of its Store; the interpreter lock is free while they compute.
"""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

PAGE_TOKENS: int
MOST_STEP_TOKENS: int

class EngineNativeError(RuntimeError): ...
class FormatError(EngineNativeError): ...
class UnsupportedError(EngineNativeError): ...
class EngineIoError(EngineNativeError): ...
class LimitError(EngineNativeError): ...

class DamagedPageError(FormatError):
    slot: int

def supported_architectures() -> list[str]: ...

@final
class Tokenizer:
    @property
    def size(self) -> int: ...
    @property
    def bos(self) -> int | None: ...
    @property
    def eos(self) -> int | None: ...
    @property
    def adds_bos(self) -> bool: ...
    def encode(
        self, text: str | bytes, parse_special: bool = False, add_bos: bool = False
    ) -> NDArray[np.int32]: ...
    def piece(self, token: int, special: bool = False) -> bytes:
        """The bytes of a token; control tokens are empty unless `special`."""
    def is_end(self, token: int) -> bool: ...
    def is_control(self, token: int) -> bool: ...
    def pieces(self) -> list[bytes]:
        """The bytes of all tokens, control tokens as they are written (for grammars)."""

@final
class Utf8Stream:
    """Bytes in, whole characters out; an unfinished character is held back."""

    def push(self, data: bytes) -> str: ...
    def flush(self) -> str: ...

@final
class Model:
    def __init__(self, path: str, threads: int) -> None: ...
    tokenizer: Tokenizer
    @property
    def threads(self) -> int: ...
    @threads.setter
    def threads(self, count: int) -> None: ...
    @property
    def config(self) -> dict[str, Any]:
        """architecture, name, layers, width, heads, kv_heads, head_dim, vocabulary, trained_context, ..."""
    @property
    def bytes(self) -> int:
        """Of the packed weights: what one token reads at least."""
    @property
    def block_bytes(self) -> int:
        """On the disk, of PAGE_TOKENS tokens of a context in all layers."""
    def text(self, key: str) -> str | None:
        """A text of the file's metadata, such as tokenizer.chat_template."""
    def step(
        self, streams: Sequence[tuple[Context, NDArray[np.int32] | Sequence[int], int]]
    ) -> NDArray[np.float32]:
        """New tokens of each context enter the model; the logits of the last `int` tokens of each.

        At most MOST_STEP_TOKENS in all. Rows of `vocabulary` floats, in order; the array is only valid
        until the next step.
        """

@final
class Store:
    """Pages of contexts on disk, and those of them that are in RAM, for one model."""

    def __init__(
        self, path: str, model: Model, model_id: bytes, ram_bytes: int, capacity_blocks: int
    ) -> None: ...
    @property
    def block_bytes(self) -> int: ...
    def reserve(self, slots: Sequence[int]) -> None:
        """At start: these slots are in use (their names are known); all others are free."""
    def release(self, slot: int) -> None: ...
    def sync(self) -> None:
        """Every block written so far is on the disk."""
    def give_back(self) -> None:
        """The disk gets the space of free slots. Raises `EngineIoError`."""
    def set_ram(self, ram_bytes: int) -> None: ...
    def stats(self) -> dict[str, int]:
        """blocks, capacity, disk_bytes, frames, hits, misses, reads, bytes_read, bytes_written."""
    @property
    def least_ram(self) -> int: ...
    @property
    def slots(self) -> int:
        """Slots that the file has room for; a name with a higher one has lost its block."""

@final
class Context:
    """One stream. `exact_tokens`: up to here everything is attended; beyond, selected pages."""

    def __init__(
        self,
        model: Model,
        store: Store,
        exact_tokens: int,
        sinks: int = 128,
        window: int = 1024,
        pages: int = 64,
        bulk_pages: int = 32,
    ) -> None: ...
    @property
    def tokens(self) -> int: ...
    @property
    def index_bytes(self) -> int: ...
    @property
    def ram_bytes(self) -> int: ...
    def new_blocks(self) -> list[tuple[int, int, int]]:
        """(ordinal, slot, mark) of blocks that became full since the last call; on disk after Store.sync."""
    def adopt(self, slots: Sequence[int], marks: Sequence[int]) -> None:
        """Begin with these stored blocks; only on an empty context. Raises DamagedPageError (its `slot`)."""
    def tail(self) -> bytes:
        """The keys and values of the tokens after the last full block."""
    def restore_tail(self, data: bytes) -> None: ...
    def truncate(self, tokens: int) -> None:
        """Forget what follows; to a multiple of PAGE_TOKENS, or within the tail."""

@final
class Sampler:
    def __init__(
        self,
        temperature: float = 0.7,
        top_p: float = 0.95,
        top_k: int = 0,
        min_p: float = 0.0,
        repeat_penalty: float = 1.0,
        presence_penalty: float = 0.0,
        frequency_penalty: float = 0.0,
        repeat_last: int = 64,
        seed: int = 0,
        bias: dict[int, float] | None = None,
    ) -> None: ...
    def sample(self, logits: NDArray[np.float32], allowed: NDArray[np.uint32] | None = None) -> int: ...
    def accept(self, token: int, generated: bool) -> None: ...

def log_probability(logits: NDArray[np.float32], token: int) -> float: ...

@final
class WeightBench:
    """The matrices of a model with one packing (empty: all), to be timed; see evaluation/bench_speed.py."""

    def __init__(self, model: Model, packing: str = "") -> None: ...
    @property
    def bytes(self) -> int: ...
    @property
    def weights(self) -> int: ...
    def read(self) -> float:
        """Seconds to read the bytes once and do nothing with them."""
    def multiply(self, tokens: int) -> float:
        """Seconds of the products with so many tokens."""

def extend_context(
    model: Model, store: Store, context: Context, blocks: int, sources: int, seed: int = 1
) -> None:
    """Add blocks made out of the first `sources` ones with noise, for benches of long contexts."""

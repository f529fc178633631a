"""What the catalog says about one model: its files, their bytes, and where they may come from.

Knows nothing of disks and networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nexus.core.models.sources import Source

ModelKind = Literal["chat", "embedding"]


@dataclass(frozen=True, slots=True)
class Pin:
    """The bytes of a file: length in bytes and SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model. Without `pins` its bytes are not known beforehand.

    Several pins mean several published forms of the same content; the first is what progress and
    disk space are reckoned with.
    """

    name: str
    pins: tuple[Pin, ...] = ()

    @classmethod
    def of(cls, name: str, size: int, sha256: str) -> ModelFile:
        """A file with one pin."""
        return cls(name, (Pin(size, sha256),))

    @property
    def size(self) -> int | None:
        """In bytes; None where nobody has pinned it."""
        return self.pins[0].size if self.pins else None

    @property
    def sha256(self) -> str | None:
        """Of the content; None where nobody has pinned it."""
        return self.pins[0].sha256 if self.pins else None

    def accepts(self, size: int, sha256: str) -> bool:
        """Whether these bytes may be installed under this name."""
        return not self.pins or Pin(size, sha256) in self.pins


@dataclass(frozen=True, slots=True)
class Conversion:
    """The files of a model are made from `pack` by the converter of this name.

    The pin of the pack is the anchor of trust: a converter built on other library versions may give
    other bytes, which is accepted, recorded and said.
    """

    converter: str
    pack: ModelFile


@dataclass(frozen=True, slots=True)
class Model:
    """One entry. `context` in tokens; `dimensions` of the vectors of an embedding model."""

    name: str
    kind: ModelKind
    licence: str
    summary: str
    files: tuple[ModelFile, ...]
    sources: tuple[Source, ...]
    context: int
    dimensions: int | None = None
    default: bool = False
    conversion: Conversion | None = None

    @property
    def fetched(self) -> tuple[ModelFile, ...]:
        """What is downloaded: the files themselves, or the pack they are made from."""
        return (self.conversion.pack,) if self.conversion else self.files

    @property
    def download_size(self) -> int | None:
        """Bytes to download; None where the catalog cannot know."""
        total = 0
        for file in self.fetched:
            if file.size is None:
                return None
            total += file.size
        return total

    @property
    def pinned(self) -> bool:
        """Whether the sha256 of everything downloaded is known beforehand."""
        return all(file.pins for file in self.fetched)

    def sources_of(self, file: str) -> tuple[Source, ...]:
        """Where one of its files can be fetched, best first."""
        return tuple(source for source in self.sources if source.file == file)

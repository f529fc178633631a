"""What lies in an installed model's folder: `manifest.json`.

Written last, before the folder gets its name, so a folder with a manifest is a whole model. It
holds the sha256 of what was really installed, which for converted and unpinned files only it knows.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nexus.core import atomic
from nexus.core.errors import ModelCorruptError

MANIFEST = "manifest.json"


class InstalledFile(BaseModel):
    """One file as it was installed. `pinned`: the catalog named its sha256 beforehand."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: str
    pinned: bool


class Manifest(BaseModel):
    """The record of one installation. `installed_at` is UTC, ISO 8601."""

    model_config = ConfigDict(frozen=True)

    format: int = Field(default=1, ge=1, le=1)
    model: str
    licence: str
    installed_at: str
    files: tuple[InstalledFile, ...] = Field(min_length=1)

    def write(self, folder: Path) -> None:
        """Store it in `folder`. Raises `StorageError`."""
        atomic.write_text(folder / MANIFEST, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path, name: str) -> Manifest | None:
        """The manifest of the model `name` in `folder`; None where there is none.

        Raises `ModelCorruptError` where there is one that cannot be read.
        """
        path = folder / MANIFEST
        try:
            manifest = cls.model_validate(json.loads(path.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise _corrupt(path, f"{field}: {first['msg']}", name) from error
        except (OSError, ValueError) as error:
            raise _corrupt(path, str(error), name) from error
        if manifest.model != name:
            raise _corrupt(path, f"it is of model {manifest.model!r}", name)
        return manifest


def _corrupt(path: Path, why: str, name: str) -> ModelCorruptError:
    return ModelCorruptError(f"{path} is damaged: {why}", hint=f"nexus models pull {name} --force")

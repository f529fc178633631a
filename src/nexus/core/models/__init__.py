"""The catalog of weights and the store of installed ones.

`catalog` says what exists, `Installer.pull` installs it, `ModelStore` says where it lies and
whether it is whole. Nothing is fetched by importing.
"""

from nexus.core.models.catalog import CATALOG, defaults, find
from nexus.core.models.download import Downloader, Progress
from nexus.core.models.installer import Converter, Installed, Installer
from nexus.core.models.manifest import InstalledFile, Manifest
from nexus.core.models.model import Conversion, Model, ModelFile, Pin
from nexus.core.models.sources import (
    Hub,
    Member,
    NpmPackage,
    PythonPackages,
    Source,
    SourceError,
    SourceKind,
)
from nexus.core.models.store import ModelStore, Problem

__all__ = [
    "CATALOG",
    "Conversion",
    "Converter",
    "Downloader",
    "Hub",
    "Installed",
    "InstalledFile",
    "Installer",
    "Manifest",
    "Member",
    "Model",
    "ModelFile",
    "ModelStore",
    "NpmPackage",
    "Pin",
    "Problem",
    "Progress",
    "PythonPackages",
    "Source",
    "SourceError",
    "SourceKind",
    "defaults",
    "find",
]

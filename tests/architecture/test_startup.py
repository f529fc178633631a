"""Importing the package and asking the command for help load nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "fastapi",
    "httpx",
    "mcp",
    "nexus._native",
    "numpy",
    "onnx",
    "onnxruntime",
    "pydantic_settings",
    "qdrant_edge",
    "tokenizers",
    "torch",
    "uvicorn",
    "xllamacpp",
}

_HELP = """
import sys
sys.argv = ["nexus", "--help"]
from nexus.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("import nexus", "import nexus"),
        ("nexus --help", _HELP),
        ("import nexus.transformer", "import nexus.transformer, nexus.transformer.config"),
        ("import nexus.training", "import nexus.training"),
    ],
)
def test_nothing_heavy_is_loaded(action: str, code: str) -> None:
    report = "import sys\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.split())
    assert "nexus" in loaded
    assert loaded & HEAVY == set(), f"{action} loads {sorted(loaded & HEAVY)}"

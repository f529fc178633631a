"""What every test may ask for: a fresh NEXUS_HOME and the two small real models.

No test sees the user's own NEXUS_* variables or home.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from nexus.core.errors import NexusError
from nexus.core.paths import Home

if TYPE_CHECKING:
    from nexus.unikernel.images import Image

ROOT = Path(__file__).resolve().parents[1]
_OURS = "NEXUS_TEST_MODELS"

# CI must give the same answer twice, so it does not draw at random; `deep` is for a night.
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=5000, deadline=None)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "quick")
)


# Collecting makes millions of objects that all stay: to look through them for garbage again and again would
# take a third of its time, and something of each test after it.
gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        for name in [n for n in os.environ if n.startswith("NEXUS_") and n != _OURS]:
            patch.delenv(name)
        patch.setenv("NEXUS_HOME", folder)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A fresh, created NEXUS_HOME; the environment names it."""
    monkeypatch.setenv("NEXUS_HOME", str(tmp_path / "home"))
    fresh = Home.from_env()
    fresh.create()
    return fresh


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """The folder with the models of the tests, laid out like NEXUS_HOME/models."""
    return Path(os.environ.get(_OURS) or ROOT / "build" / "models")


@pytest.fixture(scope="session")
def granite_folder(models_folder: Path) -> Path:
    """The installed embedder: model.int8.onnx and tokenizer.json."""
    folder = models_folder / "granite-embedding-30m-english"
    for name in ("model.int8.onnx", "tokenizer.json"):
        _present(folder / name)
    return folder


@pytest.fixture(scope="session")
def embedder_folder(models_folder: Path) -> Path:
    """The installed default embedder: model_quantized.onnx and tokenizer.json."""
    folder = models_folder / "all-minilm-l6-v2"
    for name in ("model_quantized.onnx", "tokenizer.json"):
        _present(folder / name)
    return folder


@pytest.fixture(scope="session")
def smollm2_path(models_folder: Path) -> Path:
    """The small chat model, a GGUF file."""
    return _present(models_folder / "smollm2-135m" / "SmolLM2-135M-Instruct.Q4_1.gguf")


def _present(path: Path) -> Path:
    if not path.is_file():
        pytest.fail(f"{path} is missing; scripts/test-models.sh (part of `make test`) fetches it")
    return path


@pytest.fixture(scope="session")
def python_image() -> Image:
    """The sandbox's Python image, built once into build/unikernel of this tree."""
    from nexus.unikernel import builder

    try:
        return builder.python_image(build=True, base=ROOT / "build" / "unikernel")
    except NexusError as error:
        pytest.skip(f"the Python image cannot be built here: {error}")

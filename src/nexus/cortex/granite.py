"""Makes `model.int8.onnx` and `tokenizer.json` from the packed granite embedder.

The graph is the RoBERTa encoder of granite-embedding-30m-english, opset 20: inputs `input_ids` and
`attention_mask`, int64 (batch, tokens), padding at the end; outputs `sentence_embedding`, float32
(batch, hidden), the first token's last state, L2-normalised, and `token_embeddings`, float32 (batch,
tokens, hidden), the states after the last layer but one: the last was trained for the first token
only, and its other states are of no use. Matrices are int8, one scale for each output; their inputs
uint8 with the fixed ranges of `granite_ranges`.

Invariant: the same pack gives the same bytes, for they are pinned in the catalog: names, order and
attributes below are part of the file. Peak memory stays below 300 MB.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from nexus.core.errors import StorageError
from nexus.cortex.granite_pack import Floats, Pack
from nexus.cortex.granite_ranges import Ranges, Site

_OPSET = 20
_IR_VERSION = 9
_ROWS = 2048
_FUSED = "com.microsoft"  # operators of ONNX Runtime itself
_OFFSET = 2  # RoBERTa counts positions from here
_KINDS = {
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
}
_Constant = Floats | NDArray[np.int64] | NDArray[np.int8] | NDArray[np.uint8]


def convert(pack_file: Path, folder: Path, ranges: Ranges | None = None) -> None:
    """Write the two files into `folder`, each at once. About a second of one core.

    `ranges` are the published ones unless given. Raises `ModelCorruptError` for a pack that is not
    one or does not go with the ranges, `StorageError`.
    """
    try:
        with Pack(pack_file) as pack, tempfile.TemporaryDirectory(dir=folder) as scratch:
            model = Path(scratch, "model.int8.onnx")
            with model.open("wb") as file:
                file.write(_Graph(pack, ranges).model().SerializeToString())
            tokenizer = Path(scratch, "tokenizer.json")
            tokenizer.write_bytes(pack.tokenizer)
            for path in (model, tokenizer):
                path.replace(folder / path.name)
    except OSError as error:
        raise StorageError.from_os(error, error.filename or folder) from error


class _Graph:
    """Builds the model node by node. A node has the name of its output."""

    def __init__(self, pack: Pack, ranges: Ranges | None) -> None:
        self._pack = pack
        self._arch = pack.architecture
        self._ranges = ranges or Ranges.load(self._arch.hidden, self._arch.intermediate)
        pack.expect_layers(self._ranges.layers)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[TensorProto] = []

    def model(self) -> onnx.ModelProto:
        hidden, heads = self._arch.hidden, self._arch.heads
        self._constant("one", np.array(1, np.float32))
        self._integers("heads", [0, 0, heads, hidden // heads])
        self._integers("whole", [0, 0, hidden])
        state, mask = self._embeddings(), self._attention_mask()
        tokens = state
        for layer in range(self._arch.layers):
            tokens, state = state, self._layer(layer, state, mask)
        self._node("Identity", [tokens], "token_embeddings")
        self._integers("first", 0)
        self._node("Gather", [state, "first"], "sentence", axis=1)
        self._node("LpNormalization", ["sentence"], "sentence_embedding", axis=-1, p=2)
        graph = onnx.GraphProto(
            name="granite",
            node=self._nodes,
            initializer=self._constants,
            input=[_value(name, TensorProto.INT64, ["b", "s"]) for name in ("input_ids", "attention_mask")],
            output=[
                _value("sentence_embedding", TensorProto.FLOAT, ["b", hidden]),
                _value("token_embeddings", TensorProto.FLOAT, ["b", "s", hidden]),
            ],
        )
        model = onnx.ModelProto(ir_version=_IR_VERSION, graph=graph)
        model.opset_import.add(domain="", version=_OPSET)
        model.opset_import.add(domain=_FUSED, version=1)
        return model

    def _embeddings(self) -> str:
        """Words + positions + type, normalised. Words are int8 with a scale for each."""
        values, scales = [], []
        for block in self._pack.rows("word_emb", _ROWS):
            whole, scale = _quantised(block)
            values.append(whole)
            scales.append(scale)
        self._constant("words", np.concatenate(values))
        self._constant("word_scales", np.concatenate(scales)[:, None])
        positions = self._pack.tensor("pos_emb")[_OFFSET:] + self._pack.tensor("type_emb")[0]
        self._constant("positions", positions)
        self._node("Gather", ["words", "input_ids"], "w8")
        self._node("Cast", ["w8"], "wf", to=TensorProto.FLOAT)
        self._node("Gather", ["word_scales", "input_ids"], "ws")
        self._node("Mul", ["wf", "ws"], "w")
        self._node("Shape", ["input_ids"], "length", start=1, end=2)
        self._integers("begin", [0])
        self._node("Slice", ["positions", "begin", "length", "begin"], "p")
        self._node("Add", ["w", "p"], "wp")
        return self._normalised("wp", "emb_ln", "e")

    def _attention_mask(self) -> str:
        """0 for real tokens, -1e9 for padding, shape (batch, 1, 1, tokens)."""
        self._node("Cast", ["attention_mask"], "m", to=TensorProto.FLOAT)
        self._node("Sub", ["m", "one"], "m1")
        self._constant("far", np.array(1e9, np.float32))
        self._node("Mul", ["m1", "far"], "m2")
        self._integers("middle", [1, 2])
        return self._node("Unsqueeze", ["m2", "middle"], "mask")

    def _layer(self, layer: int, state: str, mask: str) -> str:
        at = f"l{layer}."
        mixed = self._attention(layer, state, mask)
        # Not SkipLayerNormalization, BiasGelu or Attention: these are several times slower.
        self._node("Add", [self._linear(layer, "ao", mixed, at + "o"), state], at + "r1")
        middle = self._normalised(at + "r1", at + "aln", at + "y")
        self._node("Gelu", [self._linear(layer, "f1", middle, at + "i")], at + "g")
        self._node("Add", [self._linear(layer, "f2", at + "g", at + "d"), middle], at + "r2")
        return self._normalised(at + "r2", at + "fln", at + "x")

    def _attention(self, layer: int, state: str, mask: str) -> str:
        at, hidden = f"l{layer}.", self._arch.hidden
        weights, bias = self._pack.tensor(at + "qkv.w"), self._pack.tensor(at + "qkv.b")
        # The attention's scale goes into the queries.
        scale = np.float32((hidden // self._arch.heads) ** -0.5)
        weights[:hidden] *= scale
        bias[:hidden] *= scale
        site = self._ranges.site(layer, "qkv")
        byte = self._byte(state, site, at + "qkv")
        # Keys are turned, so that queries times keys needs no further transpose.
        for n, (part, order) in enumerate({"q": [0, 2, 1, 3], "k": [0, 2, 3, 1], "v": [0, 2, 1, 3]}.items()):
            rows = slice(n * hidden, (n + 1) * hidden)
            self._product(state, byte, site, weights[rows], bias[rows], at + part)
            self._node("Reshape", [at + part, "heads"], at + part + "r")
            self._node("Transpose", [at + part + "r"], at + part + "h", perm=order)
        self._node("MatMul", [at + "qh", at + "kh"], at + "a0")
        self._node("Add", [at + "a0", mask], at + "a1")
        self._node("Softmax", [at + "a1"], at + "a2", axis=-1)
        self._node("MatMul", [at + "a2", at + "vh"], at + "a3")
        self._node("Transpose", [at + "a3"], at + "a4", perm=[0, 2, 1, 3])
        return self._node("Reshape", [at + "a4", "whole"], at + "a")

    def _linear(self, layer: int, name: str, source: str, output: str) -> str:
        """`output` = `source` x the matrix `name` of the layer, transposed, + its bias."""
        tensor = f"l{layer}.{name}"
        site = self._ranges.site(layer, name)
        byte = self._byte(source, site, tensor)
        weights, bias = self._pack.tensor(tensor + ".w"), self._pack.tensor(tensor + ".b")
        return self._product(source, byte, site, weights, bias, output)

    def _byte(self, source: str, site: Site, at: str) -> str:
        """`source` as unsigned bytes: round(source x factor) + zero."""
        self._constant(at + ".f", site.factor)
        self._constant(at + ".z", np.array(site.zero, np.uint8))
        self._node("Mul", [source, at + ".f"], at + ".m")
        self._node("QuantizeLinear", [at + ".m", "one", at + ".z"], at + ".u")
        return at

    def _product(self, source: str, byte: str, site: Site, weights: Floats, bias: Floats, output: str) -> str:
        exact = np.flatnonzero(site.factor == 0)
        inverse = np.divide(1, site.factor, out=np.zeros_like(site.factor), where=site.factor > 0)
        values, scale = _quantised(weights * inverse)
        self._constant(output + ".w", values.T)
        self._constant(output + ".s", scale)
        self._constant(output + ".n", np.zeros(len(scale), np.int8))
        self._constant(output + ".b", bias)
        inputs = [
            byte + ".u",
            output + ".w",
            "one",
            output + ".s",
            byte + ".z",
            output + ".n",
            output + ".b",
        ]
        whole = output if not len(exact) else output + ".q"
        self._node("MatMulIntegerToFloat", inputs, whole, domain=_FUSED)
        if len(exact):
            self._integers(output + ".c", exact.tolist())
            self._node("Gather", [source, output + ".c"], output + ".e", axis=2)
            self._constant(output + ".k", weights[:, exact].T)
            self._node("MatMul", [output + ".e", output + ".k"], output + ".p")
            self._node("Add", [whole, output + ".p"], output)
        return output

    def _normalised(self, source: str, tensor: str, output: str) -> str:
        weight = self._constant(output + ".lw", self._pack.tensor(tensor + ".w"))
        bias = self._constant(output + ".lb", self._pack.tensor(tensor + ".b"))
        epsilon = self._arch.epsilon
        return self._node("LayerNormalization", [source, weight, bias], output, axis=-1, epsilon=epsilon)

    def _node(self, op: str, inputs: list[str], output: str, domain: str = "", **attributes: object) -> str:
        self._nodes.append(_node(op, inputs, output, domain, **attributes))
        return output

    def _integers(self, name: str, values: int | list[int]) -> str:
        return self._constant(name, np.array(values, np.int64))

    def _constant(self, name: str, values: _Constant) -> str:
        # NumPy's own function would give a scalar a dimension.
        data = np.array(values, order="C").tobytes()
        kind = _KINDS[values.dtype.name]
        self._constants.append(TensorProto(name=name, dims=values.shape, data_type=kind, raw_data=data))
        return name


def _quantised(rows: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Each row as int8 and its scale: `rows` is about values x scale[:, None]."""
    scale = np.maximum(np.abs(rows).max(axis=1), np.float32(1e-30)) / np.float32(127)
    return np.rint(rows / scale[:, None]).astype(np.int8), scale


def _node(op: str, inputs: list[str], output: str, domain: str, **attributes: object) -> onnx.NodeProto:
    node = onnx.NodeProto(op_type=op, name=output, input=inputs, output=[output], domain=domain)
    for key, value in sorted(attributes.items()):
        entry = node.attribute.add(name=key)
        if isinstance(value, float):
            entry.type, entry.f = onnx.AttributeProto.FLOAT, value
        elif isinstance(value, int):
            entry.type, entry.i = onnx.AttributeProto.INT, value
        else:
            assert isinstance(value, list)
            entry.type = onnx.AttributeProto.INTS
            entry.ints.extend(value)
    return node


def _value(name: str, kind: int, shape: list[str | int]) -> onnx.ValueInfoProto:
    value = onnx.ValueInfoProto(name=name)
    value.type.tensor_type.elem_type = kind
    for size in shape:
        dimension = value.type.tensor_type.shape.dim.add()
        if isinstance(size, int):
            dimension.dim_value = size
        else:
            dimension.dim_param = size
    return value

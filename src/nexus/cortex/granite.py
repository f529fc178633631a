"""Makes `model.int8.onnx` and `tokenizer.json` from the packed granite embedder.

The graph is the RoBERTa encoder of granite-embedding-30m-english, opset 20: inputs `input_ids` and
`attention_mask`, int64 (batch, tokens), padding id 1; output `sentence_embedding`, float32
(batch, hidden), the first token's state, L2-normalised. It is quantised to int8 by ONNX Runtime.

Invariant: the same pack and library versions give the same bytes, for they are pinned in the
catalog: names, order and attributes below are part of the file. Peak memory stays below 300 MB.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from nexus.core.errors import MissingPartError, StorageError
from nexus.cortex.granite_pack import Floats, Pack

_OPSET = 20
_IR_VERSION = 9
_ROWS = 2048
# Tells the quantiser that there is nothing left to simplify; it would say so on the root logger.
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")


def convert(pack_file: Path, folder: Path) -> None:
    """Write the two files into `folder`, each at once. About two seconds of one core.

    Raises `ModelCorruptError` for a pack that is not one, `MissingPartError` for an ONNX Runtime
    that works differently, `StorageError`.
    """
    try:
        with Pack(pack_file) as pack, tempfile.TemporaryDirectory(dir=folder) as scratch:
            model = Path(scratch, "model.int8.onnx")
            _quantise(pack, Path(scratch, "model.fp32.onnx"), model)
            tokenizer = Path(scratch, "tokenizer.json")
            tokenizer.write_bytes(pack.tokenizer)
            for path in (model, tokenizer):
                path.replace(folder / path.name)
    except OSError as error:
        raise StorageError.from_os(error, error.filename or folder) from error


def _quantise(pack: Pack, plain: Path, target: Path) -> None:
    """The int8 model, made with a vocabulary of two rows that is replaced by the whole one.

    The quantiser holds five float copies of each matrix, 77 MB each for the word embeddings. Their
    scale depends on the least and the greatest value only, so the two rows that hold these stand
    in.
    """
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    _write(_Graph(pack, _extreme_rows(pack)).model(), plain)
    quantize_dynamic(plain, target, weight_type=QuantType.QInt8, per_channel=True)
    model = onnx.load(target)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    words = tensors.get("word_emb_quantized")
    if words is None or words.data_type != TensorProto.UINT8:
        raise MissingPartError(
            f"onnxruntime {onnxruntime.__version__} quantises embeddings in an unknown way",
            hint="pip install 'onnxruntime==1.31.*'",
        )
    scale = np.float32(tensors["word_emb_scale"].float_data[0])
    zero = np.int32(tensors["word_emb_zero_point"].int32_data[0])
    words.dims[0] = pack.architecture.vocabulary
    words.raw_data = b"".join(
        np.clip(np.rint(block / scale) + zero, 0, 255).astype(np.uint8).tobytes()
        for block in pack.rows("word_emb", _ROWS)
    )
    for entry in list(model.metadata_props):
        if (entry.key, entry.value) == _PREPARED:
            model.metadata_props.remove(entry)
    _write(model, target)


def _extreme_rows(pack: Pack) -> Floats:
    """The rows of the word embeddings that hold the least and the greatest value, (2, hidden)."""
    least = greatest = None
    for block in pack.rows("word_emb", _ROWS):
        low, high = block[block.min(axis=1).argmin()], block[block.max(axis=1).argmax()]
        if least is None or low.min() < least.min():
            least = low.copy()
        if greatest is None or high.max() > greatest.max():
            greatest = high.copy()
    assert least is not None  # a vocabulary has rows
    assert greatest is not None
    return np.stack([least, greatest])


def _write(model: onnx.ModelProto, path: Path) -> None:
    with path.open("wb") as file:
        file.write(model.SerializeToString())


class _Graph:
    """Builds the float model node by node. A node has the name of its output."""

    def __init__(self, pack: Pack, words: Floats) -> None:
        self._pack = pack
        self._arch = pack.architecture
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[TensorProto] = []
        self._words = words

    def model(self) -> onnx.ModelProto:
        state = self._embeddings()
        mask = self._attention_mask()
        heads, width = self._arch.heads, self._arch.hidden // self._arch.heads
        self._integers("shp", [0, 0, heads, width])
        self._integers("shp2", [0, 0, self._arch.hidden])
        self._constant("sc", np.array(width**-0.5, np.float32))
        for layer in range(self._arch.layers):
            state = self._layer(f"l{layer}.", state, mask)
        self._sentence(state)
        graph = onnx.GraphProto(
            name="granite",
            node=self._nodes,
            initializer=self._constants,
            input=[_value(name, TensorProto.INT64, ["b", "s"]) for name in ("input_ids", "attention_mask")],
            output=[_value("sentence_embedding", TensorProto.FLOAT, ["b", self._arch.hidden])],
        )
        model = onnx.ModelProto(ir_version=_IR_VERSION, graph=graph)
        model.opset_import.add(domain="", version=_OPSET)
        model.metadata_props.add(key=_PREPARED[0], value=_PREPARED[1])
        return model

    def _embeddings(self) -> str:
        """Words + positions + type, normalised. Positions count the real tokens, from 2 on."""
        self._constant("word_emb", self._words)
        self._constant("pos_emb", self._pack.tensor("pos_emb"))
        self._constant("type0", self._pack.tensor("type_emb")[0])
        self._node("Gather", ["word_emb", "input_ids"], "x_w")
        self._integers("one", 1)
        self._integers("ax1", 1)
        self._node("CumSum", ["attention_mask", "ax1"], "cs")
        self._node("Mul", ["cs", "attention_mask"], "csm")
        self._node("Add", ["csm", "one"], "pos")
        self._node("Gather", ["pos_emb", "pos"], "x_p")
        self._node("Add", ["x_w", "x_p"], "x_wp")
        self._node("Add", ["x_wp", "type0"], "x_wpt")
        return self._normalised("x_wpt", "emb_ln", "emb_ln")

    def _attention_mask(self) -> str:
        """0 for real tokens, -1e9 for padding, shape (batch, 1, 1, tokens)."""
        self._node("Cast", ["attention_mask"], "mf", to=TensorProto.FLOAT)
        self._constant("onef", np.array(1, np.float32))
        self._node("Sub", ["onef", "mf"], "minv")
        self._constant("neg", np.array(-1e9, np.float32))
        self._node("Mul", ["minv", "neg"], "mneg")
        self._integers("ax12", [1, 2])
        return self._node("Unsqueeze", ["mneg", "ax12"], "mask")

    def _layer(self, at: str, state: str, mask: str) -> str:
        self._linear(at + "qkv", state, at + "qkv0", at + "qkv")
        parts = [at + "q", at + "k", at + "v"]
        self._nodes.append(_node("Split", [at + "qkv"], parts, at + "split", axis=2, num_outputs=3))
        # Keys are turned, so that queries times keys needs no further transpose.
        for part, order in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True):
            self._node("Reshape", [part, "shp"], part + "r")
            self._node("Transpose", [part + "r"], part + "h", perm=order)
        self._node("MatMul", [at + "qh", at + "kh"], at + "a0")
        self._node("Mul", [at + "a0", "sc"], at + "a1")
        self._node("Add", [at + "a1", mask], at + "a2")
        self._node("Softmax", [at + "a2"], at + "a3", axis=-1)
        self._node("MatMul", [at + "a3", at + "vh"], at + "o0")
        self._node("Transpose", [at + "o0"], at + "o1", perm=[0, 2, 1, 3])
        self._node("Reshape", [at + "o1", "shp2"], at + "o2")
        self._linear(at + "ao", at + "o2", at + "o3", at + "o4")
        self._node("Add", [state, at + "o4"], at + "r1")
        middle = self._normalised(at + "r1", at + "aln", at + "aln")
        self._linear(at + "f1", middle, at + "f0", at + "f1")
        self._node("Gelu", [at + "f1"], at + "g")
        self._linear(at + "f2", at + "g", at + "f2", at + "f3")
        self._node("Add", [middle, at + "f3"], at + "r2")
        return self._normalised(at + "r2", at + "fln", at + "fln")

    def _sentence(self, state: str) -> None:
        self._integers("zero", 0)
        self._node("Gather", [state, "zero"], "cls", axis=1)
        self._integers("axm", [1])
        self._node("ReduceL2", ["cls", "axm"], "nrm", keepdims=1)
        self._node("Div", ["cls", "nrm"], "sentence_embedding")

    def _linear(self, tensor: str, source: str, product: str, output: str) -> None:
        """`output` = `source` x the matrix `tensor`.w, transposed, + `tensor`.b."""
        matrix = self._constant(tensor + "w", self._pack.tensor(tensor + ".w").T)
        self._node("MatMul", [source, matrix], product)
        bias = self._constant(tensor + "b", self._pack.tensor(tensor + ".b"))
        self._node("Add", [product, bias], output)

    def _normalised(self, source: str, tensor: str, output: str) -> str:
        weight = self._constant(output + "_w", self._pack.tensor(tensor + ".w"))
        bias = self._constant(output + "_b", self._pack.tensor(tensor + ".b"))
        epsilon = self._arch.epsilon
        inputs = [source, weight, bias]
        return self._node("LayerNormalization", inputs, output, axis=-1, epsilon=epsilon)

    def _node(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        self._nodes.append(_node(op, inputs, [output], output, **attributes))
        return output

    def _integers(self, name: str, values: int | list[int]) -> str:
        return self._constant(name, np.array(values, np.int64))

    def _constant(self, name: str, values: Floats | NDArray[np.int64]) -> str:
        kind = TensorProto.INT64 if values.dtype == np.int64 else TensorProto.FLOAT
        data = np.ascontiguousarray(values).tobytes()
        self._constants.append(TensorProto(name=name, dims=values.shape, data_type=kind, raw_data=data))
        return name


def _node(op: str, inputs: list[str], outputs: list[str], name: str, **attributes: object) -> onnx.NodeProto:
    node = onnx.NodeProto(op_type=op, name=name, input=inputs, output=outputs)
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

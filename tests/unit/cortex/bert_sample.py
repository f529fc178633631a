"""A BERT of toy size as a hub publishes it: float ONNX with `last_hidden_state`, and its tokenizer.

Its one layer is an embedding: state = word + position (each from its own table), with attention left out, so
that a test can say what the loader must make of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WIDTH, POSITIONS = 384, 512
WORDS = (
    "[PAD] [UNK] [CLS] [SEP] query passage : the of red blue green house tree river stone walks sings . ?"
).split()


def tables(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Word and position vectors, float32."""
    random = np.random.default_rng(seed)
    return (
        random.normal(size=(len(WORDS), WIDTH)).astype(np.float32),
        random.normal(0, 0.1, size=(POSITIONS, WIDTH)).astype(np.float32),
    )


def ids(text: str) -> list[int]:
    """What the tokenizer makes of words that stand alone."""
    found = [WORDS.index(word) if word in WORDS else 1 for word in text.lower().split()]
    return [2, *found, 3]


def write(folder: Path, name: str = "model.onnx") -> None:
    """Both files."""
    words, places = tables()
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["w"]),
        helper.make_node("Shape", ["input_ids"], ["length"], start=1, end=2),
        helper.make_node("Slice", ["places", "zero", "length", "zero"], ["p"]),
        helper.make_node("Add", ["w", "p"], ["wp"]),
        # The type ids are a real input: any but zero would move every state.
        helper.make_node("Cast", ["token_type_ids"], ["t"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["t", "last"], ["tt"]),
        # What is masked must not count, so it is made huge.
        helper.make_node("Cast", ["attention_mask"], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["one", "m"], ["hidden"]),
        helper.make_node("Mul", ["hidden", "huge"], ["far"]),
        helper.make_node("Unsqueeze", ["far", "last"], ["ff"]),
        helper.make_node("Add", ["wp", "tt"], ["a"]),
        helper.make_node("Add", ["a", "ff"], ["last_hidden_state"]),
    ]
    constants = {
        "words": words,
        "places": places,
        "zero": np.array([0], np.int64),
        "last": np.array([2], np.int64),
        "one": np.array(1, np.float32),
        "huge": np.array(1e3, np.float32),
    }
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "s"]) for n in inputs],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "s", WIDTH])],
        [numpy_helper.from_array(values, n) for n, values in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / name)
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(WORDS[:4])
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    # What hubs publish pads and cuts by itself; the loader must undo both.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))


def state(text: str) -> np.ndarray:
    """The states of one text of at most 512 tokens, (t, WIDTH)."""
    words, places = tables()
    found = ids(text)
    states: np.ndarray = words[found] + places[: len(found)]
    return states


def mean(text: str) -> np.ndarray:
    """Their mean, of length 1."""
    vector = state(text).mean(axis=0)
    normal: np.ndarray = vector / np.linalg.norm(vector)
    return normal

"""The granite converter: the model it writes computes the encoder; a broken pack is refused."""

from __future__ import annotations

import struct

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core.errors import ModelCorruptError, StorageError
from nexus.cortex.granite import convert
from nexus.cortex.granite_pack import Pack
from nexus.cortex.granite_ranges import SITES, Ranges
from tests.unit.cortex import granite_sample as sample

WEIGHTS = sample.tensors()
HEAD, BODY = sample.pack(WEIGHTS)  # which rounds them
RANGES = sample.ranges(WEIGHTS)
TABLE = RANGES.table
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(0, 60), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@pytest.fixture
def write(tmp_path):
    def run(data: bytes):
        path = tmp_path / "w.pack"
        path.write_bytes(data)
        return path

    return run


@pytest.fixture
def embed(write, tmp_path):
    """Converts a pack with these weights; returns a function (ids, mask) -> (vectors, states)."""

    def run(weights):
        head, body = sample.pack(weights)
        convert(write(sample.joined(head, body)), tmp_path, sample.ranges(weights))
        session = onnxruntime.InferenceSession(str(tmp_path / "model.int8.onnx"))

        def outputs(ids, mask):
            feed = {"input_ids": np.array(ids), "attention_mask": np.array(mask)}
            return session.run(["sentence_embedding", "token_embeddings"], feed)

        return outputs

    return run


def test_the_model_computes_the_encoder(embed):
    weights = sample.tensors()
    outputs = embed(weights)
    random = np.random.default_rng(6)
    for length in (1, 2, 7, 18):
        ids = random.integers(0, sample.WORDS, length).tolist()
        [vector], [states] = outputs([ids], [[1] * length])
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert vector @ sample.encode(weights, ids) > 0.99
        # The tokens' states are those after the layer before the last.
        for state, wanted in zip(states, sample.states(weights, ids)[-2], strict=True):
            assert state @ wanted / np.linalg.norm(state) / np.linalg.norm(wanted) > 0.99


def test_a_channel_far_out_does_not_cost_the_others(embed):
    # Real encoders have such channels: behind the activation, a hundred times as large as the rest.
    weights = sample.tensors()
    weights["l0.f1.b"][7] = 300
    weights["l1.f1.b"][3] = 120
    outputs = embed(weights)
    for first in range(0, sample.WORDS - 5, 5):
        ids = list(range(first, first + 5))
        assert outputs([ids], [[1] * 5])[0][0] @ sample.encode(weights, ids) > 0.98


def test_every_word_of_the_vocabulary_is_in_the_model(embed):
    weights = sample.tensors()
    outputs = embed(weights)
    for word in range(sample.WORDS):
        assert outputs([[word]], [[1]])[0][0] @ sample.encode(weights, [word]) > 0.98


def test_neither_padding_nor_the_rest_of_the_batch_counts(embed):
    outputs = embed(sample.tensors())
    [alone], [states] = outputs([[5, 9, 3]], [[1, 1, 1]])
    padded, others = outputs([[5, 9, 3, 1, 1], [7, 7, 7, 7, 7]], [[1, 1, 1, 0, 0], [1] * 5])
    assert padded[0] == pytest.approx(alone, abs=1e-5)
    assert others[0][:3] == pytest.approx(states, abs=1e-4)


def test_only_the_two_files_are_left_and_twice_gives_the_same_bytes(write, tmp_path):
    path = write(sample.joined(HEAD, BODY))
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        convert(path, folder, RANGES)
        made.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert made[0] == made[1]
    assert made[0]["tokenizer.json"] == b'{"toy": 1}'
    assert set(made[0]) == {"model.int8.onnx", "tokenizer.json"}


def test_ranges_of_another_encoder_are_refused(write, tmp_path):
    pack, target = write(sample.joined(HEAD, BODY)), tmp_path / "target"
    target.mkdir()
    longer = np.vstack([TABLE, TABLE[:1]])
    with pytest.raises(ModelCorruptError, match="2 layers, not 3"):
        convert(pack, target, Ranges(longer, sample.HIDDEN, sample.INNER))
    with pytest.raises(ModelCorruptError, match="shape"):
        convert(pack, target)  # the published ones
    assert list(target.iterdir()) == []


def changed_table(row: int, column: int, value: float) -> np.ndarray:
    table = TABLE.copy()
    table[row, column] = value
    return table


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (TABLE[0], "shape"),
        (TABLE[:, 1:], "shape"),
        (changed_table(0, 3, np.nan), "finite"),
        (changed_table(1, 3, -1), "negative"),
        (changed_table(1, -1, 256), "no byte"),
        (changed_table(0, -4, 0.5), "no byte"),
    ],
)
def test_damaged_ranges_are_refused_with_the_reason(table, reason):
    with pytest.raises(ModelCorruptError, match=reason):
        Ranges(table, sample.HIDDEN, sample.INNER)


def test_the_published_ranges_are_those_of_the_encoder():
    ranges = Ranges.load(384, 1536)
    assert ranges.layers == 6
    for layer in range(6):
        # Only behind the activation are channels kept in float.
        exact = {site: int((ranges.site(layer, site).factor == 0).sum()) for site in SITES}
        assert exact == {"qkv": 0, "ao": 0, "f1": 0, "f2": 2}


def test_an_existing_link_to_another_file_is_replaced_not_written_through(write, tmp_path):
    mine, folder = tmp_path / "mine", tmp_path / "folder"
    folder.mkdir()
    mine.write_text("mine")
    (folder / "tokenizer.json").hardlink_to(mine)
    convert(write(sample.joined(HEAD, BODY)), folder, RANGES)
    assert mine.read_text() == "mine"


def test_a_folder_that_is_not_there_is_a_storage_error(write, tmp_path):
    with pytest.raises(StorageError):
        convert(write(sample.joined(HEAD, BODY)), tmp_path / "nowhere", RANGES)


def changed(**arch: object) -> bytes:
    return sample.joined({**HEAD, "arch": {**HEAD["arch"], **arch}}, BODY)


def entries(change) -> bytes:
    table = [dict(entry) for entry in HEAD["tensors"]]
    change(table)
    return sample.joined({**HEAD, "tensors": table}, BODY)


GOOD = sample.joined(HEAD, BODY)
BROKEN = {
    "empty": (b"", "too few"),
    "another file": (b"GGUF" + GOOD[4:], "mark"),
    "only the mark": (GOOD[:8], "too few"),
    "header beyond the file": (GOOD[:8] + struct.pack("<Q", 2**63) + GOOD[16:], "does not fit"),
    "header cut": (GOOD[:300], "does not fit"),
    "header not JSON": (sample.joined(HEAD, BODY).replace(b'"format"', b'"format'), "not JSON"),
    "header too deep": (b"HMSEMB01" + struct.pack("<Q", 10**5) + b"[" * 10**5, "not JSON"),
    "header a list": (sample.joined([1], BODY), "format"),
    "another format": (sample.joined({**HEAD, "format": 2}, BODY), "format"),
    "no architecture": (sample.joined({**HEAD, "arch": 3}, BODY), "arch"),
    "no layers": (changed(layers=0), "layers is 0"),
    "endless layers": (changed(layers=10**6), "layers"),
    "heads that do not divide": (changed(heads=3), "heads"),
    "other positions": (changed(position_offset=0), "positions"),
    "epsilon nan": (changed(layer_norm_eps=float("nan")), "layer_norm_eps"),
    "mean pooling": (sample.joined({**HEAD, "meta": {"pooling": "mean"}}, BODY), "pooling"),
    "tokenizer beyond": (sample.joined({**HEAD, "tokenizer_len": len(BODY) + 1}, BODY), "tokenizer"),
    "tensor missing": (entries(lambda t: t.pop()), "missing"),
    "tensor twice": (entries(lambda t: t.append(t[0])), "not wanted"),
    "tensor unknown": (entries(lambda t: t[3].update(name="x" * 1000)), "not wanted"),
    "wrong shape": (entries(lambda t: t[0].update(shape=[8, 50])), "not wanted"),
    "wrong length": (entries(lambda t: t[0].update(len=7)), "reaches beyond"),
    "unknown type": (entries(lambda t: t[1].update(dtype="f16")), "f16"),
    "group zero": (entries(lambda t: t[0].update(group=0)), "groups of 0"),
    "group across rows": (entries(lambda t: t[0].update(group=32)), "groups of 32"),
    "body cut": (GOOD[:-1], "reaches beyond"),
    "body too long": (GOOD + b"x", "follow the last tensor"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_pack_is_refused_with_the_reason(write, tmp_path, case):
    data, reason = BROKEN[case]
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(ModelCorruptError, match=reason) as caught:
        convert(write(data), target, RANGES)
    assert "w.pack" in caught.value.message
    assert len(caught.value.message) < 300
    assert list(target.iterdir()) == []


def test_values_that_are_not_finite_are_refused(write, tmp_path):
    weights = sample.tensors()
    weights["l1.f1.b"][3] = np.inf
    with pytest.raises(ModelCorruptError, match=r"l1\.f1\.b"):
        convert(write(sample.joined(*sample.pack(weights))), tmp_path, RANGES)


def read_all(path) -> None:
    """Open the pack and read every tensor; only `ModelCorruptError` may come out."""
    try:
        with Pack(path) as pack:
            for name, shape in pack.architecture.shapes().items():
                assert pack.tensor(name).shape == shape
    except ModelCorruptError:
        pass


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_refused_or_harmless(write, data):
    at = data.draw(st.integers(0, len(GOOD)))
    piece = data.draw(st.binary(max_size=40))
    cut = data.draw(st.booleans())
    read_all(write(GOOD[:at] + piece + (b"" if cut else GOOD[at + len(piece) :])))


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_header_is_refused_or_harmless(write, data):
    head = {**HEAD, "arch": dict(HEAD["arch"]), "meta": dict(HEAD["meta"])}
    head["tensors"] = [dict(entry) for entry in HEAD["tensors"]]
    place = data.draw(st.sampled_from([head, head["arch"], head["meta"], *head["tensors"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JUNK)
    read_all(write(sample.joined(head, BODY)))

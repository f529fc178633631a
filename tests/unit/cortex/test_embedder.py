"""The embedder: what arrives in the model, what is made of it, and that it leaves memory when idle."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from nexus.core.errors import ConfigError, MissingPartError, ModelCorruptError
from nexus.cortex import late
from nexus.cortex.embedder import SPECS, OnnxEmbedder
from tests.unit.cortex import bert_sample as bert

TURNS = [
    "Caroline: I went to the adoption agency on Monday, and they were kind.",
    "Melanie: My daughter's pottery class starts at nine.",
    "ok",
    "We deploy with Terraform; the state lies in the bucket of the platform team.",
]


@pytest.fixture
def e5(tmp_path):
    """The loader of e5-small-v2 over a toy model of the same form."""
    bert.write(tmp_path)
    return OnnxEmbedder("e5-small-v2", tmp_path)


@pytest.fixture(scope="module", params=["granite-embedding-30m-english", "all-minilm-l6-v2"])
def real(request, models_folder):
    return OnnxEmbedder(request.param, models_folder / request.param)


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match="e5-small-v2") as caught:
        OnnxEmbedder("bert", tmp_path)
    assert "'bert'" in str(caught.value)


def test_the_prefixes_reach_the_model(e5):
    assert e5.query("red house") @ bert.mean("query : red house") == pytest.approx(1, abs=1e-5)
    assert e5.passages(["red house"])[0] @ bert.mean("passage : red house") == pytest.approx(1, abs=1e-5)
    assert e5.query("red house") @ e5.passages(["red house"])[0] < 0.99
    assert e5.count("red house") == 2


def test_the_mean_is_over_the_real_tokens_of_each_text(e5):
    texts = ["red", "the blue tree walks . the green river sings .", "stone of the house ?"]
    for text, vector in zip(texts, e5.passages(texts), strict=True):
        assert vector @ bert.mean("passage : " + text) == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_a_question_is_read_up_to_the_limit_of_the_model(e5):
    head = " ".join(["red"] * 508)
    wanted = bert.mean(f"query : {head}")
    assert len(bert.ids(f"query : {head}")) == 512
    assert e5.query(head) @ wanted == pytest.approx(1, abs=1e-5)
    assert e5.query(head + " blue" * 300) @ wanted == pytest.approx(1, abs=1e-5)


def test_a_long_passage_is_read_to_its_end(e5):
    # "passage :" and 508 words fill one window; what is beyond makes a second and a third.
    text = " ".join(["red"] * 508 + ["blue"] * 510 + ["green"])
    first = bert.state("passage : " + " ".join(["red"] * 508)).mean(0)
    second = bert.state(" ".join(["blue"] * 510)).mean(0)
    third = bert.state("green").mean(0)
    wanted = sum(n * v / np.linalg.norm(v) for n, v in ((512, first), (512, second), (3, third)))
    told: list[int] = []
    [vector] = e5.passages([text], told.append)
    assert vector @ wanted / np.linalg.norm(wanted) == pytest.approx(1, abs=1e-5)
    assert sum(told) == 1
    [states] = e5.states([text])
    assert [i for i in states.ids if i > 3] == bert.ids("passage : " + text)[1:-1]


def test_a_model_without_a_projection_says_so(e5):
    assert not e5.has_tokens
    asked = e5.question("red house")
    assert asked.tokens.shape == (0, late.DIMENSIONS)
    assert asked.around == ()
    with pytest.raises(MissingPartError, match="e5-small-v2"):
        e5.passages_with_tokens(["red house"])


def test_nothing_gives_nothing(e5):
    assert e5.passages([]).shape == (0, 384)
    assert np.isfinite(e5.passages([""])).all()


@pytest.mark.parametrize(("file", "content"), [("model.onnx", b"\x08\x01"), ("tokenizer.json", b"{")])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, file, content):
    bert.write(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ModelCorruptError, match=file) as caught:
        OnnxEmbedder("e5-small-v2", tmp_path).passages(["red"])
    assert caught.value.hint == "nexus models pull e5-small-v2 --force"


def test_a_model_file_of_another_release_is_told_not_misread(tmp_path):
    bert.write(tmp_path, "model.int8.onnx")
    with pytest.raises(ModelCorruptError, match="sentence_embedding") as caught:
        OnnxEmbedder("granite-embedding-30m-english", tmp_path).passages(["red"])
    assert caught.value.hint == "nexus models pull granite-embedding-30m-english --force"


def test_each_model_of_the_catalog_has_another_identity(tmp_path):
    assert len({OnnxEmbedder(name, tmp_path).model_id for name in SPECS}) == len(SPECS)


def test_a_text_has_one_vector_whatever_it_is_embedded_with(real):
    together, tokens = real.passages_with_tokens(TURNS)
    for text, vector, small in zip(TURNS, together, tokens, strict=True):
        assert real.passages([text])[0] @ vector > 0.99999
        [alone] = real.passages_with_tokens([text])[1]
        assert np.abs(alone.values.astype(int) - small.values).max() <= 1
    assert np.array_equal(together, real.passages(TURNS))


def test_token_vectors_find_the_turn_that_a_question_is_about(real):
    tokens = real.passages_with_tokens(TURNS)[1]
    for question, index in (("When does the pottery class begin?", 1), ("Where is the terraform state?", 3)):
        scores = late.max_similarity(real.question(question).tokens, tokens)
        assert int(scores.argmax()) == index


def test_each_row_of_a_question_knows_its_word(real):
    asked = real.question("Why is the Kubernetes ingress_controller unhealthy?")
    assert len(asked.around) == len(asked.tokens)
    assert list(dict.fromkeys(asked.around)) == ["Kubernetes", "ingress_controller", "unhealthy"]
    assert asked.vector @ real.query("Why is the Kubernetes ingress_controller unhealthy?") > 0.99999


def test_the_words_of_a_question_that_is_cut_are_those_that_were_read(real):
    asked = real.question("zebra " * 2000)
    assert set(asked.around) == {"zebra"}
    assert len(asked.around) < 600


def test_punctuation_alone_still_has_a_vector(real):
    asked = real.question("?")
    assert len(asked.tokens) >= 1
    assert np.isfinite(asked.tokens).all()


def test_an_idle_model_is_dropped_and_comes_back(e5):
    assert not e5.loaded
    before = e5.query("red house")
    assert e5.loaded
    now = time.monotonic()
    assert not e5.unload_if_idle(now)
    assert e5.unload_if_idle(now + 301)
    assert not e5.loaded
    assert not e5.unload_if_idle(now + 302)
    assert np.array_equal(e5.query("red house"), before)


def test_a_model_in_use_is_never_dropped(e5):
    dropped: list[bool] = []
    later = time.monotonic() + 10**6
    e5.passages(["red", "blue"], lambda _: dropped.append(e5.unload_if_idle(later)))
    assert dropped
    assert not any(dropped)
    assert e5.unload_if_idle(later)


def test_threads_share_it_while_it_is_dropped_again_and_again(e5):
    wanted, wrong = e5.passages(["the red house", "blue"]), []
    stop = threading.Event()

    def work() -> None:
        for _ in range(40):
            if not np.allclose(e5.passages(["the red house", "blue"]), wanted, atol=1e-6):
                wrong.append("vectors")

    def drop() -> None:
        while not stop.is_set():
            e5.unload_if_idle(time.monotonic() + 10**6)
            time.sleep(0.001)

    workers = [threading.Thread(target=work) for _ in range(4)]
    dropper = threading.Thread(target=drop)
    for thread in (dropper, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    stop.set()
    dropper.join()
    assert wrong == []


def test_the_library_keeps_still_about_the_user(tmp_path):
    """Where CI is set it does so by itself, so that it is not set here."""
    model, user = tmp_path / "model", tmp_path / "user"
    model.mkdir()
    user.mkdir()
    bert.write(model)
    script = (
        "import sys; from pathlib import Path; from nexus.cortex.embedder import OnnxEmbedder;"
        "OnnxEmbedder('e5-small-v2', Path(sys.argv[1])).query('which port?')"
    )
    env = {name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME")}
    subprocess.run([sys.executable, "-c", script, str(model)], env=env | {"HOME": str(user)}, check=True)
    assert list(user.iterdir()) == []

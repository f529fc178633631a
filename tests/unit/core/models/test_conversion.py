"""Models whose files are made from a pack."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from nexus.core.errors import MissingPartError, ModelCorruptError
from nexus.core.models import Conversion, Hub, Installer, Model, ModelFile, ModelStore

PACK = b"pack" * 1000
MADE = {"model.onnx": b"graph" * 100, "tokenizer.json": b"{}"}


def pinned(name: str, content: bytes) -> ModelFile:
    return ModelFile.of(name, len(content), hashlib.sha256(content).hexdigest())


MODEL = Model(
    "packed",
    "embedding",
    "MIT",
    "",
    tuple(pinned(name, content) for name, content in MADE.items()),
    (Hub("w.pack", "org/repo", "w.pack"),),
    10,
    dimensions=4,
    conversion=Conversion("unpack", pinned("w.pack", PACK)),
)


def unpack(pack: Path, folder: Path) -> None:
    assert pack.read_bytes() == PACK
    for name, content in MADE.items():
        (folder / name).write_bytes(content)


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models", {"packed": MODEL})


@pytest.fixture
def installer(store, site, downloader, tmp_path):
    """Makes an installer with this converter."""
    site.files["/org/repo/resolve/main/w.pack"] = PACK

    def make(converter=unpack):
        return Installer(
            store,
            search_path=[tmp_path / "shelf"],
            converters={"unpack": converter} if converter else {},
            downloader=downloader,
            env={"HF_ENDPOINT": site.url},
        )

    return make


def test_the_files_are_made_and_the_pack_is_not_kept(installer, store):
    done = installer().pull("packed")
    assert sorted(path.name for path in done.folder.iterdir()) == ["manifest.json", *MADE]
    assert store.verify("packed") == []
    assert done.manifest.files[0].source == "hub org/repo/w.pack, converted from w.pack"
    assert done.notes == ()


def test_other_bytes_than_the_catalogs_are_recorded_and_said(installer, store):
    def newer(pack: Path, folder: Path) -> None:
        unpack(pack, folder)
        (folder / "model.onnx").write_bytes(b"other graph")

    done = installer(newer).pull("packed")
    sha256 = hashlib.sha256(b"other graph").hexdigest()
    [note] = done.notes
    assert sha256 in note
    assert done.manifest.files[0].sha256 == sha256
    assert store.verify("packed") == []
    store.file("packed", "model.onnx").write_bytes(b"Other graph")
    assert [problem.kind for problem in store.verify("packed")] == ["tampered"]


def test_a_pack_that_cannot_be_converted_installs_nothing(installer, store):
    def refuse(pack: Path, folder: Path) -> None:
        raise ModelCorruptError("broken pack")

    with pytest.raises(ModelCorruptError, match="broken pack"):
        installer(refuse).pull("packed")
    assert not store.is_installed("packed")


def test_a_converter_that_makes_too_little_is_caught(installer, store):
    with pytest.raises(ModelCorruptError, match="without giving model"):
        installer(lambda pack, folder: None).pull("packed")
    assert not store.is_installed("packed")


def test_without_the_converter_nothing_is_fetched(installer, site):
    with pytest.raises(MissingPartError, match=r"w\.pack"):
        installer(None).pull("packed")
    assert site.seen == []


def test_a_fetched_pack_is_kept_for_the_next_try(installer, site):
    def fail(pack: Path, folder: Path) -> None:
        raise MissingPartError("no library")

    with pytest.raises(MissingPartError):
        installer(fail).pull("packed")
    installer().pull("packed")
    assert len(site.seen) == 1


def test_files_converted_earlier_are_taken_from_the_users_folder(installer, site, tmp_path):
    folder = tmp_path / "shelf" / "packed"
    folder.mkdir(parents=True)
    for name, content in MADE.items():
        (folder / name).write_bytes(content)
    done = installer(None).pull("packed")
    assert site.seen == []
    assert {entry.name for entry in done.manifest.files} == set(MADE)


def test_the_converter_never_writes_into_a_file_of_the_user(installer, tmp_path):
    folder = tmp_path / "shelf" / "packed"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(MADE["model.onnx"])  # the tokenizer is missing

    def other(pack: Path, target: Path) -> None:
        (target / "model.onnx").write_bytes(b"x" * 500)
        (target / "tokenizer.json").write_bytes(b"{}")

    installer(other).pull("packed")
    assert (folder / "model.onnx").read_bytes() == MADE["model.onnx"]

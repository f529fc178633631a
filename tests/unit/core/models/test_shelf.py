"""Weights that already lie on this machine."""

from __future__ import annotations

import hashlib

import pytest

from nexus.core.errors import DownloadError
from nexus.core.models import Installer, Model, ModelFile, ModelStore
from nexus.core.models.sources import Hub

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PINNED = ModelFile.of("w.gguf", len(CONTENT), SHA256)


def model(file: ModelFile) -> Model:
    return Model("tiny", "chat", "MIT", "", (file,), (Hub("w.gguf", "no/repo", "w.gguf"),), 10)


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


@pytest.fixture
def pull(tmp_path, shelf, site, downloader):
    """Install `tiny` with this file entry; the hub has nothing."""

    def run(file=PINNED, order=("path", "hub")):
        store = ModelStore(tmp_path / "models", {"tiny": model(file)})
        installer = Installer(
            store,
            search_path=[tmp_path / "not-there", shelf],
            order=order,
            downloader=downloader,
            env={"HF_ENDPOINT": site.url},
        )
        return installer.pull("tiny")

    return run


@pytest.mark.parametrize("place", ["w.gguf", "tiny/w.gguf"])
def test_a_file_of_the_right_name_and_bytes_is_linked(pull, shelf, place):
    origin = shelf / place
    origin.parent.mkdir(exist_ok=True)
    origin.write_bytes(CONTENT)
    done = pull()
    assert (done.folder / "w.gguf").samefile(origin)
    assert done.manifest.files[0].source == f"path {origin}"


def test_a_symbolic_link_gives_the_file_it_means(pull, shelf, tmp_path):
    (tmp_path / "blob").write_bytes(CONTENT)
    (shelf / "w.gguf").symlink_to(tmp_path / "blob")
    installed = pull().folder / "w.gguf"
    assert not installed.is_symlink()
    assert installed.read_bytes() == CONTENT


@pytest.mark.parametrize(("content", "said"), [(b"short", "5 bytes"), (b"W" * 7000, "sha256")])
def test_other_bytes_are_told_and_not_taken(pull, shelf, content, said):
    (shelf / "w.gguf").write_bytes(content)
    with pytest.raises(DownloadError, match=said) as caught:
        pull()
    assert str(shelf / "w.gguf") in caught.value.message


def test_unknown_bytes_are_taken_from_a_folder_of_the_models_name_only(pull, shelf):
    (shelf / "w.gguf").write_bytes(b"anything")
    with pytest.raises(DownloadError):
        pull(ModelFile("w.gguf"))
    (shelf / "tiny").mkdir()
    (shelf / "tiny" / "w.gguf").write_bytes(b"mine")
    assert (pull(ModelFile("w.gguf")).folder / "w.gguf").read_bytes() == b"mine"


def test_a_shelf_is_not_looked_at_when_path_is_not_allowed(pull, shelf):
    (shelf / "w.gguf").write_bytes(CONTENT)
    with pytest.raises(DownloadError):
        pull(order=("hub",))


def test_a_file_on_another_disk_is_copied(pull, shelf, small_disk):
    (small_disk / "w.gguf").write_bytes(CONTENT)
    shelf.rmdir()
    shelf.symlink_to(small_disk)
    installed = pull().folder / "w.gguf"
    assert installed.read_bytes() == CONTENT
    assert not installed.samefile(small_disk / "w.gguf")


def test_removing_the_model_leaves_the_users_file(pull, shelf, tmp_path):
    (shelf / "w.gguf").write_bytes(CONTENT)
    pull()
    ModelStore(tmp_path / "models").remove("tiny")
    assert (shelf / "w.gguf").read_bytes() == CONTENT

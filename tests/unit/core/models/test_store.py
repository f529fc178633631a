"""Installed models: found, refused when damaged, removed."""

from __future__ import annotations

import hashlib
import json
import threading

import pytest

from nexus.core.errors import (
    BusyError,
    InvalidInputError,
    ModelCorruptError,
    ModelMissingError,
    NotFoundError,
)
from nexus.core.models import Model, ModelFile, ModelStore
from nexus.core.models.lock import locked
from nexus.core.models.manifest import InstalledFile, Manifest

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def tiny(*files: ModelFile) -> Model:
    return Model("tiny", "chat", "MIT", "", files, (), 10)


@pytest.fixture
def store(tmp_path):
    catalog = {"tiny": tiny(ModelFile.of("a.bin", len(CONTENT), SHA256), ModelFile("b.bin"))}
    store = ModelStore(tmp_path / "models", catalog)
    folder = store.folder / "tiny"
    folder.mkdir(parents=True)
    files = []
    for name, pinned in (("a.bin", True), ("b.bin", False)):
        (folder / name).write_bytes(CONTENT)
        entry = InstalledFile(name=name, size=len(CONTENT), sha256=SHA256, source="test", pinned=pinned)
        files.append(entry)
    Manifest(model="tiny", licence="MIT", installed_at="now", files=tuple(files)).write(folder)
    return store


def test_a_whole_model_is_found(store):
    assert store.is_installed("tiny")
    assert store.path("tiny") == store.folder / "tiny"
    assert store.file("tiny", "a.bin").read_bytes() == CONTENT
    assert [manifest.model for manifest in store.installed()] == ["tiny"]
    assert store.verify("tiny") == []
    with pytest.raises(NotFoundError, match="its files are"):
        store.file("tiny", "../../etc/passwd")


def test_a_missing_model_names_the_command(store):
    store.remove("tiny")
    with pytest.raises(ModelMissingError, match="nexus models pull tiny"):
        store.path("tiny")
    with pytest.raises(ModelMissingError, match="models are tiny"):
        store.path("unheard-of")
    assert not store.is_installed("tiny")
    assert ModelStore(store.folder / "nowhere").installed() == ()


@pytest.mark.parametrize("name", ["../x", "", ".partial", "a/b", "A", "x" * 65, "a\n", "-x", "a b"])
def test_a_name_that_is_a_path_is_refused(store, name):
    for use in (store.path, store.remove, store.verify, store.is_installed, store.partial):
        with pytest.raises(InvalidInputError):
            use(name)


def test_a_truncated_file_is_refused_at_every_use(store):
    path = store.folder / "tiny" / "a.bin"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ModelCorruptError) as caught:
        store.path("tiny")
    text = str(caught.value)
    for word in ("tiny/a.bin", "truncated", "6999 bytes", "7000", "pull tiny --force"):
        assert word in text
    assert not store.is_installed("tiny")
    assert [problem.kind for problem in store.verify("tiny")] == ["truncated"]


def test_verify_names_every_damage_with_both_values(store):
    folder = store.folder / "tiny"
    (folder / "a.bin").write_bytes(b"W" + CONTENT[1:])
    (folder / "b.bin").unlink()
    tampered, missing = store.verify("tiny")
    assert (tampered.kind, tampered.file, tampered.expected) == (
        "tampered",
        "a.bin",
        f"sha256 {SHA256}",
    )
    assert hashlib.sha256(b"W" + CONTENT[1:]).hexdigest() in tampered.actual
    assert (missing.kind, missing.file) == ("missing", "b.bin")


def test_verify_is_not_deceived_by_a_changed_manifest(store):
    folder = store.folder / "tiny"
    other = b"W" + CONTENT[1:]
    (folder / "a.bin").write_bytes(other)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["sha256"] = hashlib.sha256(other).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    [problem] = store.verify("tiny")
    assert (problem.kind, problem.expected) == ("outdated", f"sha256 {SHA256}")


def test_a_file_of_an_older_release_is_refused_before_it_is_used(store):
    newer = hashlib.sha256(b"newer").hexdigest()
    store.catalog = {"tiny": tiny(ModelFile.of("a.bin", len(CONTENT), newer), ModelFile("b.bin"))}
    assert not store.is_installed("tiny")
    with pytest.raises(ModelCorruptError, match=f"a.bin is outdated: sha256 {SHA256}") as caught:
        store.path("tiny")
    assert newer in caught.value.message
    assert caught.value.hint == "nexus models pull tiny --force"


def test_what_was_installed_with_other_bytes_than_the_catalogs_stays(store):
    # A converter on other library versions; the manifest says so.
    newer = hashlib.sha256(b"newer").hexdigest()
    store.catalog = {
        "tiny": tiny(ModelFile.of("a.bin", len(CONTENT), SHA256), ModelFile.of("b.bin", 5, newer))
    }
    assert store.is_installed("tiny")


def test_a_file_of_an_unpinned_model_is_checked_against_its_first_install(store):
    (store.folder / "tiny" / "b.bin").write_bytes(b"W" + CONTENT[1:])
    assert [(p.kind, p.file) for p in store.verify("tiny")] == [("tampered", "b.bin")]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b'{"model": "tiny"}', b"null"],
)
def test_a_damaged_manifest_is_told(store, content):
    (store.folder / "tiny" / "manifest.json").write_bytes(content)
    with pytest.raises(ModelCorruptError, match="is damaged"):
        store.path("tiny")


def test_a_manifest_cannot_point_out_of_its_folder(store):
    path = store.folder / "tiny" / "manifest.json"
    path.write_text(path.read_text().replace("a.bin", "../../a.bin"))
    with pytest.raises(ModelCorruptError, match="is damaged"):
        store.verify("tiny")


def test_a_model_of_another_release_is_listed_and_removed(store):
    store.catalog = {}
    assert store.names() == ("tiny",)
    assert store.verify("tiny") == []
    assert store.remove("tiny") > 2 * len(CONTENT)
    assert store.names() == ()


def test_remove_takes_what_an_interrupted_pull_left(store):
    partial = store.partial("tiny")
    partial.mkdir(parents=True)
    (partial / "x.part").write_bytes(b"x" * 50)
    store.remove("tiny")
    assert not partial.exists()
    with pytest.raises(NotFoundError, match="not installed"):
        store.remove("tiny")


def test_a_model_being_installed_is_not_removed(store):
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(store.lock_file("tiny"), lambda: None):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(60)
    try:
        with pytest.raises(BusyError, match="tiny is being downloaded"):
            store.remove("tiny")
    finally:
        leave.set()
        thread.join()
    assert store.is_installed("tiny")


def test_verify_tells_its_progress(store):
    steps: list[tuple[int, int | None]] = []
    store.verify("tiny", lambda done, total: steps.append((done, total)))
    assert steps[-1] == (2 * len(CONTENT), 2 * len(CONTENT))

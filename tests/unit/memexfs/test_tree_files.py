"""The tree over real folders: what happens to files is told; sealed files, attributes, folders in place."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from nexus.memexfs.operations import ROOT, Change, Listed
from nexus.memexfs.real import Files
from nexus.memexfs.real_file import Content
from tests.memex_shown import ME, Heard, Shown, refused


def test_what_happens_to_files_is_told(shown: Shown, heard: Heard) -> None:
    shown.tree.mkdir(ROOT, b"d", 0o755, ME)
    shown.write("d/a", b"first")
    shown.write("d/a", b"second")
    shown.write("b", b"over")
    shown.tree.rename(ROOT, b"b", shown.number("d"), b"a", 0, ME)
    shown.tree.link(shown.number("d/a"), ROOT, b"l", ME)
    shown.tree.unlink(ROOT, b"l", ME)
    shown.tree.setattr(shown.number("d/a"), Change(size=2), None, ME)
    shown.tree.rename(ROOT, b"d", ROOT, b"e", 0, ME)
    shown.tree.unlink(shown.number("e"), b"a", ME)
    shown.tree.rmdir(ROOT, b"e", ME)
    assert heard.told == [
        ("written", b"d/a"),
        ("losing", b"d/a", "truncated", b"first"),
        ("written", b"d/a"),
        ("written", b"b"),
        ("losing", b"d/a", "replaced", b"second"),
        ("renamed", b"b", b"d/a", False, True),
        ("linked", b"d/a", b"l"),
        ("removed", b"l", False),
        ("losing", b"d/a", "truncated", b"over"),
        ("written", b"d/a"),
        ("renamed", b"d", b"e", True, False),
        ("losing", b"e/a", "removed", b"ov"),
        ("removed", b"e/a", False),
        ("removed", b"e", True),
    ]
    assert heard.open == []


def test_a_file_that_was_only_looked_at_is_not_told_of(shown: Shown, heard: Heard) -> None:
    shown.write("a", b"x")
    heard.told.clear()
    node = shown.number("a")
    for flags in (os.O_RDONLY, os.O_RDWR):
        handle = shown.tree.open(node, flags, ME).handle
        assert heard.open == [shown.files.resolve(b"a").key]
        shown.tree.flush(node, handle)
        shown.tree.release(node, handle)
    assert (heard.told, heard.open) == ([], [])


# seals


class Sealed(Content):
    """Files with the attribute are read from a text of their own until somebody writes."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    def reading(self, fd: int) -> int | None:
        if b"user.memexfs.sealed" not in map(os.fsencode, os.listxattr(fd)):
            return None
        made = os.memfd_create("object")
        os.write(made, self.text)
        return made

    def writing(self, fd: int) -> None:
        if b"user.memexfs.sealed" in map(os.fsencode, os.listxattr(fd)):
            os.pwrite(fd, self.text, 0)
            os.removexattr(fd, "user.memexfs.sealed")


def test_a_sealed_file_is_read_and_gets_its_bytes_back_for_a_writer(folder: Path) -> None:
    text = b"sealed text"
    shown = Shown(Files(folder, content=Sealed(text), passthrough=True))
    (folder / "a").write_bytes(bytes(len(text)))
    os.setxattr(folder / "a", "user.memexfs.sealed", b"digest")
    node = shown.number("a")
    reading = shown.tree.open(node, os.O_RDONLY, ME)
    assert reading.backing is None
    assert shown.tree.read(node, reading.handle, 0, 99, 0) == text
    assert shown.tree.listxattr(node) == []
    with refused(errno.ENODATA):
        shown.tree.getxattr(node, b"user.memexfs.sealed")
    writing = shown.tree.open(node, os.O_RDWR, ME)
    shown.tree.write(node, writing.handle, 0, memoryview(b"SEALED"), os.O_RDWR)
    assert shown.tree.read(node, reading.handle, 0, 99, 0) == b"SEALED text"
    assert (folder / "a").read_bytes() == b"SEALED text"


@pytest.mark.parametrize("size", [4, 30])
def test_cutting_a_sealed_file_cuts_its_bytes(folder: Path, size: int) -> None:
    text = b"sealed text"
    shown = Shown(Files(folder, content=Sealed(text)))
    (folder / "a").write_bytes(bytes(len(text)))
    os.setxattr(folder / "a", "user.memexfs.sealed", b"digest")
    shown.tree.setattr(shown.number("a"), Change(size=size), None, ME)
    assert shown.read("a") == text[:size].ljust(size, b"\0")


# attributes of the describer


class Describing:
    def __init__(self) -> None:
        self.known: dict[bytes, dict[bytes, bytes]] = {b"a": {b"user.memex.tags": b"one,two"}}

    def get(self, path: bytes) -> Mapping[bytes, bytes]:
        return self.known.get(path, {})

    def set(self, path: bytes, name: bytes, value: bytes) -> None:
        self.known.setdefault(path, {})[name] = value

    def remove(self, path: bytes, name: bytes) -> None:
        del self.known[path][name]


def test_what_is_known_of_a_file_is_among_its_attributes(folder: Path) -> None:
    shown = Shown(Files(folder, describer=Describing()))
    shown.write("a", b"x")
    node = shown.number("a")
    os.setxattr(folder / "a", "user.own", b"real")
    assert set(shown.tree.listxattr(node)) == {b"user.own", b"user.memex.tags"}
    assert shown.tree.getxattr(node, b"user.memex.tags") == b"one,two"
    shown.tree.setxattr(node, b"user.memex.tags", b"three", os.XATTR_REPLACE, ME)
    assert shown.tree.getxattr(node, b"user.memex.tags") == b"three"
    assert os.listxattr(folder / "a") == ["user.own"]
    shown.tree.removexattr(node, b"user.memex.tags", ME)
    for name, number in (
        (b"user.memex.tags", errno.ENODATA),
        (b"user.memexfs.sealed", errno.ENODATA),
        (b"system.posix_acl_access", errno.EOPNOTSUPP),
    ):
        with refused(number):
            shown.tree.getxattr(node, name)
    with refused(errno.EPERM):
        shown.tree.setxattr(node, b"user.memexfs.sealed", b"x", 0, ME)


# folders in place


def test_a_folder_in_place_is_shown_and_is_a_world_of_its_own(
    folder: Path, tmp_path: Path, heard: Heard
) -> None:
    outside = tmp_path / "Documents"
    outside.mkdir()
    (outside / "letter").write_bytes(b"dear")
    shown = Shown(Files(folder, recorder=heard, sources={b"Docs": outside}))
    assert shown.read("Docs/letter") == b"dear"
    shown.write("Docs/new", b"made")
    assert (outside / "new").read_bytes() == b"made"
    assert heard.told == [("written", b"Docs/new")]
    handle = shown.tree.opendir(ROOT, ME).handle
    assert b"Docs" in [listed.name for listed in shown.tree.readdir(ROOT, handle, 0)]
    shown.write("own", b"own")
    docs = shown.number("Docs")
    with refused(errno.EXDEV):
        shown.tree.rename(ROOT, b"own", docs, b"own", 0, ME)
    with refused(errno.EXDEV):
        shown.tree.link(shown.number("own"), docs, b"own", ME)
    for refusing in (
        lambda: shown.tree.rmdir(ROOT, b"Docs", ME),
        lambda: shown.tree.rename(ROOT, b"Docs", ROOT, b"Other", 0, ME),
        lambda: shown.tree.rename(ROOT, b"own", ROOT, b"Docs", 0, ME),
    ):
        with refused(errno.EBUSY):
            refusing()
    with refused(errno.EEXIST):
        shown.tree.mkdir(ROOT, b"Docs", 0o755, ME)
    shown.files.drop_source(b"Docs")
    assert shown.tree.lookup(ROOT, b"Docs", ME).node == 0
    assert (outside / "letter").read_bytes() == b"dear"


def test_what_others_change_in_place_is_seen_or_stale_never_another_file(
    folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "Documents"
    outside.mkdir()
    (outside / "a").write_bytes(b"first")
    shown = Shown(Files(folder, sources={b"Docs": outside}))
    entry = shown.tree.lookup(shown.number("Docs"), b"a", ME)
    assert entry.name_seconds == entry.attribute_seconds == 1.0
    (outside / "b").write_bytes(b"second")
    (outside / "b").replace(outside / "a")
    for asking in (
        lambda: shown.tree.getattr(entry.node, None),
        lambda: shown.tree.open(entry.node, os.O_RDONLY, ME),
        lambda: shown.tree.setattr(entry.node, Change(mode=0o100600), None, ME),
    ):
        with refused(errno.ESTALE):
            asking()
    assert shown.read("Docs/a") == b"second"


def test_folders_in_place_do_not_lie_in_each_other(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "Documents"
    (outside / "inner").mkdir(parents=True)
    files = Files(folder, sources={b"Docs": outside})
    for path in (outside / "inner", folder, outside):
        with refused(errno.EINVAL):
            files.add_source(b"Other", path)
    with refused(errno.EEXIST):
        files.add_source(b"Docs", tmp_path)
    with refused(errno.ENOENT):
        files.drop_source(b"Other")


def test_a_link_in_place_does_not_lead_out(folder: Path, tmp_path: Path) -> None:
    """Whoever may write to a source cannot have us change a file elsewhere through a link."""
    outside, secret = tmp_path / "Documents", tmp_path / "secret"
    outside.mkdir()
    secret.write_bytes(b"secret")
    secret.chmod(0o600)
    (outside / "a").write_bytes(b"plain")
    shown = Shown(Files(folder, sources={b"Docs": outside}))
    node = shown.number("Docs/a")
    (outside / "a").unlink()
    (outside / "a").symlink_to(secret)
    for asking in (
        lambda: shown.tree.open(node, os.O_RDWR | os.O_TRUNC, ME),
        lambda: shown.tree.setattr(node, Change(mode=0o100777), None, ME),
        lambda: shown.tree.setattr(node, Change(size=0), None, ME),
    ):
        with refused(errno.ESTALE):
            asking()
    assert (secret.read_bytes(), secret.stat().st_mode & 0o777) == (b"secret", 0o600)


# listing


def test_a_large_folder_is_listed_in_pieces_that_keep_their_place(shown: Shown, folder: Path) -> None:
    wanted = {b"file%d" % n for n in range(2_000)}
    for name in wanted:
        (folder / os.fsdecode(name)).touch()
    handle = shown.tree.opendir(ROOT, ME).handle
    found: list[Listed] = []
    at = 0
    while part := shown.tree.readdir(ROOT, handle, at):
        found += part
        at = part[-1].offset
    assert [listed.name for listed in found[:2]] == [b".", b".."]
    assert {listed.name for listed in found[2:]} == wanted
    assert len(found) == 2_002
    middle = found[700]
    assert shown.tree.readdir(ROOT, handle, middle.offset)[0] == found[701]
    (folder / "later").touch()
    rewound: list[Listed] = []
    at = 0
    while part := shown.tree.readdir(ROOT, handle, at):
        rewound += part
        at = part[-1].offset
    assert len(rewound) == 2_003
    assert shown.tree.entry(ROOT, found[0], ME) is None
    entry = shown.tree.entry(ROOT, found[5], ME)
    assert entry is not None
    assert entry.attributes.ino == found[5].ino

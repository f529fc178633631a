"""Which paths are left out of index and history."""

from __future__ import annotations

import pytest

from nexus.memexfs.ignored import ignored, kept


@pytest.mark.parametrize(
    "path",
    [
        *(b".git", b"a/.git/config", b"node_modules/x/y.js", b"a/__pycache__/b.txt", b".Trash-1000/files/a"),
        *(
            b".notes.md.swp",
            b"4913",
            b"a/notes.md~",
            b".#notes.md",
            b"#notes.md#",
            b"Cargo.lock",
            b"~$a.docx",
        ),
        *(b"app.db-wal", b"app.db-shm", b"app.db-journal", b"tmp_obj_a8Xk2p", b"a.tmp", b"big.iso.part"),
        *(
            b".goutputstream-X1",
            b".fuse_hidden0001",
            b".nfs00a1",
            b"sedAb3dEf",
            b"._a.txt",
            b"main.o",
            b"a.pyc",
        ),
    ],
)
def test_what_programs_make_for_themselves_is_ignored(path: bytes) -> None:
    assert ignored(path)


@pytest.mark.parametrize(
    "path",
    [
        *(
            b"a.txt",
            b".gitignore",
            b".github/x.yml",
            b"gitlab/x",
            b"node_modules.md",
            b"sedatives",
            b"sed.txt",
        ),
        *(
            b"build/chapter.md",
            b"target/goals.md",
            b"\xff\xfe",
            b"4913.txt",
            b"journal",
            b"my-journal.md",
            b"a.lock.md",
        ),
        *(b".bashrc", b"a\nb.txt", b"object.oh", b"tmp.txt", b"x" * 255),
    ],
)
def test_what_a_person_keeps_is_not(path: bytes) -> None:
    assert not ignored(path)
    assert kept(path)


@pytest.mark.parametrize("path", [b".env", b"a/id_rsa", b"server.key", b".git/config", b".aws/credentials"])
def test_older_contents_of_secrets_and_ignored_files_are_not_kept(path: bytes) -> None:
    assert not kept(path)

"""`tags/` and `projects/`: what commands mean there, and that no file is ever lost by them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.memexfs.results import LISTED
from nexus.memexfs.store import Facts
from tests.memex_views import ME, Views


@pytest.fixture
def views(tmp_path: Path) -> Iterator[Views]:
    made = Views(tmp_path / "memex")
    yield made
    made.close()


def fails(number: int, *call: object) -> None:
    function, *given = call
    with pytest.raises(OSError, match=re.escape(os.strerror(number))) as caught:
        function(*given)  # type: ignore[operator]
    assert caught.value.errno == number, caught.value


def tags(views: Views, path: str) -> list[str]:
    row = views.store.file(path.encode())
    return views.store.tags_of(row.id) if row else []


def test_a_tag_is_a_folder_of_the_real_files(views: Views) -> None:
    views.put("docs/a.txt", "one", tags=("x",))
    views.put("b.txt", "two", tags=("x", "y"))
    views.put("c.txt", "three")
    assert views.ls("tags") == ["x", "y"]
    assert views.ls("tags/x") == ["a.txt", "b.txt"]
    assert views.ls("tags/x/y") == ["b.txt"] == views.ls("tags/y/x")
    assert views.node("tags/x/a.txt").key == views.node("files/docs/a.txt").key
    handle = views.node("tags/x/y/b.txt").open(os.O_WRONLY, ME)
    handle.write(0, memoryview(b"TWO"))
    handle.release()
    assert views.cat("files/b.txt") == "TWO"


def test_a_folder_of_two_tags_is_there_though_no_file_has_both(views: Views) -> None:
    views.put("a", "1", tags=("x",))
    views.put("b", "2", tags=("y",))
    assert views.ls("tags/x") == ["a"]
    assert views.ls("tags/x/y") == [] == views.ls("tags/x/+")
    fails(errno.ENOENT, views.node, "tags/x/z")
    fails(errno.ENOENT, views.node, "tags/x/x")


def test_mkdir_makes_a_tag_and_rmdir_drops_an_empty_one(views: Views) -> None:
    views.mkdir("tags/new")
    assert views.ls("tags") == ["new"]
    assert views.ls("tags/new") == []
    fails(errno.EEXIST, views.mkdir, "tags/new")
    views.put("a", "1", tags=("new",))
    fails(errno.ENOTEMPTY, views.rmdir, "tags/new")
    views.rm("tags/new/a")
    views.rmdir("tags/new")
    assert views.ls("tags") == []
    fails(errno.ENOENT, views.rmdir, "tags/new")


def test_a_folder_that_is_made_in_a_tag_is_a_tag(views: Views) -> None:
    views.put("a", "1", tags=("x",))
    views.mkdir("tags/x/y")
    assert views.ls("tags/x") == ["a"]
    assert views.ls("tags") == ["x", "y"]
    views.ln("files/a", "tags/x/y/a")
    assert tags(views, "a") == ["x", "y"]
    assert views.ls("tags/x/+") == ["y"]
    assert views.ls("tags/x/+/y") == ["a"]
    fails(errno.ENOTEMPTY, views.rmdir, "tags/x/y")
    views.rm("tags/x/y/a")
    assert tags(views, "a") == ["x"]
    views.rmdir("tags/x/y")  # no file has it: the tag goes too
    assert views.ls("tags") == ["x"]
    views.put("b", "2", tags=("y",))
    views.rmdir("tags/x/y")
    assert views.ls("tags") == ["x", "y"]


@pytest.mark.parametrize("name", [".git", ".Trash-1000", "a" * 201, "project:p"])
def test_names_that_no_tag_can_have(views: Views, name: str) -> None:
    fails(errno.EINVAL, views.mkdir, f"tags/{name}")
    fails(errno.ENOENT, views.node, f"tags/{name}")
    assert views.ls("tags") == []


def test_bytes_that_are_no_text_are_no_tag(views: Views) -> None:
    fails(errno.ENOENT, views.node("tags").child, b"\xff\xfe", ME)
    fails(errno.EINVAL, views.node("tags").mkdir, b"\xff\xfe", 0o755, ME)


def test_link_and_rename_into_a_tag_give_it_and_leave_the_file(views: Views) -> None:
    views.put("docs/a.txt", "one")
    views.put("b.txt", "two")
    views.mkdir("tags/x")
    before = views.real()
    assert views.ln("files/docs/a.txt", "tags/x/a.txt").key == views.node("files/docs/a.txt").key
    views.mv("files/b.txt", "tags/x/b.txt")
    assert views.ls("tags/x") == ["a.txt", "b.txt"]
    assert views.real() == before
    views.ln("files/b.txt", "tags/x/other name")  # under its own name
    assert views.ls("tags/x") == ["a.txt", "b.txt"]


def test_a_folder_is_not_tagged(views: Views) -> None:
    views.put("docs/a.txt", "one")
    views.mkdir("tags/x")
    # Anything but EXDEV: programs would copy the folder flat and remove it.
    fails(errno.EPERM, views.mv, "files/docs", "tags/x/docs")
    views.put("b", "", tags=("y",))
    fails(errno.EPERM, views.mv, "tags/y", "files/y")
    fails(errno.EPERM, views.mv, "tags/y", "tags/x/y")
    assert set(views.real()) == {"docs/a.txt", "b"}
    assert views.ls("tags") == ["x", "y"]


def test_rm_takes_the_last_tag_off_and_never_a_file(views: Views) -> None:
    for n in range(4):
        views.put(f"{n}/a.txt", str(n), tags=("a", "b"))
    views.put("4.txt", "4", tags=("b",))
    before = views.real()
    views.rm("tags/a/b/a.txt")
    assert tags(views, "0/a.txt") == ["a"]
    views.rm_r("tags/a")  # though equal names are told apart by numbers
    assert views.ls("tags") == ["b"]
    assert len(views.ls("tags/b")) == 4
    assert views.real() == before
    fails(errno.ENOENT, views.rm, "tags/b/none")


def test_moving_between_tags_and_within_one(views: Views) -> None:
    views.put("d/a.txt", "one", tags=("x",))
    views.put("e/b.txt", "two", tags=("x",))
    views.mkdir("tags/y")
    views.mv("tags/x/a.txt", "tags/y/a.txt")
    assert tags(views, "d/a.txt") == ["y"]
    assert views.ls("tags/x") == ["b.txt"]
    views.mv("tags/y/a.txt", "tags/y/c.txt")
    assert views.real() == {"d/c.txt": b"one", "e/b.txt": b"two"}
    assert tags(views, "d/c.txt") == ["y"]
    views.mv("tags/y/c.txt", "tags/x/c.txt")
    views.mv("tags/x/c.txt", "tags/x/b.txt")  # as mv over another file: that one's place and identity
    assert views.real() == {"e/b.txt": b"one"}
    assert tags(views, "e/b.txt") == ["x"]


def test_no_replace_is_kept(views: Views) -> None:
    views.put("d/a", "one", tags=("x",))
    views.put("b", "two", tags=("x",))
    views.put("e/a", "two", tags=("y",))
    fails(errno.EEXIST, views.mv, "tags/x/a", "tags/x/b", 1)
    fails(errno.EEXIST, views.mv, "tags/x/a", "tags/y/a", 1)
    fails(errno.EINVAL, views.mv, "tags/x/a", "tags/x/b", 2)
    assert len(views.real()) == 3
    assert tags(views, "d/a") == ["x"]


def test_moving_out_of_a_tag_moves_the_real_file_with_its_tags(views: Views) -> None:
    views.put("d/a.txt", "one", tags=("x",))
    views.put("e/b", "")
    views.mv("tags/x/a.txt", "files/e/new.txt")
    assert views.real() == {"e/new.txt": b"one", "e/b": b""}
    assert tags(views, "e/new.txt") == ["x"]
    assert views.ls("tags/x") == ["new.txt"]


def test_renaming_a_tag(views: Views) -> None:
    views.put("a", "1", tags=("x",))
    views.put("b", "2", tags=("y",))
    views.mv("tags/x", "tags/z")
    assert views.ls("tags") == ["y", "z"]
    assert views.ls("tags/z") == ["a"]
    fails(errno.EEXIST, views.mv, "tags/z", "tags/y")
    fails(errno.EINVAL, views.mv, "tags/z", "tags/.z")


def test_equal_names_keep_their_numbers_when_others_come(views: Views) -> None:
    views.put("z/a.txt", "1", tags=("x",))
    views.put("y/a.txt", "2", tags=("x",))
    assert views.cat("tags/x/a.txt") == "1"
    assert views.cat("tags/x/a (2).txt") == "2"
    views.put("b/a.txt", "3", tags=("x",))
    assert views.cat("tags/x/a.txt") == "1"
    assert views.cat("tags/x/a (3).txt") == "3"


def test_a_file_called_like_a_tag_beside_it(views: Views) -> None:
    views.put("y", "a file", tags=("x", "y"))
    assert views.ls("tags/x") == ["y"]
    assert views.cat("tags/x/y") == "a file" == views.cat("tags/x/+/y/y")


def test_a_file_that_is_gone_is_not_listed(views: Views) -> None:
    views.put("a", "1", tags=("x",))
    views.put("b", "2", tags=("x",))
    (views.tree / "a").unlink()  # behind everybody's back
    assert views.ls("tags/x") == ["b"]
    fails(errno.ENOENT, views.node, "tags/x/a")


def test_a_new_file_in_a_tag_lies_in_a_folder_of_that_name(views: Views) -> None:
    views.put("elsewhere.txt", "text from outside")
    views.mkdir("tags/x")
    views.mkdir("tags/x/y")
    views.cp("files/elsewhere.txt", "tags/x/note.txt")
    views.cp("files/elsewhere.txt", "tags/x/y/more.txt")
    assert views.cat("files/x/note.txt") == views.cat("tags/x/note.txt") == "text from outside"
    assert tags(views, "x/note.txt") == ["x"]
    assert tags(views, "x/y/more.txt") == ["x", "y"]


def test_a_new_file_never_takes_the_name_of_one_that_is_there(views: Views) -> None:
    views.put("x/note.txt", "not tagged")
    views.put("y", "a file where the folder would be")
    views.put("new", "new")
    views.mkdir("tags/x")
    views.mkdir("tags/y")
    views.cp("files/new", "tags/x/note.txt")
    views.put("newer", "newer")
    views.cp("files/newer", "tags/y/note.txt")
    assert views.real() == {
        "x/note.txt": b"not tagged",
        "x (2)/note.txt": b"new",
        "y": b"a file where the folder would be",
        "y (2)/note.txt": b"newer",
        "new": b"new",
        "newer": b"newer",
    }
    assert (views.cat("tags/x/note.txt"), views.cat("tags/y/note.txt")) == ("new", "newer")
    fails(errno.EEXIST, views.cp, "files/new", "tags/x/note.txt")


def test_copying_one_of_the_files_into_a_tag_tags_it(views: Views) -> None:
    views.put("docs/report.txt", "the report")
    views.put("old/report.txt", "another report")
    before = views.real()
    views.mkdir("tags/x")
    views.cp("files/docs/report.txt", "tags/x/report.txt")
    assert tags(views, "docs/report.txt") == ["x"]
    assert views.real() == before
    assert views.ls("tags/x") == ["report.txt"]
    assert not (views.tree / "x").exists()
    assert views.store.file(b"x/report.txt") is None


def test_an_equal_file_of_another_name_or_an_empty_one_is_no_original(views: Views) -> None:
    views.put("a.txt", "same")
    views.put("empty.txt", "")
    views.mkdir("tags/x")
    views.cp("files/a.txt", "tags/x/b.txt")
    views.cp("files/empty.txt", "tags/x/empty.txt")
    assert set(views.real()) == {"a.txt", "empty.txt", "x/b.txt", "x/empty.txt"}


@pytest.mark.parametrize("name", [".a.swp", "a~", "4913", "#a#", ".#a", "~$a.docx"])
def test_what_editors_move_the_file_to_is_not_made_in_a_tag(views: Views, name: str) -> None:
    views.mkdir("tags/x")
    fails(errno.EPERM, views.node("tags/x").create, name.encode(), os.O_CREAT | os.O_RDWR, 0o600, ME)
    assert views.real() == {}


@pytest.mark.parametrize("name", ["sedAbC12d", "a.txt.tmp", ".goutputstream-X1", "tmpfile", ".a.txt.Xy12Za"])
def test_saving_by_a_temporary_file_and_rename_keeps_the_file_its_tags(views: Views, name: str) -> None:
    file = views.put("docs/a.txt", "old", tags=("x", "y"))
    for text in ("new", "newer"):
        views.write(f"tags/x/{name}", text)
        assert views.cat(f"tags/x/{name}") == text
        views.mv(f"tags/x/{name}", "tags/x/a.txt")
        assert views.real() == {"docs/a.txt": text.encode()}
        row = views.store.file(b"docs/a.txt")
        assert row is not None
        assert row.id == file
        assert tags(views, "docs/a.txt") == ["x", "y"]
        assert views.ls("tags/x") == ["a.txt"]
        assert [path.name for path in views.tree.iterdir()] == ["docs"]


def test_a_temporary_file_is_not_listed_and_is_removed_as_such(views: Views) -> None:
    views.mkdir("tags/x")
    views.write("tags/x/a.tmp", "text")
    assert views.ls("tags/x") == []
    views.mv("tags/x/a.tmp", "tags/x/a.txt")
    assert views.ls("tags/x") == ["a.txt"]
    assert views.real() == {"x/a.txt": b"text"}
    views.write("tags/x/b.tmp", "text")
    views.rm("tags/x/b.tmp")
    assert views.real() == {"x/a.txt": b"text"}
    fails(errno.ENOENT, views.node, "tags/x/b.tmp")


def test_too_many_files_are_said_to_be(views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexus.memexfs.tags.LISTED", 3)
    monkeypatch.setattr("nexus.memexfs.results.LISTED", 3)
    for n in range(5):
        views.put(str(n), "", tags=("x",))
    *listed, more = views.ls("tags/x")
    assert listed == ["0", "1", "2"]
    assert str(LISTED) in more
    assert "not listed" in views.cat(f"tags/x/{more}")


def test_a_project_is_a_tag_or_what_a_file_was_found_to_belong_to(views: Views) -> None:
    views.put("src/main.c", "int main", Facts("code", project="engine"))
    views.put("notes/plan.md", "the plan")
    assert views.ls("projects") == ["engine"]
    views.ln("files/notes/plan.md", "projects/engine/plan.md")
    assert sorted(views.ls("projects/engine")) == ["main.c", "plan.md"]
    assert views.ls("tags") == []  # shown in projects/
    fails(errno.EPERM, views.rm, "projects/engine/main.c")
    views.rm("projects/engine/plan.md")
    assert views.ls("projects/engine") == ["main.c"]
    fails(errno.ENOTEMPTY, views.rmdir, "projects/engine")
    fails(errno.EPERM, views.mv, "projects/engine", "projects/motor")


def test_making_renaming_and_dropping_a_project(views: Views) -> None:
    views.put("a", "text")
    views.mkdir("projects/p")
    views.cp("files/a", "projects/p/new.txt")
    assert views.cat("files/p/new.txt") == "text"
    views.mv("projects/p", "projects/q")
    assert views.ls("projects") == ["q"]
    assert views.ls("projects/q") == ["new.txt"]
    fails(errno.EINVAL, views.mkdir, "projects/" + "x" * 200)
    views.rm_r("projects/q")
    assert views.ls("projects") == []
    assert set(views.real()) == {"a", "p/new.txt"}

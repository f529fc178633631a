"""Branches on a real mount: an agent changes what it likes, the originals stay as they are until a merge."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.memexfs.agents import Agents, Branches
from nexus.memexfs.branch import Branch
from nexus.memexfs.branch_changes import differences
from nexus.memexfs.branch_gone import Base, Gone
from nexus.memexfs.real import Files
from nexus.memexfs.recording import NoRecord
from nexus.memexfs.root import Root
from nexus.memexfs.tree import Tree
from tests.memex_mounts import mounted, needs_fuse
from tests.memex_views import Views

pytestmark = needs_fuse
STATE = "user.memex.branch"


class Told(NoRecord):
    """What the history would hear."""

    def __init__(self) -> None:
        self.replaced: list[bytes] = []
        self.removals: list[bytes] = []

    def renamed(self, old: bytes, new: bytes, *, folder: bool, replaced: bool) -> None:
        if replaced:
            self.replaced.append(new)

    def removed(self, path: bytes, *, folder: bool) -> None:
        self.removals.append(path)


class House(NamedTuple):
    point: Path
    tree: Path
    branches: Path
    told: Told

    @property
    def files(self) -> Path:
        return self.point / "files"

    def branch(self, name: str) -> Path:
        made = self.point / "agents" / name
        made.mkdir()
        return made

    def diff(self, name: str) -> list[str]:
        return (self.point / "agents" / f"{name}.diff").read_text().splitlines()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    views = Views(tmp_path / "memex")
    told = Told()
    views.files.recorder = told
    trees: list[Tree] = []
    branches = Branches(
        tmp_path / "branches",
        views.files,
        lambda folder, name: trees[0].forget_name(folder, name),
        lambda seconds: trees[0].doubt_names(seconds),
    )
    root = Root(views.scene, Agents(views.scene, b"agents", branches))
    trees.append(Tree(root))
    (views.tree / "src").mkdir()
    (views.tree / "src" / "main.c").write_text("int main(void) { return 0; }\n")
    (views.tree / "src" / "old.c").write_text("old\n")
    (views.tree / "notes.md").write_text("notes\n")
    (views.tree / "link").symlink_to("notes.md")
    with mounted(trees[0], tmp_path / "mount") as point:
        yield House(point, views.tree, tmp_path / "branches", told)
    views.close()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def everything(folder: Path) -> dict[str, bytes | None]:
    """Paths and their contents, None for folders, targets for links."""
    found: dict[str, bytes | None] = {}
    for at, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(at, name)
            key = str(path.relative_to(folder))
            if path.is_symlink():
                found[key] = os.fsencode(path.readlink())
            else:
                found[key] = None if path.is_dir() else path.read_bytes()
    return found


def test_a_branch_shows_the_files_until_it_changes_them(house: House) -> None:
    before = everything(house.tree)
    a1 = house.branch("a1")
    assert everything(a1) == before
    (a1 / "src" / "main.c").write_text("int main(void) { return 1; }\n")
    (a1 / "src" / "new.c").write_text("new\n")
    (a1 / "src" / "old.c").unlink()
    (a1 / "notes.md").rename(a1 / "src" / "notes.md")
    (a1 / "src" / "new.c").chmod(0o755)
    assert everything(house.tree) == before
    assert everything(house.files) == before
    assert everything(a1) == {
        "src": None,
        "src/main.c": b"int main(void) { return 1; }\n",
        "src/new.c": b"new\n",
        "src/notes.md": b"notes\n",
        "link": b"notes.md",
    }
    assert house.diff("a1") == [
        "D  notes.md",
        "M  src/main.c",
        "A  src/new.c",
        "A  src/notes.md",
        "D  src/old.c",
    ]
    assert os.getxattr(a1 / "src" / "main.c", STATE) == b"changed"
    assert os.getxattr(a1 / "src" / "new.c", STATE) == b"added"
    assert (names(house.point / "agents")) == ["a1", "a1.diff"]
    a2 = house.branch("a2")
    assert everything(a2) == before


def test_what_is_changed_outside_is_seen_where_the_branch_has_nothing_of_its_own(house: House) -> None:
    a1 = house.branch("a1")
    assert (a1 / "notes.md").read_text() == "notes\n"
    (a1 / "src" / "main.c").write_text("mine\n")
    (house.files / "notes.md").write_text("longer notes\n")
    (house.files / "src" / "main.c").write_text("theirs\n")
    (house.files / "src" / "later.c").write_text("later\n")
    found = everything(a1)
    assert found["src/main.c"] == b"mine\n"
    assert found["src/later.c"] == b"later\n"
    shown = os.open(a1 / "notes.md", os.O_RDONLY)
    try:
        assert os.read(shown, 100) == b"longer notes\n"
    finally:
        os.close(shown)


def test_a_merge_replaces_removes_and_adds_and_leaves_the_branch_empty(house: House) -> None:
    a1 = house.branch("a1")
    (a1 / "src" / "main.c").write_text("changed\n")
    (a1 / "src" / "old.c").unlink()
    (a1 / "deep" / "er").mkdir(parents=True)
    (a1 / "deep" / "er" / "new.txt").write_text("new\n")
    (a1 / "deep" / "er" / "new.txt").chmod(0o640)
    (a1 / "link").unlink()
    (a1 / "link").symlink_to("src")
    wanted = everything(a1)
    (house.files / "src" / "main.c").read_text()  # the kernel has it in its cache
    os.setxattr(a1, STATE, b"merge")
    assert everything(house.files) == wanted
    assert everything(house.tree) == wanted
    assert stat.S_IMODE((house.tree / "deep" / "er" / "new.txt").stat().st_mode) == 0o640
    assert house.diff("a1") == []
    assert b"src/main.c" in house.told.replaced  # so the history has kept the old one
    assert b"src/old.c" in house.told.removals
    assert everything(a1) == wanted
    (house.point / "agents" / "a1").rmdir()
    assert names(house.point / "agents") == []


def test_a_merge_over_what_others_changed_is_refused_and_may_be_forced(house: House) -> None:
    a1 = house.branch("a1")
    (a1 / "notes.md").write_text("mine\n")
    (a1 / "src" / "old.c").unlink()
    (a1 / "both.txt").write_text("mine\n")
    (a1 / "free.txt").write_text("free\n")
    (house.files / "notes.md").write_text("theirs\n")
    (house.files / "src" / "old.c").write_text("theirs too\n")
    (house.files / "both.txt").write_text("theirs\n")
    assert house.diff("a1") == ["M! both.txt", "A  free.txt", "M! notes.md", "D! src/old.c"]
    before = everything(house.tree)
    with pytest.raises(FileExistsError):
        os.setxattr(a1, STATE, b"merge")
    assert everything(house.tree) == before
    assert (a1 / "notes.md").read_text() == "mine\n"
    os.setxattr(a1, STATE, b"merge force")
    after = everything(house.tree)
    assert (after["notes.md"], after["both.txt"], after["free.txt"]) == (b"mine\n", b"mine\n", b"free\n")
    assert "src/old.c" not in after


def test_a_dropped_branch_shows_the_originals_and_one_with_changes_is_not_removed(house: House) -> None:
    before = everything(house.tree)
    a1 = house.branch("a1")
    shutil.rmtree(a1 / "src")
    (a1 / "src").mkdir()
    (a1 / "src" / "only.c").write_text("only\n")
    assert everything(a1 / "src") == {"only.c": b"only\n"}
    with pytest.raises(OSError, match=os.strerror(errno.ENOTEMPTY)):
        a1.rmdir()
    os.setxattr(a1, STATE, b"drop")
    assert house.diff("a1") == []
    again = house.point / "agents" / "a1"
    assert (names(again / "src")) == ["main.c", "old.c"]
    assert everything(house.tree) == before
    a1.rmdir()


def test_names_that_are_none_and_what_crosses_a_branch_are_refused(house: House) -> None:
    agents = house.point / "agents"
    for name in (".hidden", "x.diff", "n" * 101):
        with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
            (agents / name).mkdir()
    a1 = house.branch("a1")
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        (a1 / "notes.md").rename(house.files / "moved.md")
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        (a1 / "src").rename(a1 / "source")  # mv copies then
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        os.link(house.files / "notes.md", a1 / "hard.md")
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        os.setxattr(a1, STATE, b"explode")
    with pytest.raises(FileExistsError):
        a1.mkdir()
    shutil.move(a1 / "src", a1 / "source")
    assert (names(a1 / "source")) == ["main.c", "old.c"]
    assert (house.tree / "src" / "main.c").exists()


def test_who_reads_goes_on_reading_and_who_writes_sees_itself(house: House) -> None:
    a1 = house.branch("a1")
    reader = os.open(a1 / "notes.md", os.O_RDONLY)
    with (a1 / "notes.md").open("r+b") as file:
        file.write(b"NOTES")
        file.flush()
        assert (a1 / "notes.md").read_bytes() == b"NOTES\n"
        file.truncate(2)
    assert os.pread(reader, 100, 0) == b"NO"
    os.close(reader)
    assert (a1 / "notes.md").stat().st_ino == (a1 / "notes.md").stat().st_ino
    assert (a1 / "notes.md").read_bytes() == b"NO"
    os.link(a1 / "notes.md", a1 / "again.md")
    assert (a1 / "again.md").stat().st_nlink == 2
    assert (house.tree / "notes.md").read_text() == "notes\n"


_NAMES = st.sampled_from(["a", "b", "d", "d/a", "d/b", "e", "e/x", "f"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), _NAMES, st.binary(max_size=20)),
        st.tuples(st.just("remove"), _NAMES, st.none()),
        st.tuples(st.just("mkdir"), _NAMES, st.none()),
        st.tuples(st.just("rename"), _NAMES, _NAMES),
    ),
    max_size=25,
)
_COUNT = itertools.count()


def step(folder: Path, what: str, name: str, more: object) -> int:
    """Do it as a program would; the errno, or 0."""
    path = folder / name
    try:
        if what == "write":
            assert isinstance(more, bytes)
            path.write_bytes(more)
        elif what == "remove":
            path.rmdir() if path.is_dir() else path.unlink()
        elif what == "mkdir":
            path.mkdir()
        else:
            path.rename(folder / str(more))
    except OSError as error:
        return error.errno or -1
    return 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_a_branch_is_like_a_copy_of_the_files_and_merging_it_makes_them_so(
    house: House, tmp_path: Path, steps: list[tuple[str, str, object]]
) -> None:
    number = next(_COUNT)
    for left in list(house.tree.iterdir()):
        target = house.files / left.name
        shutil.rmtree(target) if left.is_dir() and not left.is_symlink() else target.unlink()
    for name, content in (("a", b"a"), ("d/a", b"da"), ("d/c", b"dc"), ("e/x", b"ex")):
        (house.files / name).parent.mkdir(exist_ok=True)
        (house.files / name).write_bytes(content)
    before = everything(house.tree)
    copy = tmp_path / f"copy{number}"
    shutil.copytree(house.tree, copy)
    branch = house.branch(f"b{number}")
    for what, name, more in steps:
        if what == "rename" and (copy / name).is_dir():
            continue  # a folder that lies below is copied by programs, not renamed
        assert step(branch, what, name, more) == step(copy, what, name, more), (what, name, more)
        assert everything(branch) == everything(copy), (what, name, more)
    assert everything(house.tree) == before
    # A worker that comes after this one finds the same.
    again = Branch("again", house.branches / f"b{number}", Files(house.tree))
    assert bool(differences(again)) == (everything(copy) != before)
    os.setxattr(branch, STATE, b"merge")
    assert everything(house.tree) == everything(copy)


def test_the_log_of_what_is_gone_survives_a_death_in_the_middle_of_a_line(tmp_path: Path) -> None:
    log = Gone(tmp_path / "gone")
    names = [b"a b", b"new\nline", b"\xff\xfe", b"d/e/f"]
    for name in names:
        log.add(name, Base(stat.S_IFREG, 1, 2))
    log.close()
    whole = (tmp_path / "gone").read_bytes()
    for cut in range(len(whole) + 1):
        (tmp_path / "gone").write_bytes(whole[:cut])
        again = Gone(tmp_path / "gone")
        held = [path for path, _ in again]
        assert held == sorted(names[: whole[:cut].count(b"\0")])
        again.add(b"more", Base(stat.S_IFREG, 3, 4))
        again.close()
        assert b"more" in [path for path, _ in Gone(tmp_path / "gone")]
    assert Gone(tmp_path / "gone").hides(b"more/below")
    assert not Gone(tmp_path / "gone").hides(b"mor")

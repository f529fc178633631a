"""`nexus mount`, `umount` and `memex` as a newcomer types them, with a real mount and without the service."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nexus.cli import mount as mounting
from nexus.cli.main import app
from nexus.cli.memex_desk import opened
from nexus.core.errors import (
    AlreadyRunningError,
    InvalidInputError,
    NexusError,
    NotFoundError,
    NotRunningError,
)
from nexus.core.parts import fuse_part
from nexus.core.paths import Home
from nexus.memexfs.launch import serving
from tests.memex_mounts import needs_fuse, take_away


def nexus(*arguments: object) -> Result:
    """Run a command; raises what it failed with."""
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    if isinstance(done.exception, NexusError):
        raise done.exception
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """`nexus mount FOLDER`."""
    home = Home.from_env().root
    try:
        done = nexus("mount", folder)
        assert done.stdout.strip() == str(folder)
        yield folder
    finally:
        take_away(folder)
        while serving(home) is not None:
            time.sleep(0.01)


@pytest.fixture(scope="module")
def point(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A mount that several tests use; none unmounts it."""
    root = tmp_path_factory.mktemp("memex")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEXUS_HOME", str(root / "home"))
        with mounted(root / "memex") as folder:
            yield folder


@needs_fuse
def test_a_newcomer_mounts_looks_tags_and_unmounts(home: Home, tmp_path: Path) -> None:
    with mounted(tmp_path / "memex") as point:
        _mounts_looks_tags_and_unmounts(home, point)


def _mounts_looks_tags_and_unmounts(home: Home, point: Path) -> None:
    assert {"files", "search", "tags", "agents", ".memex"} <= set(os.listdir(point))  # noqa: PTH208
    (point / "files" / "plan.txt").write_text("the plan\n")
    told = nexus("mount", point)
    assert "mounted already" in told.stderr
    assert "nexus up" in told.stderr
    assert 'ls "' in told.stderr
    with pytest.raises(AlreadyRunningError, match=str(point)):
        nexus("mount", point.parent / "other")
    assert (
        nexus("memex", "tag", point / "files" / "plan.txt", "idea", "work").stdout == "plan.txt: idea, work\n"
    )
    assert (point / "tags" / "work" / "plan.txt").read_text() == "the plan\n"
    assert json.loads(nexus("memex", "tags", "--json").stdout) == [
        {"name": "idea", "files": 1},
        {"name": "work", "files": 1},
    ]
    # A file is named by any way that leads to it.
    assert nexus("memex", "untag", point / "tags" / "work" / "plan.txt", "idea").stdout == "plan.txt: work\n"
    assert nexus("memex", "untag", "plan.txt", "work").stdout == "plan.txt: no tags\n"
    status = json.loads(nexus("memex", "status", "--json").stdout)
    assert (status["mount"]["point"], status["files"]) == (str(point), {"waiting": 1})
    assert str(point) in nexus("memex", "status").stdout
    with open(point / "files" / "plan.txt"), pytest.raises(NexusError, match=str(os.getpid())) as busy:
        nexus("umount")
    assert "--lazy" in busy.value.hint
    gone = nexus("umount")
    assert str(home.memex / "tree") in gone.stderr
    assert list(point.iterdir()) == []
    assert (home.memex / "tree" / "plan.txt").read_text() == "the plan\n"


@needs_fuse
def test_what_a_file_held_is_listed_and_brought_back(point: Path) -> None:
    file = point / "files" / "letter.txt"
    file.write_text("the first words\n")
    file.write_text("others\n")
    versions: list[dict[str, object]] = []
    while not versions:
        versions = json.loads(nexus("memex", "versions", file, "--json").stdout)["versions"]
    assert "truncated" in nexus("memex", "versions", file).stdout
    nexus("memex", "restore", file, versions[-1]["n"])
    assert file.read_text() == "the first words\n"


@needs_fuse
def test_an_agents_branch_is_made_looked_at_merged_and_dropped(point: Path) -> None:
    original = point / "files" / "code.py"
    original.write_text("one = 1\n")
    branch = Path(nexus("memex", "branch", "make", "a1").stdout.strip())
    assert branch == point / "agents" / "a1"
    assert json.loads(nexus("memex", "branch", "list", "--json").stdout) == [
        {"name": "a1", "folder": str(branch)}
    ]
    (branch / "code.py").write_text("one = 2\n")
    assert original.read_text() == "one = 1\n"
    assert json.loads(nexus("memex", "branch", "diff", "a1", "--json").stdout) == [
        {"how": "M", "conflict": False, "path": "code.py"}
    ]
    original.write_text("one = 3, by somebody else\n")
    with pytest.raises(NexusError, match="files/ too") as conflict:
        nexus("memex", "branch", "merge", "a1")
    assert conflict.value.exit_status == 1
    assert nexus("memex", "branch", "diff", "a1").stdout.startswith("M!")
    nexus("memex", "branch", "merge", "a1", "--force")
    while original.read_text() != "one = 2\n":  # the kernel is told to forget what it knew a moment later
        time.sleep(0.01)
    (branch / "code.py").write_text("one = 4\n")
    nexus("memex", "branch", "drop", "a1")
    assert (original.read_text(), branch.exists()) == ("one = 2\n", False)
    for command in ("diff", "merge", "drop"):
        with pytest.raises(NotFoundError, match="nobody"):
            nexus("memex", "branch", command, "nobody")
    with pytest.raises(InvalidInputError, match="a/b"):
        nexus("memex", "branch", "make", "a/b")


@needs_fuse
def test_a_folder_in_place_appears_and_goes(point: Path, tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "aunt.txt").write_text("Dear aunt\n")
    assert json.loads(nexus("memex", "add", folder, "--json").stdout)["name"] == "letters"
    shown = point / "files" / "letters" / "aunt.txt"
    while not shown.exists():
        time.sleep(0.05)
    assert shown.read_text() == "Dear aunt\n"
    assert f"files/letters is {folder}" in nexus("memex", "status").stdout
    nexus("memex", "remove", folder)
    while shown.exists():
        time.sleep(0.05)
    assert (folder / "aunt.txt").exists()


def test_without_a_mount_it_says_what_to_do(home: Home, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not mounted"):
        nexus("umount")
    with pytest.raises(NotFoundError, match=str(tmp_path)):
        nexus("umount", tmp_path)
    with pytest.raises(NotRunningError) as branch:
        nexus("memex", "branch", "list")
    assert branch.value.hint == "nexus mount"
    for command in (("search", "x"), ("similar", "x"), ("files",), ("pause",), ("resume",), ("reindex",)):
        with pytest.raises(NotRunningError, match="not running"):
            nexus("memex", *command)
    assert "none: nexus mount" in nexus("memex", "status").stdout
    assert nexus("memex", "tags").stdout == ""
    with pytest.raises(NotFoundError, match=r"no/such\.txt"):
        nexus("memex", "tag", "no/such.txt", "x")
    sound = nexus("memex", "fsck", "--json")
    assert json.loads(sound.stdout)["sound"] is True


def test_what_the_home_keeps_itself_is_no_folder_in_place_and_memories_have_another_way(home: Home) -> None:
    for folder in (home.root, home.memories):
        with pytest.raises(InvalidInputError, match="NexusOS keeps for itself") as refused:
            nexus("memex", "add", folder)
        assert "nexus memories export FOLDER" in refused.value.hint
    with pytest.raises(InvalidInputError, match="overlaps"):
        nexus("memex", "add", home.root.parent)
    desk = opened()
    assert desk.store.sources() == {}
    desk.store.close()


def test_a_folder_that_cannot_be_mounted_on_is_named(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NexusError, match="file"):
        nexus("mount", tmp_path / "file")
    with pytest.raises(NexusError, match="file"):
        nexus("mount", tmp_path / "file" / "below")
    assert serving(home.root) is None


def test_doctor_knows_what_mounting_needs(tmp_path: Path) -> None:
    missing = fuse_part(tmp_path / "fuse")
    assert (missing.state, "modprobe fuse" in missing.mend) == ("missing", True)
    assert mounting.mount.__doc__
    assert fuse_part().name == "fuse"

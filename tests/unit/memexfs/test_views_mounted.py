"""The views on a real mount, through the programs that people use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from nexus.memexfs.store import Facts
from nexus.memexfs.tree import Tree
from tests.memex_mounts import mounted, needs_fuse
from tests.memex_views import Views

pytestmark = needs_fuse


@pytest.fixture
def views(tmp_path: Path) -> Iterator[Views]:
    made = Views(tmp_path / "memex")
    made.put("policy/returns.md", "We pay back what a refund is asked for.\n", Facts("markdown"))
    made.put("policy/shipping.md", "A parcel takes three days; a refund is rare.\n", Facts("markdown"))
    made.put("src/main.c", "int main(void) { return 0; }\n", Facts("code"))
    yield made
    made.close()


@pytest.fixture
def at(views: Views, tmp_path: Path) -> Iterator[Path]:
    tree = Tree(views.root)
    views.scene.telling.tree = tree
    with mounted(tree, tmp_path / "mnt") as point:
        yield point


def sh(at: Path, command: str, *, status: int = 0) -> str:
    """What a shell in the mount prints; its errors too where it is to fail."""
    done = subprocess.run(
        ["bash", "-c", f'cd "$0" && {command}', at],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "LC_ALL": "C", "HOME": str(at.parent)},
    )
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def until(true: Callable[[], object]) -> None:
    """A file that is closed is settled a moment later."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_looking_around(at: Path) -> None:
    listed = sh(at, "ls -A").split()
    assert listed == sorted(
        [*("files", "tags", "projects", "search", "similar", "recent", "by", "versions", ".memex")]
    )
    assert "rm tags/A/FILE" in sh(at, "cat .memex/help")
    assert "files: 3 (" in sh(at, "cat .memex/status")
    assert sh(at, "wc -c < .memex/help; cat .memex/help | wc -c").split()[0] != "0"
    found = sh(at, "find . -path ./files -prune -o -type f -print")
    assert "./by/type/markdown/returns.md" in found
    assert "./recent/today/main.c" in found
    assert sh(at, "grep -rl 'pay back' files by recent").count("returns.md") == 6
    assert sh(at, "stat -c %i files/src/main.c by/type/code/main.c | uniq | wc -l").strip() == "1"
    assert sh(at, "ls -lR > /dev/null; df . | wc -l").strip() == "2"
    assert sh(at, "du -s by >/dev/null; tar cf - by recent | tar tf - | grep -c main.c").strip() == "5"


def test_what_was_replaced_is_let_go_of_under_all_its_names(views: Views, tmp_path: Path) -> None:
    log = os.memfd_create("numbers")
    tree = Tree(views.root, log_fd=log)
    views.scene.telling.tree = tree

    def deleted() -> list[str]:
        opened = []
        for one in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                opened.append(os.readlink(one))
        return [path for path in opened if path.startswith(str(tmp_path)) and path.endswith(" (deleted)")]

    with mounted(tree, tmp_path / "mnt") as at:
        for turn in range(5):
            sh(at, "ls -l by/type/markdown recent/today 'search/a refund please' > /dev/null")
            sh(at, f"echo {turn} > files/policy/new && mv files/policy/new files/policy/returns.md")
        until(lambda: sh(at, "cat by/type/markdown/returns.md").strip() == "4")
        until(lambda: not deleted())
    os.close(log)


def test_asking(at: Path) -> None:
    assert sh(at, 'ls "search/a refund please"').splitlines() == ["01 returns.md", "02 shipping.md"]
    sh(at, 'echo more >> "search/a refund please/02 shipping.md"; tail -1 files/policy/shipping.md')
    assert (at / "files/policy/shipping.md").read_text().endswith("more\n")
    sh(at, 'sed s/pay/give/ "search/a refund please/01 returns.md" > /dev/null')
    assert sh(at, 'cat "search/a refund please/.why"').startswith("a refund please")
    assert "not permitted" in sh(at, 'rm "search/a refund please/01 returns.md"', status=1)
    assert "not permitted" in sh(at, 'rm -rf "search/a refund please"', status=1)
    assert "not permitted" in sh(at, 'cp files/src/main.c "search/a refund please/"', status=1)
    assert "not permitted" in sh(at, 'mv files/src/main.c "search/a refund please/"', status=1)
    sh(at, 'mkdir search/refund && mv "search/how to refund" search/policy && ls search/refund/*')
    assert sh(at, "ls search").split() == ["policy", "refund"]
    sh(at, "rmdir search/policy && ls search/refund")
    assert sh(at, "ls search similar").split() == ["search:", "refund", "similar:"]
    assert sh(at, "ls similar/returns.md similar/policy/returns.md").count("shipping.md") == 2
    assert sh(at, "ls search/.git search/HEAD similar/none", status=2).count("No such file") == 3
    assert (at / "files/policy/returns.md").exists()


def test_what_a_shell_tries_while_one_types(at: Path, views: Views) -> None:
    """Completion lists folders and looks at what matches; that asks nothing and finds what there is."""
    complete = 'compgen -f -- "$1"; shopt -s nullglob; for f in "$1"*; do [ -d "$f" ] && echo "$f/"; done'
    for word, found in (
        ("sea", "search/"),
        ("search/how w", ""),
        ("tags/", ""),
        ("by/type/m", "by/type/markdown/"),
        ("files/policy/r", "files/policy/returns.md"),
    ):
        assert found in sh(at, f'set -- "{word}"; {complete}; true')


def test_tagging_with_ordinary_commands(at: Path, views: Views) -> None:
    def tags(path: str) -> list[str]:
        row = views.store.file(path.encode())
        return views.store.tags_of(row.id) if row else []

    before = views.real()
    sh(at, "mkdir -p tags/x tags/y && ln files/policy/returns.md tags/x/")
    sh(at, "mv files/src/main.c tags/x/ && ls files/src/main.c")
    sh(at, 'ln "search/a refund please/02 shipping.md" tags/y/')
    assert sh(at, "ls tags/x tags/y").split() == ["tags/x:", "main.c", "returns.md", "tags/y:", "shipping.md"]
    sh(at, "cp files/policy/shipping.md tags/x/ && cmp files/policy/shipping.md tags/x/shipping.md")
    until(lambda: views.real() == before)
    assert tags("policy/shipping.md") == ["x", "y"]
    assert sh(at, "cat tags/x/y/*; ls tags/x/+").splitlines()[-1] == "y"
    sh(at, "cp tags/x/shipping.md tags/x/shipping.md", status=1)  # the same file, says cp
    assert views.real() == before
    sh(at, "rm tags/x/main.c tags/x/shipping.md && mv tags/y/shipping.md tags/x/ && mv tags/x tags/z")
    assert sh(at, "ls tags/z").split() == ["returns.md", "shipping.md"]
    assert (tags("src/main.c"), tags("policy/shipping.md")) == ([], ["z"])
    sh(at, "rm -r tags/z && ls tags")
    assert sh(at, "ls tags").split() == ["y"]
    assert views.real() == before
    assert "not permitted" in sh(at, "mv files/policy tags/y/", status=1)
    assert "not permitted" in sh(at, "ln -s ../files/src/main.c tags/y/", status=1)
    assert "Invalid argument" in sh(at, "mkdir tags/.git", status=1)
    assert views.real() == before


def test_files_from_elsewhere(at: Path, views: Views, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "sub").mkdir(parents=True)
    (elsewhere / "one.txt").write_text("one")
    (elsewhere / "sub/two.txt").write_text("two")
    sh(at, f"mkdir tags/x && cp {elsewhere}/one.txt tags/x/ && cat tags/x/one.txt")
    sh(at, f"cp -r {elsewhere}/sub tags/x/ && mkdir projects/p && mv {elsewhere}/one.txt projects/p/")
    assert not (elsewhere / "one.txt").exists()
    # The very same file was there already, so that one belongs to the project.
    until(lambda: not (views.tree / "p").exists())
    assert (at / "projects/p/one.txt").read_text() == "one"
    assert (at / "files/x/sub/two.txt").read_text() == (at / "tags/sub/two.txt").read_text() == "two"
    assert sh(at, "ls projects tags").split() == ["projects:", "p", "tags:", "sub", "x"]


def test_a_copy_among_many_of_its_name_is_recognised(at: Path, views: Views) -> None:
    for n in range(60):  # more than are compared: what cp has open says which
        views.put(f"{n}/__init__.py", f"print({n:03})")
    before = views.real()
    sh(at, "mkdir tags/x && cp files/57/__init__.py tags/x/")
    until(lambda: views.real() == before)
    row = views.store.file(b"57/__init__.py")
    assert row is not None
    assert views.store.tags_of(row.id) == ["x"]


def test_editing_in_a_view(at: Path, views: Views) -> None:
    sh(at, 'mkdir tags/x && ln files/policy/returns.md tags/x/ && sed -i "s/pay/give/" tags/x/returns.md')
    until(lambda: (at / "files/policy/returns.md").read_text().startswith("We give back"))
    row = views.store.file(b"policy/returns.md")
    assert row is not None
    assert views.store.tags_of(row.id) == ["x"]
    assert sorted(views.real()) == ["policy/returns.md", "policy/shipping.md", "src/main.c"]
    script = (
        "import pathlib,os; p = pathlib.Path('tags/x/returns.md'); t = p.with_name('tmpfile');"
        " t.write_text('from python'); os.replace(t, p); print(p.read_text(), os.listdir('tags/x'))"
    )
    assert sh(at, f'{sys.executable} -c "{script}"') == "from python ['returns.md']\n"
    until(lambda: (at / "files/policy/returns.md").read_text() == "from python")


@pytest.mark.skipif(shutil.which("vim") is None, reason="needs vim: sudo apt install vim-tiny vim")
def test_vim_edits_the_real_file(at: Path, views: Views) -> None:
    for path in ("search/a refund please/01 returns.md", "tags/x/returns.md", "by/type/markdown/returns.md"):
        sh(at, "mkdir -p tags/x; [ -e tags/x/returns.md ] || ln files/policy/returns.md tags/x/")
        inode = (at / "files/policy/returns.md").stat().st_ino
        sh(at, f"vim -N -u NONE -es -c 's/^/{path[0]}/' -c wq '{path}'")
        assert (at / "files/policy/returns.md").read_text().startswith(path[0])
        assert (at / "files/policy/returns.md").stat().st_ino == inode
    assert sorted(views.real()) == ["policy/returns.md", "policy/shipping.md", "src/main.c"]


def test_attributes_and_versions(at: Path, views: Views) -> None:
    path = at / "files/policy/returns.md"
    os.setxattr(path, "user.memex.tags", b"x, y")
    assert sh(at, "ls tags").split() == ["x", "y"]
    assert os.getxattr(at / "tags/x/returns.md", "user.memex.tags") == b"x, y"
    assert "user.memex.state" in os.listxattr(path)
    views.objects.contents["d"] = b"before\n"
    views.store.add_version(b"policy/returns.md", "d", "raw", 7, 0, time.time_ns(), "replaced")
    assert sh(at, "cat versions/policy/returns.md/@*") == "before\n"
    sh(at, "cp versions/policy/returns.md/@* files/policy/returns.md")
    assert path.read_text() == "before\n"
    assert "not permitted" in sh(at, "rm -rf versions/policy", status=1)

"""`search/`, `similar/`, `recent/`, `by/`, `versions/`, `.memex/` and the root that holds them."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import MissingPartError
from nexus.memexfs.describer import StoreDescriber, joined, split
from nexus.memexfs.finding import Found
from nexus.memexfs.node import Node
from nexus.memexfs.search import Search
from nexus.memexfs.store import Facts
from nexus.memexfs.versions import stamp
from nexus.memexfs.virtual import MADE
from nexus.memexfs.words_finder import WordsFinder
from tests.memex_views import ME, Views

DAY = 86_400 * 10**9


class Asked(WordsFinder):
    """Counts the questions; fails while it is `away`."""

    def __init__(self, views: Views) -> None:
        super().__init__(views.store)
        self.questions: list[str] = []
        self.away = False

    def search(
        self, text: str, limit: int = 50, *, under: bytes = b"", weights: Mapping[str, float] | None = None
    ) -> list[Found]:
        self.questions.append(text)
        if self.away:
            raise MissingPartError("nobody answers", hint="nexus up")
        return super().search(text, limit, under=under, weights=weights)

    def similar(self, path: bytes, limit: int = 50) -> list[Found]:
        self.questions.append(f"like {os.fsdecode(path)}")
        return super().similar(path, limit)


@pytest.fixture
def views(tmp_path: Path) -> Iterator[Views]:
    made = Views(tmp_path / "memex")
    yield made
    made.close()


@pytest.fixture
def asked(views: Views) -> Asked:
    finder = Asked(views)
    object.__setattr__(views.scene, "finder", finder)
    views.put("policy/returns.md", "We pay back what a refund is asked for.", Facts("markdown"))
    views.put("policy/shipping.md", "A parcel takes three days; a refund is rare.", Facts("markdown"))
    views.put("src/main.c", "int main(void) { return 0; }", Facts("code"))
    return finder


def fails(number: int, *call: object) -> None:
    function, *given_values = call
    with pytest.raises(OSError, match=re.escape(os.strerror(number))) as caught:
        function(*given_values)  # type: ignore[operator]
    assert caught.value.errno == number, caught.value


# ---- the root


def test_the_root_lists_the_views_and_asks_nothing(views: Views, asked: Asked) -> None:
    names = ["files", "tags", "projects", "search", "similar", "recent", "by", "versions", ".memex"]
    assert views.ls() == names
    found = list(views.walk())
    assert "files/policy/returns.md" in found
    assert "by/type/markdown/returns.md" in found
    assert asked.questions == []


@pytest.mark.parametrize("name", [".git", ".Trash-1000", ".hidden", "desktop.ini", "tag", "Files"])
def test_the_root_has_no_other_names_and_takes_none(views: Views, name: str) -> None:
    fails(errno.ENOENT, views.node, name)
    fails(errno.EPERM, views.mkdir, name)
    fails(errno.EPERM, views.root.create, name.encode(), os.O_CREAT, 0o644, ME)


def test_made_things_are_told_apart_and_are_the_same_again(views: Views, asked: Asked) -> None:
    paths = ["", *(path for path in views.walk() if not path.startswith("files/"))]
    made = [views.node(path) for path in paths if views.node(path).ino >= MADE]
    assert len({node.ino for node in made}) == len({node.key for node in made}) == len(made)
    again = Views(views.tree.parent / "other")
    try:
        assert again.node("by/type").ino == views.node("by/type").ino
    finally:
        again.close()


def test_the_root_shows_branches_where_there_are_any(views: Views) -> None:
    from nexus.memexfs.root import Root

    assert "agents" not in views.ls()
    views.root = Root(views.scene, agents=views.node("by"))
    assert "agents" in views.ls()


# ---- search/


def test_a_question_lists_the_real_files_by_rank(views: Views, asked: Asked) -> None:
    assert views.ls("search/a refund please") == ["01 returns.md", "02 shipping.md"]
    found = views.node("search/a refund please/01 returns.md")
    assert found.key == views.node("files/policy/returns.md").key
    handle = found.open(os.O_WRONLY | os.O_TRUNC, ME)
    handle.write(0, memoryview(b"edited"))
    handle.release()
    assert views.cat("files/policy/returns.md") == "edited"


def test_looking_a_question_up_asks_nothing(views: Views, asked: Asked) -> None:
    views.node("search/how to refund")
    views.node("search/refunds?")
    for name in (".git", "HEAD", "refunds", "desktop.ini", "System Volume Information", "New Folder"):
        fails(errno.ENOENT, views.node, f"search/{name}")
    for name in (".hidden", "4913", "cover.jpg", ".01 returns.md.swp"):
        fails(errno.ENOENT, views.node, f"search/how to refund/{name}")
    assert asked.questions == []
    assert views.ls("search") == []


def test_listing_asks_once_and_names_mean_what_was_listed(views: Views, asked: Asked) -> None:
    views.ls("search/a refund please")
    views.put("new.md", "refund refund refund please", Facts("markdown"))
    views.mkdir("tags/x")
    assert views.cat("search/a refund please/01 returns.md").startswith("We pay back")
    assert views.ls("search/a refund please") == ["01 returns.md", "02 shipping.md"]
    assert asked.questions == ["a refund please"]


def test_a_file_of_an_answer_is_found_without_listing(views: Views, asked: Asked) -> None:
    assert views.cat("search/a refund please/01 returns.md").startswith("We pay back")
    fails(errno.ENOENT, views.node, "search/a refund please/07 none.md")
    assert asked.questions == ["a refund please"]


def test_why_a_file_is_an_answer(views: Views, asked: Asked) -> None:
    text = views.cat("search/a refund please/.why")
    assert text.startswith("a refund please\n")
    assert "1.000  01 returns.md" in text
    assert "files/policy/returns.md" in text
    assert "We pay back what a refund is asked for." in text
    assert ".why" not in views.ls("search/a refund please")


def test_saving_renaming_and_forgetting_a_question(views: Views, asked: Asked) -> None:
    views.mkdir("search/refund")
    fails(errno.EEXIST, views.mkdir, "search/refund")
    assert views.ls("search") == ["refund"]
    assert views.ls("search/refund") == ["01 returns.md", "02 shipping.md"]
    views.mv("search/how we refund", "search/policy")
    assert views.ls("search") == ["policy", "refund"]
    assert views.store.queries() == {"policy": "how we refund", "refund": "refund"}
    views.mv("search/policy", "search/money")
    views.rmdir("search/refund")
    assert views.store.queries() == {"money": "how we refund"}
    fails(errno.ENOENT, views.rmdir, "search/refund")
    fails(errno.ENOENT, views.node, "search/refund")
    fails(errno.EPERM, views.rmdir, "search/how we refund")
    fails(errno.EINVAL, views.mkdir, "search/.hidden")
    fails(errno.EEXIST, views.mv, "search/any thing", "search/money", 1)
    fails(errno.EPERM, views.mv, "search/money", "files/money")


def test_a_folder_that_a_file_manager_makes_asks_what_its_user_types(views: Views, asked: Asked) -> None:
    fails(errno.ENOENT, views.node, "search/New Folder")
    views.mkdir("search/New Folder")
    views.mv("search/New Folder", "search/refund")
    assert views.store.queries() == {"refund": "refund"}


@pytest.mark.parametrize(
    "folder", ["search/a refund please", "recent/today", "by/type/markdown", "similar/policy/returns.md"]
)
def test_nothing_is_removed_or_put_where_a_question_says_what_is_listed(
    views: Views, asked: Asked, folder: str
) -> None:
    name = next(name for name in views.ls(folder) if "shipping" in name)
    before = views.real()
    fails(errno.EPERM, views.rm, f"{folder}/{name}")
    fails(errno.EPERM, views.rmdir, f"{folder}/{name}")
    fails(errno.EPERM, views.cp, "files/src/main.c", f"{folder}/main.c")
    fails(errno.EPERM, views.ln, "files/src/main.c", f"{folder}/main.c")
    fails(errno.EPERM, views.mv, "files/src/main.c", f"{folder}/main.c")
    fails(errno.EPERM, views.mv, f"{folder}/{name}", f"{folder}/other")
    fails(errno.EPERM, views.mkdir, f"{folder}/sub")
    assert views.real() == before
    views.mkdir("tags/x")
    views.ln(f"{folder}/{name}", f"tags/x/{name}")
    views.mkdir("tags/y")
    views.mv(f"{folder}/{name}", f"tags/y/{name}")
    assert views.ls("tags/x") == views.ls("tags/y") == ["shipping.md"]
    assert views.real() == before
    views.mv(f"{folder}/{name}", "files/src/moved.md")
    before["src/moved.md"] = before.pop("policy/shipping.md")
    assert views.real() == before


def test_nobody_answers(views: Views, asked: Asked) -> None:
    asked.away = True
    fails(errno.EIO, views.ls, "search/a refund please")
    asked.away = False
    assert views.ls("search/a refund please") != []


def test_a_removed_file_is_not_listed_and_ranks_have_no_gap(views: Views, asked: Asked) -> None:
    (views.tree / "policy" / "returns.md").unlink()
    assert views.ls("search/a refund please") == ["01 shipping.md"]


@given(st.binary(min_size=1, max_size=255).filter(lambda b: b"/" not in b and b"\0" not in b))
def test_no_name_is_an_error_of_ours(name: bytes) -> None:
    search = Search.__new__(Search)
    search._saved = dict  # type: ignore[method-assign]
    search.scene, search.path = None, b"search"  # type: ignore[assignment]
    try:
        node = search.child(name, ME)
    except FileNotFoundError:
        return
    assert isinstance(node, Node)
    assert b" " in name.strip() or name.strip().endswith(b"?")


# ---- similar/


def test_files_like_a_file(views: Views, asked: Asked) -> None:
    names = {name[3:] for name in views.ls("similar/policy/returns.md")}
    assert "shipping.md" in names
    assert "returns.md" not in names
    assert views.node("similar/returns.md").attributes().kind == views.node("similar").attributes().kind
    assert views.ls("similar/returns.md") == views.ls("similar/policy/returns.md")
    assert views.ls("similar") == views.ls("similar/policy") == []


def test_a_name_that_several_files_have_is_no_way_to_one(views: Views, asked: Asked) -> None:
    views.put("other/returns.md", "Something else.", Facts("markdown"))
    fails(errno.ENOENT, views.node, "similar/returns.md")
    fails(errno.ENOENT, views.node, "similar/none.md")
    fails(errno.ENOENT, views.node, "similar/.git")
    fails(errno.ENOENT, views.node, "similar/policy/none.md")
    fails(errno.ENOTDIR, views.node, "files/src/main.c/x")


# ---- recent/ and by/


def test_recent(views: Views) -> None:
    now = time.time_ns()
    views.put("new.txt", "now")
    for name, age in (("week.txt", 3), ("month.txt", 20), ("old.txt", 60)):
        views.put(name, name)
        os.utime(views.tree / name, ns=(now, now - age * DAY))
        views.store.written(name.encode(), 1, now - age * DAY, 0)
    views.scene.listings.drop()
    assert views.ls("recent") == ["today", "week", "month"]
    assert views.ls("recent/today") == ["new.txt"]
    assert views.ls("recent/week") == ["new.txt", "week.txt"]
    assert views.ls("recent/month") == ["new.txt", "week.txt", "month.txt"]


def test_by_what_files_are(views: Views) -> None:
    views.put("a.pdf", "a", Facts("pdf", author="Ada/Lovelace"))
    views.put("d/a.pdf", "b", Facts("pdf", author="Ada Lovelace"))
    views.put("c.md", "c", Facts("markdown", author=".."))
    assert views.ls("by") == ["type", "author", "date"]
    assert views.ls("by/type") == ["markdown", "pdf"]
    assert sorted(views.ls("by/type/pdf")) == ["a (2).pdf", "a.pdf"]
    assert views.ls("by/author") == ["_..", "Ada Lovelace", "Ada∕Lovelace"]
    assert views.cat("by/author/Ada∕Lovelace/a.pdf") == "a"
    assert views.cat("by/author/_../c.md") == "c"
    assert len(views.ls("by/date")) == 1
    fails(errno.ENOENT, views.node, "by/type/code")
    fails(errno.EPERM, views.mkdir, "by/type/code")


# ---- versions/


def test_versions_by_when_they_ended(views: Views) -> None:
    views.put("docs/a.txt", "newest")
    taken = time.time_ns() // 10**6 * 10**6
    for n, text in enumerate((b"first", b"second", b"third")):
        views.objects.contents[f"d{n}"] = text
        when = taken + n if n else taken - DAY  # the last two in one millisecond
        assert views.store.add_version(
            b"docs/a.txt", f"d{n}", "raw", len(text), when - 10**9, when, "replaced"
        )
    views.store.add_version(b"gone/b.txt", "d0", "raw", 5, 0, taken, "removed")
    assert sorted(views.ls("versions")) == ["docs", "gone"]
    assert views.ls("versions/docs") == ["a.txt"]
    name, second = stamp(taken - DAY).decode(), stamp(taken).decode()
    assert re.fullmatch(r"@\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}", name)
    listed = views.ls("versions/docs/a.txt")
    assert listed[:2] == [name, second]
    assert len(listed) == 3
    assert [views.cat(f"versions/docs/a.txt/{one}") for one in listed] == ["first", "second", "third"]
    assert views.cat(f"versions/gone/b.txt/{second}") == "first"
    told = views.node(f"versions/docs/a.txt/{name}").attributes()
    assert (told.size, told.mtime_ns, told.mode & 0o777) == (5, taken - DAY - 10**9, 0o444)


def test_versions_are_read_only(views: Views) -> None:
    views.put("a.txt", "new")
    views.objects.contents["d"] = b"old"
    views.store.add_version(b"a.txt", "d", "raw", 3, 0, time.time_ns(), "replaced")
    views.store.add_version(b"a.txt", "lost", "raw", 3, 0, time.time_ns() + DAY, "replaced")
    old, lost = (f"versions/a.txt/{name}" for name in views.ls("versions/a.txt"))
    fails(errno.EROFS, views.node(old).open, os.O_RDWR, ME)
    fails(errno.EPERM, views.rm, old)
    fails(errno.EPERM, views.mv, old, "files/b.txt")
    fails(errno.EPERM, views.cp, "files/a.txt", "versions/b.txt")
    fails(errno.EIO, views.cat, lost)
    fails(errno.ENOENT, views.node, "versions/none.txt")
    fails(errno.ENOENT, views.node, "versions/a.txt/@yesterday")


# ---- .memex/ and what is known of a file


def test_status_and_help(views: Views) -> None:
    views.put("a.txt", "one", tags=("x",))
    text = views.cat(".memex/status")
    assert "files: 1 (" in text
    assert f"by process: {os.getpid()}\n" in text
    assert "rm tags/A/FILE" in views.cat(".memex/help")
    fails(errno.EPERM, views.node(".memex/status").open, os.O_WRONLY, ME)
    views.store.close()
    assert "files: " in views.cat(".memex/status")


def test_what_is_known_of_a_file(views: Views) -> None:
    views.put("a.md", "one", Facts("markdown", title="A title", summary="What it says"), tags=("x", "y"))
    node = views.node("files/a.md")
    names = {b"user.memex." + name for name in (b"id", b"state", b"kind", b"title", b"summary", b"tags")}
    assert set(node.listxattr()) == names
    assert node.getxattr(b"user.memex.tags") == b"x, y"
    assert node.getxattr(b"user.memex.title") == b"A title"
    fails(errno.ENODATA, node.getxattr, b"user.memex.problem")
    node.setxattr(b"user.memex.tags", b"z,  x,", 0, ME)
    assert node.getxattr(b"user.memex.tags") == b"x, z"
    node.removexattr(b"user.memex.tags", ME)
    fails(errno.ENODATA, node.getxattr, b"user.memex.tags")
    fails(errno.EPERM, node.setxattr, b"user.memex.title", b"mine", 0, ME)
    fails(errno.EINVAL, node.setxattr, b"user.memex.tags", b".x", 0, ME)
    fails(errno.EINVAL, node.setxattr, b"user.memex.tags", b"\xff", 0, ME)


def test_the_score_is_that_of_the_last_answer(views: Views, asked: Asked) -> None:
    views.ls("search/a refund please")
    assert views.node("files/policy/returns.md").getxattr(b"user.memex.score") == b"1.0000 a refund please"


def test_a_file_that_is_not_known_has_no_attributes_and_can_be_tagged(views: Views) -> None:
    (views.tree / "a").touch()
    describer = StoreDescriber(views.store, views.scene.scores)
    assert describer.get(b"a") == {}
    describer.set(b"a", b"user.memex.tags", b"x")
    assert describer.get(b"a")[b"user.memex.tags"] == b"x"


@given(st.lists(st.text(min_size=1, max_size=20).map(str.strip).filter(lambda t: t and "\n" not in t)))
def test_tags_come_back_as_they_were_joined(tags: list[str]) -> None:
    assert split(joined(tags)) == tags

"""Any sequence of commands in the views: no content is ever lost, tags are what a simple model says, and what
is listed is there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.memex_views import Views

TAGS = st.sampled_from(["x", "y", "z"])
FOLDERS = st.sampled_from([("x", "y"), ("x",), ("y",), ("y", "x"), ("z",), ("z", "x")])
PICK = st.integers(0, 9)


class Commands(RuleBasedStateMachine):
    """`files` has the tags of each content, which no two files share; by content, because names change."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.views = Views(Path(self.folder.name) / "memex")
        self.files: dict[str, set[str]] = {}
        self.made: set[str] = set()
        for tag in ("x", "y"):
            self.mkdir(tag)
        for number, folder in enumerate(["", "d/", "e/", "d/"]):
            self.put(number, folder)
        self.give(("x", "y"), 0, "ln")

    def teardown(self) -> None:
        self.views.close()
        self.folder.cleanup()

    def listed(self, tags: tuple[str, ...], pick: int) -> tuple[str, str] | None:
        """One of the names in the folder of these tags, and what is in that file."""
        path = "tags/" + "/".join(tags)
        if not set(tags) <= self.made:
            return None
        names = self.views.ls(path)
        if not names:
            return None
        name = names[pick % len(names)]
        return f"{path}/{name}", self.views.cat(f"{path}/{name}")

    @rule(pick=PICK, folder=st.sampled_from(["", "d/", "e/"]))
    def put(self, pick: int, folder: str) -> None:
        text = f"content {len(self.files)}"
        path = f"{folder}{pick % 3}.txt"
        if not (self.views.tree / path).exists():
            self.views.put(path, text)
            self.files[text] = set()

    @rule(tag=TAGS)
    def mkdir(self, tag: str) -> None:
        if tag not in self.made:
            self.views.mkdir(f"tags/{tag}")
            self.made.add(tag)

    @rule(tags=FOLDERS, pick=PICK, how=st.sampled_from(["ln", "mv", "cp"]))
    def give(self, tags: tuple[str, ...], pick: int, how: str) -> None:
        real = sorted(self.views.real())
        if not real or not set(tags) <= self.made:
            return
        path = real[pick % len(real)]
        text = self.views.cat(f"files/{path}")
        target = f"tags/{'/'.join(tags)}/{path.rpartition('/')[2]}"
        if how == "cp":
            if target.rpartition("/")[2] in self.views.ls(target.rpartition("/")[0]):
                return  # cp writes into the file that is there, as everywhere
            self.views.cp(f"files/{path}", target)
        else:
            (self.views.ln if how == "ln" else self.views.mv)(f"files/{path}", target)
        self.files[text] |= set(tags)

    @rule(tags=FOLDERS, pick=PICK)
    def take(self, tags: tuple[str, ...], pick: int) -> None:
        found = self.listed(tags, pick)
        if found is not None:
            self.views.rm(found[0])
            self.files[found[1]].discard(tags[-1])

    @rule(tags=FOLDERS, to=FOLDERS, pick=PICK)
    def move(self, tags: tuple[str, ...], to: tuple[str, ...], pick: int) -> None:
        found = self.listed(tags, pick)
        if found is None or not set(to) <= self.made or tags == to:
            return
        self.views.mv(found[0], f"tags/{'/'.join(to)}/{found[0].rpartition('/')[2]}")
        self.files[found[1]] |= set(to)
        if tags[-1] not in to:
            self.files[found[1]].discard(tags[-1])

    @rule(tags=FOLDERS, pick=PICK, number=PICK)
    def rename(self, tags: tuple[str, ...], pick: int, number: int) -> None:
        found = self.listed(tags, pick)
        if found is not None:
            taken = {path.rpartition("/")[2] for path in self.views.real()}
            name = f"new {number}.txt"
            if name not in taken:
                self.views.mv(found[0], f"tags/{'/'.join(tags)}/{name}")

    @rule(tag=TAGS)
    def rm_r(self, tag: str) -> None:
        if tag in self.made:
            self.views.rm_r(f"tags/{tag}")
            self.made.discard(tag)
            for tags in self.files.values():
                tags.discard(tag)

    @invariant()
    def nothing_is_lost_and_tags_are_right(self) -> None:
        assert sorted(text.decode() for text in self.views.real().values()) == sorted(self.files)
        assert set(self.views.ls("tags")) == self.made
        for tag in self.made:
            names = self.views.ls(f"tags/{tag}")
            shown = {self.views.cat(f"tags/{tag}/{name}") for name in names}
            assert shown == {text for text, tags in self.files.items() if tag in tags}
            assert len(shown) == len(names)


TestCommands = Commands.TestCase
TestCommands.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)

"""Names of files among documents: there and back for all bytes."""

from __future__ import annotations

from pathlib import PurePath

from hypothesis import example, given
from hypothesis import strategies as st

from nexus.memexfs import naming

part = st.binary(min_size=1, max_size=20).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))
paths = st.lists(part | st.text(st.characters(codec="utf-8"), min_size=1).map(
    lambda text: text.encode().replace(b"/", b"_")
), max_size=4).map(b"/".join)  # fmt: skip


@given(paths)
@example(b"")
@example("\ufffd\ufffdff".encode())
@example(b"\xff\xef\xbf\xbd\xfe")
@example("\ufffdab".encode() + b"\xab")
def test_there_and_back(path):
    document = naming.document(path)
    document.encode("utf-8")
    assert document.startswith(naming.SCHEME)
    assert naming.file(document) == path


@given(st.text())
def test_what_is_no_file_of_ours_is_none(text):
    if not text.startswith(naming.SCHEME):
        assert naming.file(text) is None


def test_a_file_lies_below_its_folder():
    assert naming.SCHEME in map(str, PurePath(naming.document(b"a/b.md")).parents)

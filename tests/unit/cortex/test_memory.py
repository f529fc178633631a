"""The memory store: files are the truth, whole or not there."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.cortex.memory import Memory, MemoryStore, domain_of, keywords, parse, render


@pytest.fixture
def store(tmp_path):
    return MemoryStore(tmp_path)


def test_what_is_added_is_read_back_from_its_file(store):
    memory = store.add("staging Postgres listens on port 6543", context="said in a review")
    again = MemoryStore(store.folder).get(memory.id)
    assert again == memory
    assert again.domain == "DB"
    assert "6543" in again.keywords


def test_ids_follow_the_schema_and_never_collide(store):
    made = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(store.add(f"fact number {n}"))) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {m.id for m in made}
    assert len(names) == 20
    assert sorted(n.split("-")[4] for n in names) == [f"{n:03d}" for n in range(1, 21)]


def test_update_keeps_what_is_not_named(store):
    old = store.add("the API runs on port 80", context="first")
    new = store.update(old.id, learning="the API runs on port 81")
    assert (new.id, new.context, new.created) == (old.id, "first", old.created)
    assert store.get(old.id).learning == "the API runs on port 81"


def test_notes_below_the_front_matter_survive_a_change(store):
    memory = store.add("the API runs on port 80")
    path = store.path(memory.id)
    path.write_text(path.read_text() + "\nAsked Ana; --- she agreed.\n---\nmore\n")
    store.update(memory.id, learning="the API runs on port 81")
    assert path.read_text().endswith("---\n\nAsked Ana; --- she agreed.\n---\nmore\n")
    assert store.get(memory.id).learning == "the API runs on port 81"


def test_removed_is_gone_and_says_so(store):
    memory = store.add("x is y")
    store.remove(memory.id)
    with pytest.raises(NotFoundError, match=memory.id):
        store.get(memory.id)
    with pytest.raises(NotFoundError):
        store.remove(memory.id)


@pytest.mark.parametrize("bad", ["../../etc/passwd", "MEM-../x", "x", "MEM-a/b", ""])
def test_an_id_cannot_leave_the_folder(store, bad):
    with pytest.raises(InvalidInputError, match="not a memory id"):
        store.get(bad)


@pytest.mark.parametrize("bad", ["", "  \n ", "x" * 4001, "a\ud800b"])
def test_unusable_text_is_refused(store, bad):
    with pytest.raises(InvalidInputError):
        store.add(bad)
    assert list(store.files()) == []


HEAD = "id: MEM-2026-01-01-001-aaaaaaaa\n"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no front matter"),
        (b"just text", "no front matter"),
        (b"---\n: : :\n---\n", "YAML|learning|id"),
        (b"---\n- a\n---\n", "not a table"),
        (f"---\n{HEAD}---\n".encode(), "learning is missing"),
        (b"---\nid: MEM-other\nlearning: x\n---\n", "file name says"),
        (f"---\n{HEAD}learning: x\ntype: wild\n---\n".encode(), "type is 'wild'"),
        (f"---\n{HEAD}learning: x\nkeywords: y\n---\n".encode(), "keywords is not a list"),
        (b"---\na: &a [1]\nb: *a\n---\n", "alias"),
        (b"---\n!!python/object/apply:os.system [id]\n---\n", "YAML"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"---\n" + b"x" * 300_000, "larger than"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(tmp_path, content, complaint):
    path = tmp_path / "MEM-2026-01-01-001-aaaaaaaa.md"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=complaint) as caught:
        parse(path)
    assert str(path) in str(caught.value)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300).filter(
    lambda text: text.strip()
)


@given(learning=TEXT, context=st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
def test_every_text_survives_the_file(tmp_path_factory, learning, context):
    folder = tmp_path_factory.mktemp("memories")
    memory = MemoryStore(folder).add(learning, context=context)
    assert parse(folder / f"{memory.id}.md") == memory


@given(st.binary(max_size=400))
def test_no_bytes_make_the_parser_fail_otherwise(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("m") / "MEM-2026-01-01-001-aaaaaaaa.md"
    path.write_bytes(b"---\n" + data + b"\n---\n")
    with contextlib.suppress(InvalidInputError):
        parse(path)


def test_a_file_edited_by_a_person_is_read(tmp_path):
    memory = Memory(id="MEM-2026-01-01-001-aaaaaaaa", learning="a", keywords=("k",))
    text = render(memory).replace("learning: a", "learning: b").replace("\n", "\r\n")
    path = tmp_path / f"{memory.id}.md"
    path.write_bytes(("\ufeff" + text + "\r\nnotes below\r\n").encode())
    assert parse(path) == replace(memory, learning="b")


def test_keywords_and_domains():
    assert keywords("Always run pytest -x to stop at the first failing test")[:3] == ["run", "pytest", "stop"]
    assert domain_of(["jwt", "key"]) == "AUTH"
    assert domain_of(["lunch"]) == "GENERAL"

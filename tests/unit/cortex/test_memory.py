"""The memory store: files are the truth, whole or not there."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core import clock
from nexus.core.errors import BusyError, InvalidInputError, NotFoundError
from nexus.cortex import memory as memory_store
from nexus.cortex import memory_file
from nexus.cortex.memory import Memory, MemoryStore, domain_of, keywords, parse, render, seconds


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


ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
AWKWARD = st.sampled_from(
    ["שלום port 80", "مرحبا", "\U0001f469\u200d\U0001f467\U0001f1e9\U0001f1ea", "a\r\nb", "\ufeffx", "a\x85b",
     "a\u2028b\u2029c", "---\n---", "é e\u0301", "yes", "1.10", "0x1F", "2026-01-01", "null", "~", "=", "<<",
     "a: b", "# c", "- d", "'", '"', "\\", "\t x", "%YAML", "!!str", "&a", "*a", "@x", "`", "?", "\x00\x1b",
     "\U0010ffff"]
)  # fmt: skip


@given(learning=TEXT | AWKWARD, context=ANY | AWKWARD, words=ANY | AWKWARD, session=ANY, source=AWKWARD)
def test_every_text_survives_the_file(tmp_path_factory, learning, context, words, session, source):
    store = MemoryStore(tmp_path_factory.mktemp("memories"))
    memory = store.add(learning, context=context, words=words, session=session, source=source)
    assert store.get(memory.id) == memory
    assert store.update(memory.id, verified=False).words == words
    assert store.get(memory.id) == replace(memory, verified=False, updated=store.get(memory.id).updated)


@given(
    extra=st.dictionaries(
        ANY.map(lambda t: f"x{t}"), ANY | st.integers(0, 10**15) | st.booleans() | st.none()
    )
)
def test_keys_of_others_survive_a_change(tmp_path_factory, extra):
    store = MemoryStore(tmp_path_factory.mktemp("memories"))
    memory = store.add("the API runs on port 80")
    path = store.path(memory.id)
    path.write_text(render(memory, memory_file.Remainder(extra, "notes\r\n")), newline="")
    store.update(memory.id, learning="the API runs on port 81")
    assert memory_file.remainder(path) == memory_file.Remainder(extra, "notes\r\n")


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


def test_a_file_of_the_first_version_is_read(tmp_path):
    path = tmp_path / "MEM-2026-11-20-001-24af02a8.md"
    path.write_text(
        "---\nid: MEM-2026-11-20-001-24af02a8\nlearning: staging Postgres listens on port 6543\n"
        "type: factual\ndomain: DB\nconfidence: high\nkeywords:\n- staging\n- '6543'\ncontext: ''\n"
        "verified: true\ncreated: '2026-11-20T06:05:11Z'\nupdated: '2026-11-20T06:05:11Z'\nproject: ''\n"
        "source: user\n---\n"
    )
    memory = parse(path)
    assert memory.verified
    assert memory.valid_at(datetime.now(UTC))
    assert (memory.supersedes, memory.valid_from, memory.valid_to, memory.words) == ((), "", "", "")


EDITS = """
import sys
from pathlib import Path
from nexus.cortex.memory import MemoryStore
folder, memory_id, name, count = sys.argv[1:]
store = MemoryStore(Path(folder))
for number in range(int(count)):
    memory = store.get(memory_id)
    assert getattr(memory, name) == (str(number - 1) if number else ""), (name, number, memory)
    store.update(memory_id, **{name: str(number)})
"""


def test_two_processes_lose_no_change_of_one_memory(store):
    memory = store.add("the API runs on port 80")
    workers = [
        subprocess.Popen([sys.executable, "-c", EDITS, str(store.folder), memory.id, name, "200"])
        for name in ("context", "words")
    ]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    after = store.get(memory.id)
    assert (after.context, after.words) == ("199", "199")
    assert list(store.folder.glob(".*")) == []


ADDS = """
import sys
from pathlib import Path
from nexus.cortex.memory import MemoryStore
for number in range(50):
    MemoryStore(Path(sys.argv[1])).add(f"{sys.argv[2]} {number}")
"""


def test_two_processes_give_different_numbers(store):
    workers = [
        subprocess.Popen([sys.executable, "-c", ADDS, str(store.folder), name]) for name in ("one", "two")
    ]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    numbers = sorted(path.stem.split("-")[4] for path in store.files())
    assert numbers == [f"{n:03d}" for n in range(1, 101)]


def test_a_folder_that_stays_locked_is_reported(store, monkeypatch):
    monkeypatch.setattr(memory_store, "_LOCK_SECONDS", 0.05)
    with store._alone(), pytest.raises(BusyError, match="another process"):
        MemoryStore(store.folder).add("x is y")


def test_memories_of_two_machines_lie_side_by_side(store):
    here = store.add("made here")
    there = Memory(id=f"{here.id[:-8]}ffffffff", learning="made there")
    store.put(there.id, render(there).encode())
    assert {parse(path).learning for path in store.files()} == {"made here", "made there"}
    assert store.add("third").id.split("-")[4] == "002"
    with pytest.raises(InvalidInputError, match="exists already"):
        store.put(there.id, render(there).encode())


def test_a_clock_that_goes_back_reorders_nothing(store, monkeypatch):
    first = store.add("made before")
    monkeypatch.setattr(clock, "now", lambda: datetime(2020, 1, 1, tzinfo=UTC))
    assert store.update(first.id, context="x").updated >= first.created
    made = {store.add(f"made after {n}").id for n in range(20)}
    assert len(made) == 20
    assert first.id not in made


def test_a_number_is_not_given_again_after_a_removal(store):
    first, second = store.add("one"), store.add("two")
    store.remove(first.id)
    assert store.add("three").id.split("-")[4] == "003"
    assert store.get(second.id).learning == "two"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"valid_from": "soon"}, "not a time"),
        ({"valid_from": "2026-02-01", "valid_to": "2026-01-01"}, "before it begins"),
        ({"colour": "red"}, "no field colour"),
        ({"id": "MEM-x"}, "no field id"),
        ({"context": "x" * 300_000}, "larger than"),
        ({"domain": "LUNCH"}, "LUNCH"),
        ({"words": "a\ud800b"}, "surrogate|YAML"),
    ],
)
def test_a_field_that_cannot_be_kept_is_refused(store, fields, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        store.add("x is y", **fields)
    memory = store.add("x is y")
    with pytest.raises(InvalidInputError, match=complaint):
        store.update(memory.id, **fields)
    assert store.get(memory.id) == memory


def test_validity_is_from_and_until(store):
    memory = store.add("the freeze is on", valid_from="2026-01-01", valid_to="2026-02-01T12:00:00+02:00")
    assert (memory.valid_from, memory.valid_to) == ("2026-01-01T00:00:00Z", "2026-02-01T10:00:00Z")
    days = {day: memory.valid_at(datetime(2026, *day, tzinfo=UTC)) for day in ((1, 1), (1, 31), (2, 2))}
    assert days == {(1, 1): True, (1, 31): True, (2, 2): False}
    assert not memory.valid_at(datetime(2025, 12, 31, tzinfo=UTC))
    assert seconds("1970-01-02", 7) == 86400
    assert seconds("", 7) == 7


def test_what_a_killed_writer_left_is_swept(store):
    memory = store.add("x is y")
    (store.folder / f".{memory.id}.md.0123abcd.tmp").write_text("half")
    store.sweep()
    assert [path.name for path in store.folder.iterdir()] == [f"{memory.id}.md"]


def test_a_file_that_was_written_to_by_hand_is_read_anew_and_a_forgotten_one_is_kept_nowhere(store):
    memory_id = store.add("the port is 6543").id
    path = store.path(memory_id)
    path.write_text(path.read_text().replace("6543", "6544"))
    assert store.get(memory_id).learning == store.get(memory_id).learning == "the port is 6544"
    store.remove(memory_id)
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Memory) and each.id == memory_id]

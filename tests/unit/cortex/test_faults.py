"""What breaks under Cortex is noticed and repaired, or named; what was acknowledged is never lost."""

from __future__ import annotations

import random
import shutil
import sqlite3
import threading
from datetime import timedelta

import pytest

from nexus.core import clock, room
from nexus.core.errors import AlreadyRunningError, NotFoundError, StorageError
from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder

QUESTIONS = (
    "which port is the queue on?",
    "how are parameters declared",
    "proxy TLS",
    "room of zebra7",
    "\u05e9",
)


@pytest.fixture(scope="module")
def embedder(embedder_folder):
    return OnnxEmbedder("all-minilm-l6-v2", embedder_folder)


@pytest.fixture(scope="module")
def prepared(embedder, tmp_path_factory):
    """A folder with a home of forty documents and five memories, closed, and the documents; a copy of it."""
    folder = tmp_path_factory.mktemp("faults") / "used"
    docs, home = folder / "docs", Home(folder / "home")
    docs.mkdir(parents=True)
    home.create()
    for n in range(40):
        text = f"# Part {n}\n\nzebra{n} lives in room {n}; its parameters are declared in block {n * 7}.\n"
        (docs / f"part{n}.md").write_text(text)
    with Cortex(home, CortexSettings(), embedder) as cortex:
        cortex.add([docs])
        for n in range(5):
            cortex.remember(f"the queue of stage {n} listens on port {7000 + n}")
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    return folder, copy


@pytest.fixture
def filled(prepared):
    """The home and its documents as they were made, for each test at the same place: paths are absolute."""
    folder, copy = prepared
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    return Home(folder / "home"), folder / "docs"


def answers(cortex):
    """Results with their scores, all that a user sees."""
    found = []
    for question in QUESTIONS:
        results = cortex.recall(question, 10)
        found.append([(r.chunk.point, r.scores.cosine, r.scores.words, r.scores.late) for r in results])
    return found


def opened(home, embedder, **settings):
    return Cortex(home, CortexSettings(**settings), embedder)


def cut_in_half(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def scribble(path):
    draw = random.Random(path.name)
    data = bytearray(path.read_bytes())
    for _ in range(min(max(1, len(data) // 50), 20_000)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", ["gone", "empty", "log cut", "label lost", "all scribbled"])
def test_a_damaged_index_is_built_again_with_the_same_answers(filled, embedder, damage):
    home, _ = filled
    with opened(home, embedder) as cortex:
        before = answers(cortex)
    if damage == "gone":
        shutil.rmtree(home.shard)
    elif damage == "empty":
        shutil.rmtree(home.shard)
        home.shard.mkdir()
    elif damage == "label lost":
        (home.shard / "nexus.json").unlink()
    else:
        files = [
            p for p in home.shard.rglob("*") if p.is_file() and p.stat().st_size and p.name != "nexus.json"
        ]
        for path in files:
            if damage == "all scribbled":
                scribble(path)
            elif "wal" in str(path.relative_to(home.shard)):
                cut_in_half(path)
    with opened(home, embedder) as cortex:
        assert cortex.verify().sound
        assert answers(cortex) == before


def test_a_rebuilt_index_answers_the_same(filled, embedder):
    home, _ = filled
    with opened(home, embedder) as cortex:
        before = answers(cortex)
        assert cortex.rebuild() == cortex.counts()["chunks"]
        assert answers(cortex) == before
        assert cortex.verify().sound


def test_both_indexes_give_the_same_answers(filled, embedder):
    home, _ = filled
    with opened(home, embedder) as cortex:
        one = answers(cortex)
    with opened(home, embedder, index="exact") as cortex:
        other = answers(cortex)
    for some, same in zip(one, other, strict=True):
        assert [point for point, *_ in some] == [point for point, *_ in same]
        for (_, *left), (_, *right) in zip(some, same, strict=True):
            assert left == pytest.approx(right, abs=2e-3)


@pytest.mark.parametrize("damage", [cut_in_half, scribble, lambda path: path.unlink()])
def test_a_damaged_cache_costs_time_and_nothing_else(filled, embedder, damage):
    home, _ = filled
    damage(home.cache / "embeddings.db")
    shutil.rmtree(home.shard)
    with opened(home, embedder) as cortex:
        assert cortex.verify().sound
        assert "zebra7 " in cortex.recall("who lives in room 7?", 1)[0].chunk.text
        assert "7003" in cortex.recall("port of the queue of stage 3", 1)[0].chunk.text


def test_a_lost_ledger_loses_no_memory_and_no_file(filled, embedder):
    home, docs = filled
    for path in (home.store, *home.store.parent.glob("store.db-*")):
        path.unlink(missing_ok=True)
    with opened(home, embedder) as cortex:
        assert len(cortex.memories()) == 5
        assert "7003" in cortex.recall("port of the queue of stage 3", 1)[0].chunk.text
        assert cortex.add([docs]).counts == {"added": 40}
        assert cortex.verify().sound


def test_a_damaged_ledger_is_named_and_left_alone(filled, embedder):
    home, _ = filled
    home.store.write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageError, match=r"store\.db") as caught:
        opened(home, embedder)
    assert "move" in caught.value.hint
    assert home.store.read_bytes().startswith(b"not a database")


@pytest.mark.slow
def test_a_locked_ledger_is_named_and_the_change_is_whole_or_not_there(filled, embedder):
    home, _ = filled
    with opened(home, embedder) as cortex:
        other = sqlite3.connect(home.store, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked") as caught:
            cortex.forget_documents(next(iter(cortex.roots())) and home.root / "x")
        assert "another process" in caught.value.hint
        assert cortex.recall("zebra7")
        other.execute("ROLLBACK")
        other.close()
        assert cortex.verify().sound


def test_one_home_has_one_owner(filled, embedder):
    home, _ = filled
    with opened(home, embedder), pytest.raises(AlreadyRunningError):
        opened(home, embedder)


def test_another_model_embeds_everything_again_and_never_mixes(filled, embedder, embedder_folder):
    home, _ = filled
    other = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    other.model_id = "another-model"
    with Cortex(home, CortexSettings(), other, repair=False) as cortex:
        # Nothing of the old model is left; words are found while the vectors are made.
        assert cortex.indexed() == 0
        steps = []

        def stop_early(done, total):
            steps.append((done, total))
            return len(steps) < 1

        cortex.repair(stop_early)
        assert steps[0][1] == cortex.counts()["chunks"]
        assert "zebra7" in cortex.recall("zebra7", 1)[0].chunk.text
    with Cortex(home, CortexSettings(), other) as cortex:
        assert cortex.verify().sound
        assert "7003" in cortex.recall("port of the queue of stage 3", 1)[0].chunk.text


def test_a_clock_that_goes_backwards_breaks_nothing(filled, embedder, monkeypatch):
    home, docs = filled
    then = clock.now() - timedelta(days=400)
    monkeypatch.setattr(clock, "now", lambda: then)
    with opened(home, embedder) as cortex:
        first = cortex.remember("the depot closes at nine in the evening")
        second = cortex.remember("the depot opens at six in the morning")
        assert first.id != second.id
        (docs / "part1.md").write_text("# Part 1\n\nokapi1 has moved in.\n")
        assert cortex.add([docs]).counts == {"unchanged": 39, "updated": 1}
        assert "okapi1" in cortex.recall("okapi1", 1)[0].chunk.text
        edited = cortex.edit(first.id, learning="the depot closes at ten in the evening")
        assert edited.updated >= edited.created
        assert all(0 <= r.scores.recency <= 0.03 for r in cortex.recall("queue port", 10))


def test_sixteen_clients_search_while_files_come_and_go(filled, embedder):
    home, docs = filled
    errors: list[Exception] = []
    stop = threading.Event()

    def search(number):
        try:
            while not stop.is_set():
                for result in cortex.recall(QUESTIONS[number % len(QUESTIONS)], 5):
                    assert result.chunk.text
        except Exception as error:
            errors.append(error)

    def change(number):
        try:
            for turn in range(6):
                path = docs / f"part{number}.md"
                path.write_text(f"# Part {number}\n\nzebra{number} turn {turn}.\n")
                cortex.add([path])
                memory = cortex.remember(f"lantern {number} of turn {turn} hangs at gate {turn * 13}")
                cortex.forget(memory.id)
                try:
                    cortex.forget_documents(path)
                except NotFoundError:
                    errors.append(AssertionError(f"{path} was not there"))
        except Exception as error:
            errors.append(error)

    with opened(home, embedder) as cortex:
        searchers = [threading.Thread(target=search, args=(n,)) for n in range(12)]
        changers = [threading.Thread(target=change, args=(n,)) for n in range(4)]
        for thread in (*searchers, *changers):
            thread.start()
        for thread in changers:
            thread.join()
        stop.set()
        for thread in searchers:
            thread.join()
        assert errors == []
        assert cortex.verify().sound
        assert len(cortex.memories()) == 5


def test_a_disk_with_little_room_refuses_what_is_new_before_anything_is_changed(
    filled, embedder, monkeypatch, tmp_path
):
    home, _ = filled
    late = tmp_path / "late.md"
    late.write_text("# Late\n\nokapi2 lives in room nine.\n")
    with opened(home, embedder) as cortex:
        before, memories, counts = answers(cortex), cortex.memories(), cortex.counts()
        with monkeypatch.context() as patch:
            patch.setattr(room, "KEPT_BYTES", 2**62)
            for change in (
                lambda: cortex.remember("the queue of stage 9 listens on port 7009"),
                lambda: cortex.edit(memories[0].id, learning="the queue has moved"),
                lambda: cortex.forget(memories[0].id),
                lambda: cortex.add([late]),
            ):
                with pytest.raises(StorageError, match="no space left on the disk of"):
                    change()
            assert answers(cortex) == before
        assert (cortex.memories(), cortex.counts()) == (memories, counts)
        assert cortex.verify().sound
        cortex.add([late])
        assert "okapi2" in cortex.recall("okapi2", 1)[0].chunk.text

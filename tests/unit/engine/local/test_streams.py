"""Streams on a real store: what is found again, what is given back, and what a bad block costs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from nexus._engine import DamagedPageError, EngineNativeError, FormatError
from nexus.core.errors import StorageError
from nexus.engine.local.stream import Stream
from nexus.engine.local.streams import CrowdedError
from tests.unit.engine.local.tiny_engine import TinyEngine, prompt


def logits(engine: TinyEngine, stream: Stream, token: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(engine.model.step([(stream.context, [token], 1)])[0])


def test_a_kept_stream_is_continued_whole(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    first = engine.kept_stream(prompt(300))
    longer = np.concatenate([prompt(300), prompt(50, seed=1)])
    stream, had = engine.streams.open(longer)
    assert stream is first
    assert had == 300 == stream.context.tokens


def test_all_of_a_prompt_but_its_last_token_can_be_known(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    engine.kept_stream(prompt(300))
    _, had = engine.streams.open(prompt(300))
    assert had == 299


@pytest.mark.parametrize(("common", "found"), [(290, 290), (256, 256), (255, 128), (130, 128), (100, 0)])
def test_a_stream_is_cut_within_its_tail_or_at_a_block(tmp_path: Path, common: int, found: int) -> None:
    engine = TinyEngine(tmp_path)
    engine.kept_stream(prompt(300))
    other = np.concatenate([prompt(common), 100 - prompt(301)[common:]])
    stream, had = engine.streams.open(other)
    assert had == found == len(stream.tokens) == stream.context.tokens
    assert list(stream.tokens) == other[:found].tolist()
    # What follows is what it would be after reading everything anew.
    (tmp_path / "fresh").mkdir()
    fresh = TinyEngine(tmp_path / "fresh")
    expected = logits(fresh, fresh.read(other[: found + 1])[0], 5)
    if found < len(other):
        engine.model.step([(stream.context, [int(other[found])], 0)])
    np.testing.assert_allclose(logits(engine, stream, 5), expected, atol=1e-3)


def test_an_idle_stream_is_left_whole_where_the_disk_gives_as_much(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    first = engine.kept_stream(prompt(300))
    other = np.concatenate([prompt(256), prompt(60, seed=2)])
    stream, had = engine.streams.open(other)
    assert had == 256
    assert stream is not first
    assert engine.streams.open(np.concatenate([prompt(300), prompt(9)]))[0] is first


def test_blocks_are_found_after_a_new_start(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    stream = engine.kept_stream(prompt(300))
    expected = logits(engine, stream, 5)
    again = engine.restarted()
    stream, had = again.read(prompt(300))
    assert had == 256
    np.testing.assert_allclose(logits(again, stream, 5), expected, atol=1e-3)
    assert again.blocks == 2


def test_what_was_not_named_before_the_end_leaves_its_slot_free(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    engine.read(prompt(300))
    assert engine.blocks == 2
    again = engine.restarted()
    assert again.blocks == 0
    assert again.read(prompt(300))[1] == 0


def test_long_streams_are_named_on_the_way(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    stream, _ = engine.read(prompt(128 * 20))
    assert len(stream.blocks) >= 16
    assert engine.names.summary()["blocks"] == len(stream.blocks)


def test_two_streams_of_equal_tokens_end_with_one_copy_on_the_disk(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, kept=1)
    first, _ = engine.read(prompt(300))
    second, _ = engine.read(prompt(300))
    assert engine.blocks == 4
    engine.streams.keep(first)
    engine.streams.keep(second)
    engine.kept_stream(prompt(10, seed=9))
    assert engine.blocks == 2 == engine.names.summary()["blocks"]


def test_no_more_idle_streams_are_kept_than_asked_for(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, kept=2)
    for seed in range(5):
        engine.kept_stream(prompt(40, seed))
    assert engine.streams.summary()["idle"] == 2
    assert engine.streams.open(prompt(40, 4))[1] == 39
    assert engine.streams.open(prompt(40, 0))[1] == 0


def test_idle_streams_give_way_where_ram_is_short(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, kept=50)
    engine.streams.keep(engine.streams.open(prompt(2))[0])
    each = engine.read(prompt(300))[0].context.ram_bytes
    for seed in range(1, 50):
        engine.kept_stream(prompt(300, seed))
    idle = engine.streams.summary()["idle"]
    assert 1 < idle <= (4 << 20) // 4 // each + 1


def test_more_open_streams_than_ram_allows_have_to_wait(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, ram=1 << 20, kept=0)
    opened: list[Stream] = []

    def open_many() -> None:
        for seed in range(1000):
            opened.append(engine.streams.open(prompt(20, seed))[0])

    with pytest.raises(CrowdedError):
        open_many()
    assert 1 < len(opened) < 100
    engine.streams.keep(opened.pop())
    engine.streams.open(prompt(20, 1001))


def test_room_is_made_by_forgetting_the_longest_unused(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, capacity=8, kept=1)
    engine.kept_stream(prompt(400, 1))
    engine.kept_stream(prompt(400, 2))
    stream, _ = engine.streams.open(prompt(500, 3))
    engine.streams.promise(stream, 500)
    engine.streams.drop(stream)
    assert len(engine.names.match(prompt(400, 2))) == 3
    assert len(engine.names.match(prompt(400, 1))) < 3


def test_what_is_stored_already_needs_no_room(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, capacity=8, kept=1)
    engine.kept_stream(prompt(900))
    engine.kept_stream(prompt(10, 1))
    stream, had = engine.streams.open(prompt(1020))
    engine.streams.promise(stream, 1023)
    assert had == 896
    assert engine.names.summary()["blocks"] == 7


def test_what_was_promised_to_one_is_not_given_to_another(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, capacity=8)
    first, _ = engine.streams.open(prompt(10, 1))
    engine.streams.promise(first, 5 * 128)
    second, _ = engine.streams.open(prompt(10, 2))
    with pytest.raises(CrowdedError):
        engine.streams.promise(second, 4 * 128)
    engine.streams.keep(first)
    engine.streams.promise(second, 4 * 128)


def test_a_conversation_that_never_fits_is_refused_with_the_remedy(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path, capacity=8)
    stream, _ = engine.streams.open(prompt(10))
    with pytest.raises(StorageError, match=r"has 8 blocks .* needs 9.*engine\.disk_gib"):
        engine.streams.promise(stream, 9 * 128)


def test_a_damaged_block_is_computed_again_from_there(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    stream = engine.kept_stream(prompt(600))
    expected = logits(engine, stream, 5)
    slot = stream.blocks[2].slot
    engine.flip(slot)
    again = engine.restarted()
    stream, had = again.streams.open(prompt(600))
    assert had == 512
    with pytest.raises(DamagedPageError) as caught:
        again.model.step([(stream.context, prompt(600)[512:].tolist(), 1)])
    again.streams.mend(stream)
    assert again.streams.forget_damaged(caught.value.slot)
    assert len(stream.tokens) == 256 == stream.context.tokens
    assert again.blocks == 2
    again.streams.keep(stream)
    stream, had = again.read(prompt(600))
    assert had == 256
    np.testing.assert_allclose(logits(again, stream, 5), expected, atol=1e-3)
    assert again.streams.forget_damaged(77) is False


def test_a_block_with_a_damaged_head_is_not_adopted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = TinyEngine(tmp_path)
    engine.flip(engine.kept_stream(prompt(600)).blocks[1].slot, head=True)
    again = engine.restarted()
    stream, had = again.read(prompt(600))
    assert had == 128
    assert "computed again" in caplog.text
    again.streams.keep(stream)
    assert again.names.summary()["blocks"] == 4 == again.blocks


def test_damage_of_an_idle_stream_closes_it(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    stream = engine.kept_stream(prompt(300))
    assert engine.streams.forget_damaged(stream.blocks[1].slot) is False
    assert engine.blocks == 1
    assert engine.streams.open(prompt(300))[1] == 128


def test_names_without_blocks_are_forgotten_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = TinyEngine(tmp_path)
    engine.kept_stream(prompt(600))
    folder = engine.killed()
    os.truncate(folder / "blocks", 8192)
    again = TinyEngine(folder)
    assert again.names.summary()["blocks"] == 0 == again.blocks
    assert "4 stored blocks have no place" in caplog.text
    assert again.read(prompt(600))[1] == 0


def test_a_step_that_failed_leaves_the_stream_as_it_was(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    stream, _ = engine.read(prompt(200))
    other, _ = engine.read(prompt(20, 1))
    with pytest.raises(EngineNativeError):
        engine.model.step([(stream.context, prompt(100, 2).tolist(), 1), (other.context, [9999], 1)])
    for each in (stream, other):
        engine.streams.mend(each)
    assert [len(stream.tokens), len(other.tokens)] == [200, 20]
    again, _ = engine.read(prompt(200))
    np.testing.assert_allclose(logits(engine, stream, 5), logits(engine, again, 5), atol=1e-3)


def test_dropping_gives_back_what_has_no_name(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    engine.kept_stream(prompt(300))
    stream, _ = engine.read(np.concatenate([prompt(300), prompt(400, 1)]))
    assert engine.blocks == 5
    engine.streams.drop(stream)
    assert engine.blocks == 2
    assert engine.streams.summary()["open"] == 0


def test_clearing_leaves_what_open_streams_need(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    engine.kept_stream(prompt(300, 1))
    engine.kept_stream(prompt(300))
    stream, had = engine.streams.open(np.concatenate([prompt(300), prompt(9)]))
    assert had == 300
    assert engine.streams.clear()["blocks"] == 2
    assert [block.slot for block in engine.names.match(prompt(300))] == stream.slots
    assert engine.streams.summary()["idle"] == 0


def test_closing_names_what_is_full(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    engine.read(prompt(300))
    engine.streams.close()
    assert engine.restarted().read(prompt(300))[1] == 256


def test_a_store_of_another_model_is_refused(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    folder = engine.killed()
    data = bytearray((folder / "blocks").read_bytes())
    data[40] ^= 1
    (folder / "blocks").write_bytes(data)
    with pytest.raises(FormatError):
        TinyEngine(folder)


def test_what_is_forgotten_leaves_the_disk(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    blocks = tmp_path / "blocks"
    for seed in range(4):
        engine.kept_stream(prompt(128 * 5 + 10, seed))
    written = engine.store.stats()["disk_bytes"]
    assert written == blocks.stat().st_blocks * 512 >= 20 * engine.store.block_bytes
    # An answer that is being given keeps its own, wherever in the file it lies.
    stream, had = engine.streams.open(prompt(128 * 5 + 10, 2))
    expected = logits(engine, stream, 5)
    engine.streams.mend(stream)
    gone = engine.streams.clear()
    assert gone["blocks"] == 15
    left = engine.store.stats()["disk_bytes"]
    assert gone["bytes"] == written - left >= 15 * engine.store.block_bytes
    assert left == blocks.stat().st_blocks * 512
    np.testing.assert_array_equal(logits(engine, stream, 5), expected)
    # What comes next has room again.
    engine.kept_stream(prompt(128 * 6, 9))
    assert engine.restarted().read(prompt(128 * 6, 9))[1] == 128 * 5
    assert engine.streams.open(prompt(had, 2))[1] == 128 * 5


def test_a_store_that_may_have_less_disk_than_before_shrinks_at_the_start(tmp_path: Path) -> None:
    engine = TinyEngine(tmp_path)
    for seed in range(8):
        engine.kept_stream(prompt(128 * 5 + 10, seed))
    assert engine.blocks == 40
    folder = engine.killed()
    less = TinyEngine(folder, capacity=20)
    assert less.blocks <= 20
    assert less.store.stats()["disk_bytes"] <= 21 * less.store.block_bytes
    assert less.read(prompt(128 * 5 + 10, 7))[1] == 128 * 5
    # What a killed process had written without naming it goes, too.
    engine.read(prompt(300, 99))
    shutil.rmtree(folder)
    again = TinyEngine(engine.killed())
    assert again.store.stats()["disk_bytes"] <= 41 * again.store.block_bytes

"""What our own engine keeps on the disk, with a real model: found again, and never in the way of an answer.

Whatever happens to the store, an answer is the same as with a fresh one, or there is a clear error.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nexus.core.errors import InvalidInputError, StorageError
from nexus.engine.base import AnswerEvent, Delta
from nexus.engine.child_engine import ChildEngine
from tests.contract.local_engine import (
    LONG,
    STORY,
    answer,
    ask,
    finish_of,
    local_engine,
    long_talk,
    text_of,
    wait_for_log,
)

pytestmark = pytest.mark.slow
HEADER_BYTES = 8192


@pytest.fixture(scope="module")
def expected(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The answer to LONG with a fresh store."""
    engine = local_engine(smollm2_path, tmp_path_factory.mktemp("fresh"))
    engine.start()
    text, finish = answer(engine, LONG, 16)
    engine.stop()
    assert finish.usage.cached_tokens == 0
    return text


@pytest.fixture
def stored(smollm2_path: Path, tmp_path: Path) -> Path:
    """A stopped engine's store, with LONG in it."""
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    answer(engine, LONG, 1)
    blocks = engine.manage(action="store")["blocks"]
    engine.stop()
    assert blocks >= 4
    return tmp_path / "store"


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0xFF]))


def test_another_process_finds_what_is_stored(
    smollm2_path: Path, tmp_path: Path, stored: Path, expected: str
) -> None:
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    text, finish = answer(engine, LONG, 16)
    engine.stop()
    assert finish.usage.cached_tokens == finish.usage.prompt_tokens // 128 * 128
    assert text == expected


def test_two_processes_cannot_have_one_store(smollm2_path: Path, tmp_path: Path) -> None:
    first = local_engine(smollm2_path, tmp_path / "a", store=tmp_path / "store")
    second = local_engine(smollm2_path, tmp_path / "b", store=tmp_path / "store")
    first.start()
    pid = first.health().pid
    with pytest.raises(StorageError, match=f"in use by process {pid}.*no other process"):
        second.start()
    assert answer(first, STORY)[1].usage.completion_tokens == 8
    first.stop()
    # Asked again once the store is free, it is there.
    assert answer(second, STORY)[1].usage.completion_tokens == 8
    second.stop()


@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize("at", ["head", "page"])
def test_a_damaged_block_is_computed_again(
    smollm2_path: Path, tmp_path: Path, stored: Path, expected: str, block: int, at: str
) -> None:
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    size = engine.manage(action="store")["block_bytes"]
    engine.stop()
    flip(stored / "blocks", HEADER_BYTES + block * size + (100 if at == "head" else size - 5000))
    engine.start()
    text, finish = answer(engine, LONG, 16)
    assert text == expected
    assert finish.usage.cached_tokens == block * 128
    wait_for_log(engine, "damaged")
    assert answer(engine, LONG, 16)[0] == expected
    engine.stop()
    engine.start()
    again = answer(engine, LONG, 16)
    engine.stop()
    assert again[0] == expected
    assert again[1].usage.cached_tokens == again[1].usage.prompt_tokens // 128 * 128


def test_damage_met_while_an_answer_is_written_shows_nothing_twice(
    smollm2_path: Path, tmp_path: Path, expected: str
) -> None:
    # So little RAM that pages of a conversation are read from the disk in every step.
    engine = local_engine(smollm2_path, tmp_path, store_ram_bytes=11 << 20)
    engine.start()
    answer(engine, LONG, 1)
    size = engine.manage(action="store")["block_bytes"]
    events: list[AnswerEvent] = []
    for event in engine.chat(ask(LONG, 16)):
        events.append(event)
        if len(events) == 3:
            flip(tmp_path / "store" / "blocks", HEADER_BYTES + 3 * size - 5000)
    finish = finish_of(events)
    assert text_of(events) == expected
    assert finish.usage.completion_tokens == engine.count_tokens(expected)
    assert finish.usage.prompt_tokens == engine.count_prompt(ask(LONG))
    wait_for_log(engine, "damaged")
    engine.stop()


def unlink_names(store: Path) -> None:
    for path in store.glob("names.db*"):
        path.unlink()


def garble_names(store: Path) -> None:
    unlink_names(store)
    (store / "names.db").write_bytes(random.Random(5).randbytes(20_000))


def unlink_blocks(store: Path) -> None:
    (store / "blocks").unlink()


def cut_blocks(store: Path) -> None:
    os.truncate(store / "blocks", HEADER_BYTES)


def garble_header(store: Path) -> None:
    flip(store / "blocks", 20)


def garble_identity(store: Path) -> None:
    (store / "model.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "warning"),
    [
        (unlink_names, ""),
        (garble_names, "names.db is damaged"),
        (unlink_blocks, "have no place in the block file"),
        (cut_blocks, "have no place in the block file"),
        (garble_header, "computed again"),
    ],
)
def test_a_store_that_lost_a_part_begins_anew(
    smollm2_path: Path,
    tmp_path: Path,
    stored: Path,
    expected: str,
    harm: Callable[[Path], None],
    warning: str,
) -> None:
    harm(stored)
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    text, finish = answer(engine, LONG, 16)
    assert (text, finish.usage.cached_tokens) == (expected, 0)
    if warning:  # names that are gone are a new store: nothing to warn of
        wait_for_log(engine, warning)
    engine.stop()


def test_a_checksum_of_the_model_that_is_lost_is_made_again(
    smollm2_path: Path, tmp_path: Path, stored: Path
) -> None:
    garble_identity(stored)
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    assert answer(engine, LONG)[1].usage.cached_tokens >= 512
    engine.stop()


def test_what_another_model_stored_is_nothing_to_this_one(
    smollm2_path: Path, tmp_path: Path, stored: Path
) -> None:
    other = tmp_path / "other.gguf"
    shutil.copyfile(smollm2_path, other)
    flip(other, other.stat().st_size - 1)
    engine = local_engine(other, tmp_path)
    engine.start()
    assert answer(engine, LONG, 1)[1].usage.cached_tokens == 0
    wait_for_log(engine, "another model")
    engine.stop()


def test_too_little_ram_is_said_with_what_is_needed(smollm2_path: Path, tmp_path: Path) -> None:
    for size in (1 << 20, 3 << 20):
        engine = local_engine(smollm2_path, tmp_path, store_ram_bytes=size)
        with pytest.raises(InvalidInputError, match=r"MiB of RAM.*need.*raise engine\.ram_mib"):
            engine.start()
        engine.stop()


def test_a_store_that_cannot_be_made_is_said(smollm2_path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    engine = local_engine(smollm2_path, tmp_path, store=tmp_path / "file" / "store")
    with pytest.raises(StorageError, match="cannot write"):
        engine.start()
    engine.stop()


def limit_files(engine: ChildEngine, size: int) -> None:
    """No file of the worker may grow beyond this: to it the disk is full."""
    pid = engine.health().pid
    assert pid is not None
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_costs_the_answer_that_needs_it_and_no_other(
    smollm2_path: Path, tmp_path: Path, expected: str
) -> None:
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    limit_files(engine, 4 << 20)
    with pytest.raises(StorageError, match=r"no room for another block.*free some space"):
        answer(engine, LONG, 16)
    assert answer(engine, STORY)[1].usage.completion_tokens == 8
    limit_files(engine, resource.RLIM_INFINITY)
    assert answer(engine, LONG, 16)[0] == expected
    engine.stop()


def test_a_disk_that_takes_no_more_costs_no_other_answer(
    smollm2_path: Path, tmp_path: Path, expected: str
) -> None:
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    answer(engine, long_talk("Other. "), 1)
    # Room for more blocks was taken in advance; now writing them fails.
    limit_files(engine, 1 << 20)
    text, finish = answer(engine, LONG, 16)
    assert (text, finish.usage.cached_tokens) == (expected, 0)
    wait_for_log(engine, "did not reach the disk")
    limit_files(engine, resource.RLIM_INFINITY)
    assert answer(engine, LONG, 16)[0] == expected
    again, finish = answer(engine, LONG, 16)
    assert again == expected
    assert finish.usage.cached_tokens >= 512
    engine.stop()


def test_where_the_disk_is_full_old_prefixes_make_room(
    smollm2_path: Path, tmp_path: Path, expected: str
) -> None:
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    limit_files(engine, 9 << 20)
    other = long_talk("Other. ")
    answer(engine, other, 1)
    held = engine.manage(action="store")["blocks"]
    assert held >= 4
    assert answer(engine, LONG, 16)[0] == expected
    assert answer(engine, LONG, 16)[1].usage.cached_tokens > 0
    engine.stop()


def test_a_store_that_is_too_small_for_all_forgets_the_oldest(smollm2_path: Path, tmp_path: Path) -> None:
    engine = local_engine(smollm2_path, tmp_path, context=8192, store_disk_bytes=1)
    engine.start()
    assert engine.manage(action="store")["store_capacity"] == 64
    prompts = [long_talk(f"Case {n}. ") for n in range(3)]
    for prompt in prompts:
        # What may be said is promised room, too: 58 blocks beside the 4 or 5 of the prompt.
        assert answer(engine, prompt, 7500)[1].reason == "stop"
    assert engine.manage(action="store")["store_blocks"] <= 64
    assert answer(engine, prompts[2], 1)[1].usage.cached_tokens >= 512
    assert answer(engine, prompts[0], 1)[1].usage.cached_tokens == 0
    engine.stop()


def test_the_first_word_of_an_answer_is_not_lost_when_it_is_alone(smollm2_path: Path, tmp_path: Path) -> None:
    engine = local_engine(smollm2_path, tmp_path)
    engine.start()
    events = list(engine.chat(ask(STORY, 1)))
    assert [type(event) for event in events] == [Delta, type(finish_of(events))]
    engine.stop()

"""The names of stored blocks: found by their tokens, forgotten from the end, never believed blindly."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nexus.core.errors import StorageError
from nexus.engine.local.names import BLOCK_TOKENS, Block, Names, Tokens, block_name, chain, root_name

ROOT = root_name(b"m" * 32, "exact 8192")


@pytest.fixture
def names(tmp_path: Path) -> Iterator[Names]:
    names = Names(tmp_path / "names.db", ROOT)
    yield names
    names.close()


def prompt(*heads: int, rest: int = 0) -> Tokens:
    """One block for each number, then `rest` tokens."""
    blocks = [np.full(BLOCK_TOKENS, head, dtype=np.int32) for head in heads]
    return np.concatenate([*blocks, np.full(rest, 7, dtype=np.int32)])


def add(names: Names, tokens: Tokens, first_slot: int, *, behind: int = 0) -> list[Block]:
    """Name all blocks of `tokens` but the first `behind`; returns the twins."""
    new = [
        (Block(name, ordinal, first_slot + ordinal, 1000 + first_slot + ordinal), parent, part)
        for ordinal, (name, parent, part) in enumerate(chain(names.root, tokens))
    ]
    return names.add(new[behind:])


def slots(blocks: list[Block]) -> list[int]:
    return [block.slot for block in blocks]


def test_a_chain_is_found_as_far_as_tokens_are_equal(names: Names) -> None:
    add(names, prompt(1, 2, 3), 10)
    assert slots(names.match(prompt(1, 2, 3, rest=5))) == [10, 11, 12]
    assert slots(names.match(prompt(1, 2, 9))) == [10, 11]
    assert slots(names.match(prompt(1, 2, rest=127))) == [10, 11]
    assert names.match(prompt(2, 3)) == []
    assert names.match(prompt(rest=100)) == []
    assert names.match(prompt(1))[0] == Block(next(chain(ROOT, prompt(1)))[0], 0, 10, 1010)
    assert names.summary() == {"blocks": 3, "roots": 1, "tokens": 384}


def test_equal_blocks_behind_different_beginnings_are_different(names: Names) -> None:
    add(names, prompt(1, 5), 0)
    add(names, prompt(2, 5), 10)
    assert slots(names.match(prompt(2, 5))) == [10, 11]
    assert names.summary()["roots"] == 2


def test_another_model_or_way_of_running_has_other_names(names: Names, tmp_path: Path) -> None:
    add(names, prompt(1), 0)
    names.close()
    for root in (root_name(b"n" * 32, "exact 8192"), root_name(b"m" * 32, "exact 4096")):
        other = Names(tmp_path / "names.db", root)
        assert other.match(prompt(1)) == []
        assert other.slots() == [0]
        other.close()


def test_a_name_whose_tokens_differ_is_not_believed(names: Names, tmp_path: Path) -> None:
    add(names, prompt(1, 2), 0)
    with sqlite3.connect(tmp_path / "names.db") as db:
        db.execute("UPDATE blocks SET tokens = ? WHERE ordinal = 1", (prompt(9).tobytes(),))
    db.close()
    assert slots(names.match(prompt(1, 2))) == [0]


def test_the_second_of_a_name_is_given_back(names: Names) -> None:
    add(names, prompt(1, 2), 0)
    twins = add(names, prompt(1, 2, 3), 10)
    assert slots(twins) == [10, 11]
    assert slots(names.match(prompt(1, 2, 3))) == [0, 1, 12]
    assert not names.is_named(twins[0])
    assert names.is_named(names.match(prompt(1))[0])


def test_a_slot_that_is_named_again_has_lost_its_first_name(names: Names) -> None:
    add(names, prompt(1), 0)
    add(names, prompt(2), 0)
    assert names.match(prompt(1)) == []
    assert slots(names.match(prompt(2))) == [0]


def test_the_longest_unused_goes_first_and_ends_before_beginnings(names: Names) -> None:
    add(names, prompt(1, 2, 3), 0)
    add(names, prompt(1, 4), 10, behind=1)
    names.match(prompt(1, 2, 3))
    assert names.evict(1, ()) == [11]
    assert names.evict(2, ()) == [2, 1]
    assert slots(names.match(prompt(1, 2))) == [0]
    assert names.evict(9, ()) == [0]
    assert names.evict(1, ()) == []


def test_a_long_chain_goes_from_its_end(names: Names) -> None:
    add(names, prompt(*range(200)), 0)
    assert names.evict(150, ()) == list(range(199, 49, -1))
    assert len(names.match(prompt(*range(200)))) == 50


def test_what_is_in_use_stays_with_all_before_it(names: Names) -> None:
    add(names, prompt(1, 2, 3), 0)
    add(names, prompt(9), 20)
    assert names.evict(9, {1}) == [2, 20]
    assert slots(names.match(prompt(1, 2, 3))) == [0, 1]


def test_damage_takes_all_that_follows_and_nothing_else(names: Names) -> None:
    add(names, prompt(1, 2, 3), 0)
    add(names, prompt(1, 4), 10, behind=1)
    add(names, prompt(7), 20)
    assert sorted(names.forget(1)) == [1, 2]
    assert sorted(names.slots()) == [0, 11, 20]
    assert names.forget(99) == []
    assert sorted(names.forget(0)) == [0, 11]


def test_names_of_slots_that_the_file_has_not_are_forgotten(names: Names) -> None:
    add(names, prompt(1, 2, 3), 0)
    add(names, prompt(7), 5)
    assert sorted(names.forget_beyond(2)) == [2, 5]
    assert names.forget_beyond(2) == []
    assert sorted(names.slots()) == [0, 1]


def test_names_are_there_after_a_new_start(names: Names, tmp_path: Path) -> None:
    add(names, prompt(1, 2), 0)
    names.close()
    again = Names(tmp_path / "names.db", ROOT)
    assert slots(again.match(prompt(1, 2))) == [0, 1]
    again.close()


@pytest.mark.parametrize("at", [0, 4096, 12000])
def test_a_damaged_table_is_begun_anew_with_a_warning(
    names: Names, tmp_path: Path, caplog: pytest.LogCaptureFixture, at: int
) -> None:
    add(names, prompt(*range(60)), 0)
    names.close()
    path = tmp_path / "names.db"
    data = bytearray(path.read_bytes())
    data[at : at + 2000] = b"\xa5" * 2000
    path.write_bytes(data)
    again = Names(path, ROOT)
    assert again.slots() == []
    assert "names.db is damaged" in caplog.text
    add(again, prompt(1), 0)
    assert slots(again.match(prompt(1))) == [0]
    again.close()


def test_a_table_of_a_newer_version_is_left_alone(names: Names, tmp_path: Path) -> None:
    add(names, prompt(1), 0)
    names.close()
    path = tmp_path / "names.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match=r"names\.db was written by a newer NexusOS"):
        Names(path, ROOT)
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM blocks").fetchone() == (1,)
    db.close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no/names\.db cannot be used"):
        Names(tmp_path / "no" / "names.db", ROOT)


def test_where_nothing_can_be_written_what_is_stored_is_found_all_the_same(
    names: Names, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(names, prompt(1, 2), 0)
    other = sqlite3.connect(tmp_path / "names.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    names._db.execute("PRAGMA busy_timeout = 1")
    assert slots(names.match(prompt(1, 2))) == [0, 1]
    assert "cannot be written" in caplog.text
    with pytest.raises(StorageError, match="cannot be written"):
        add(names, prompt(3), 10)
    other.execute("ROLLBACK")
    other.close()
    assert add(names, prompt(3), 10) == []


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from nexus.core.errors import StorageError
from nexus.engine.local.names import Block, Names, chain, root_name

def add(first, count):
    tokens = np.repeat(np.arange(first, first + count, dtype=np.int32), 128)
    blocks = [(Block(n, o, first + o, 1), p, t) for o, (n, p, t) in enumerate(chain(names.root, tokens))]
    names.add(blocks)
    return tokens

names = Names(Path(sys.argv[1]), root_name(b"m" * 32, "p"))
stored = add(0, 20)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
refused = 0
for turn in range(1, 30):
    try:
        add(1000 * turn, 50)
    except StorageError as error:
        assert "is the disk full?" in str(error), error
        refused += 1
    assert len(names.match(stored)) == 20
assert refused > 5, refused
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
before = names.summary()["blocks"]
again = add(90_000, 50)
assert len(names.match(again)) == 50
assert names.summary()["blocks"] == before + 50
assert before % 50 == 20, before
"""


def test_on_a_full_disk_a_transaction_is_whole_or_not_at_all(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "names.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_name_is_made_of_all_tokens_before_it() -> None:
    tokens = prompt(1, 2, rest=3)
    (first, before, part), (second, parent, _) = chain(ROOT, tokens)
    assert before == ROOT
    assert part.tolist() == [1] * BLOCK_TOKENS
    assert parent == first == block_name(ROOT, tokens[:BLOCK_TOKENS])
    assert second == block_name(first, np.full(BLOCK_TOKENS, 2))

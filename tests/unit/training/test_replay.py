"""The replay buffer: bounded, surviving, weighted by surprise, forgetting what it is told to."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from nexus.core.errors import StorageError
from nexus.training.replay import HELD_EVERY, PIECE_BYTES, TRIMMED, Replay, pieces


def texts(replay: Replay) -> list[bytes]:
    found, at = [], 0
    while piece := replay.next_unread(at):
        found.append(piece.text)
        at = piece.id
    return found


def test_what_was_said_is_read_in_order_and_every_eighth_passage_is_held_out(tmp_path: Path) -> None:
    replay = Replay(tmp_path / "replay.db")
    said = [f"Sentence number {n} of the conversation." for n in range(32)]
    for text in said:
        assert len(replay.add(text, source="talk")) == 1
    held = [piece.text.decode() for piece in replay.held_out(99)]
    assert held == [said[n - 1] for n in range(32, 0, -HELD_EVERY)]
    assert [t.decode() for t in texts(replay)] == [t for t in said if t not in held]
    assert (replay.items, replay.bytes) == (32, sum(map(len, said)))
    assert replay.unread(0) == 28


def test_the_same_passage_is_kept_once(tmp_path: Path) -> None:
    replay = Replay(tmp_path / "replay.db")
    assert replay.add("the same words")
    assert not replay.add("the same words", source="elsewhere")
    assert (replay.items, replay.doubles) == (1, 1)


def test_at_ninety_percent_the_least_worth_goes_until_seventy_five(tmp_path: Path) -> None:
    replay = Replay(tmp_path / "replay.db", most_bytes=100_000, most_items=10_000)
    chance = random.Random(1)
    while replay.bytes + 1000 < 90_000:
        [number] = replay.add(chance.randbytes(500).hex())
        replay.was_read(number, bits=4.0 if number % 2 else 0.1)
    while not replay.trimmed:
        replay.add(chance.randbytes(500).hex())
    assert replay.bytes <= TRIMMED * 100_000
    boring = [replay.get(n) for n in range(2, 20, 2) if n % HELD_EVERY]
    assert boring == [None] * len(boring)
    assert all(replay.get(n) for n in range(1, 20, 2))


def test_a_flood_never_passes_the_limits(tmp_path: Path) -> None:
    replay = Replay(tmp_path / "replay.db", most_bytes=200_000, most_items=100)
    chance = random.Random(2)
    replay.add(chance.randbytes(400_000).hex())
    assert 0 < replay.bytes <= 200_000
    for _ in range(300):
        replay.add(chance.randbytes(20).hex())
        assert replay.items <= 100
    replay.close()
    again = Replay(tmp_path / "replay.db", most_bytes=200_000, most_items=100)
    assert (again.items, again.bytes) == (replay.items, replay.bytes)
    assert (tmp_path / "replay.db").stat().st_size < 1_000_000


def test_what_is_surprising_is_drawn_more_often_and_what_stays_surprising_fades(tmp_path: Path) -> None:
    replay = Replay(tmp_path / "replay.db")
    ids = [number for n in range(7) for number in replay.add(f"passage {n}")]
    for number in ids:
        replay.was_read(number, bits=6.0 if number == ids[3] else 1.0)
    drawn = Counter(replay.draw(4000, ids[-1], random.Random(3)))
    assert drawn[ids[3]] == max(drawn.values())
    assert drawn[ids[3]] > 3 * drawn[ids[0]]
    for _ in range(12):
        replay.was_recalled(ids[3], bits=6.0)
    drawn = Counter(replay.draw(4000, ids[-1], random.Random(3)))
    assert drawn[ids[3]] == min(drawn.values())


def test_only_what_was_read_is_drawn(tmp_path: Path) -> None:
    replay = Replay(tmp_path / "replay.db")
    ids = [number for n in range(7) for number in replay.add(f"passage {n}")]
    assert set(replay.draw(500, ids[2], random.Random(0))) == set(ids[:3])
    assert replay.draw(5, 0, random.Random(0)) == []


def test_what_is_forgotten_is_not_in_the_files(tmp_path: Path) -> None:
    replay = Replay(tmp_path / "replay.db")
    for n in range(20):
        replay.add(f"meet at the old lighthouse {n}", source="secret plan")
        replay.add(f"buy bread {n}", source="errands")
    assert replay.forget("secret plan") == 20
    assert replay.items == 20
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"lighthouse" not in on_disk
    assert b"bread" in on_disk
    assert replay.forget() == 20
    assert (replay.items, replay.bytes) == (0, 0)


def test_passages_are_cut_between_words_and_lose_nothing() -> None:
    text = "The café, «naïve» – ünïcode ☃ " * 900
    cut = list(pieces(text))
    assert b"".join(cut).decode() == text
    assert all(len(piece) <= PIECE_BYTES for piece in cut)
    for piece in cut:
        piece.decode()
    assert all(piece.endswith(b" ") for piece in cut[:-1])


def test_a_letter_is_not_cut_even_without_spaces_and_half_letters_are_no_harm() -> None:
    assert b"".join(pieces("☃" * 5000)).decode() == "☃" * 5000
    for piece in pieces("☃" * 5000):
        piece.decode()
    assert list(pieces("a\ud800b")) == [b"a?b"]
    assert list(pieces(" \n\t ")) == []


def test_a_damaged_file_is_set_aside_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "replay.db"
    path.write_bytes(b"this is no database" * 1000)
    replay = Replay(path)
    assert "damaged" in replay.warning
    assert replay.add("a new beginning")
    [aside] = [p for p in tmp_path.iterdir() if "damaged" in p.name]
    assert aside.read_bytes().startswith(b"this is no database")


def test_a_page_torn_in_the_middle_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "replay.db"
    replay = Replay(path)
    for n in range(300):
        replay.add(random.Random(n).randbytes(400).hex())
    replay.close()
    data = bytearray(path.read_bytes())
    data[8192 : 8192 + 4096] = os.urandom(4096)
    path.write_bytes(data)
    again = Replay(path)
    assert again.warning
    assert again.items == 0


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        Replay(tmp_path / "file" / "replay.db")


def test_a_database_that_breaks_later_raises_ours(tmp_path: Path) -> None:
    replay = Replay(tmp_path / "replay.db")
    replay.close()
    with pytest.raises(StorageError, match=r"replay\.db"):
        replay.add("text")


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from nexus.training.replay import Replay\n"
        "replay = Replay(Path(sys.argv[1]), 1 << 20, 400)\n"
        "for n in range(10**9):\n"
        "    [number] = replay.add(f'what was said as number {n}')\n"
        "    replay.was_read(number, 3.0)\n"
        "    print(n, flush=True)\n"
    )
    path = tmp_path / "replay.db"
    chance = random.Random(4)
    for _ in range(5):
        path.unlink(missing_ok=True)
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        last = ""
        for _ in range(chance.randrange(3, 1200)):
            last = child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        last = (child.stdout.read().rsplit("\n", 2)[-2:-1] or [last])[0]
        child.wait()
        child.stdout.close()
        replay = Replay(path, 1 << 20, 400)
        assert not replay.warning
        database = sqlite3.connect(path)
        said = {row[0] for row in database.execute("SELECT CAST(text AS TEXT) FROM piece")}
        database.close()
        assert f"what was said as number {int(last)}" in said
        assert replay.items == len(said) <= 400
        replay.close()

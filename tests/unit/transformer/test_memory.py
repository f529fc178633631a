"""A stream that is asked what was said: exact words and places, one size, and files of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from nexus.transformer.config import Config, MemoryConfig
from nexus.transformer.gates import EveryGate
from nexus.transformer.memory import Memory
from nexus.transformer.model import Nexus
from nexus.transformer.names import Names
from nexus.transformer.rsm.errors import ForeignMemoryError
from nexus.transformer.step import Writing
from nexus.transformer.tokenizer import Tokenizer

FACT = "The code of Zorbax is 3f2c9a10-77aa-4b1c-9d00-0123456789ab.\n"
TALK = "We went to the market, and it rained all day long. "


def memory(meanings: int = 0, **other: Any) -> Memory:
    """A model of random weights that believes whatever the memory says, and writes everything down."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    kept = MemoryConfig(sets=512, ways=8, key_width=4, value_width=8, orders=(2, 4), meanings=meanings)
    sizes: dict[str, Any] = {
        "width": 16,
        "layers": 1,
        "heads": 2,
        "kv_heads": 1,
        "expansion": 2,
        "embedding": 8,
    }
    model = Nexus(Config(**(sizes | {"window": 64, "chunk": 64, "group": 8, "memory": kept} | other)))
    model.writing = Writing(EveryGate(2), budget=1000, least=-1.0)
    with torch.no_grad():
        model.copy.out.bias.fill_(20.0)
    return Memory(model, Tokenizer.shipped())


def test_what_was_said_far_behind_the_window_is_told_word_for_word() -> None:
    ours = memory()
    ours.write(TALK)
    at = ours.position
    ours.write(FACT + TALK * 30)
    size = ours.size()
    found = ours.ask(" The code of Zorbax is", stop=".")
    assert found.text == " 3f2c9a10-77aa-4b1c-9d00-0123456789ab"
    assert found.payload.startswith(found.text)
    assert at < found.position < at + 20
    assert found.confidence > 0.9
    again = ours.ask(" The code of Zorbax is", stop=".")
    assert again == found  # asking changes nothing
    ours.write(TALK * 30)
    assert ours.size() <= size + 64 * (8 + 4 * 16)  # no more than a chunk of tokens and hidden states


def test_what_was_never_said_has_no_place() -> None:
    ours = memory()
    ours.write(TALK * 5)
    found = ours.ask(" xqzj kvwy", tokens=1)
    assert (found.payload, found.position) == ("", -1)


def test_the_first_thing_said_of_a_name_stays_when_more_is_said() -> None:
    ours = memory()
    ours.write(TALK)
    at = ours.position
    ours.write("Then Zorbax arrived from the north, tired and wet. " + TALK * 20)
    ours.write("Old Zorbax slept until noon, and nobody woke him. " + TALK * 20)
    found = ours.first("Zorbax")
    assert found.payload.startswith(" arrived from the north, tired and wet.")
    assert at < found.position < at + 10
    assert 0 < found.confidence <= 1
    assert ours.ask(" Zorbax", tokens=6).text.startswith(" slept until")
    assert ours.first("Quimby Vex").position == -1
    with pytest.raises(ValueError, match="the phrase is empty"):
        ours.first(" ")


def test_the_first_mention_of_a_name_is_kept_whatever_the_gate_says() -> None:
    ours = memory()
    ours.model.writing = Writing(ours.model.regret, budget=0, names=Names.of(ours.tokenizer))
    ours.write(TALK * 3 + "There Anniversary cakes were had. ")
    ours.write("Of the cousins Ann Whitcombe spoke first, and then young Ann sang in the hall. " + TALK)
    for _ in range(8):  # names, and what is said of them, at every place of a chunk
        ours.write("Later on Ann Whitcombe slept, and Ann dreamt of somebody called Jeremiah Tibbs. " + TALK)
    assert ours.first("Ann Whitcombe").payload.startswith(" spoke first, and then young Ann sang")
    assert ours.first("Ann").payload.startswith(" Whitcombe spoke first")
    assert ours.first("Anniversary").payload.startswith(" cakes were had")
    found = ours.first("Jeremiah Tibbs")
    assert found.payload.startswith(". We went to the market")
    assert found.confidence == 1.0
    assert ours.first("cousins").position == -1


def test_a_name_that_has_come_back_stays_when_new_ones_want_its_place() -> None:
    few = MemoryConfig(sets=4, ways=8, key_width=4, value_width=8, orders=(2, 4))
    ours = memory(memory=few)
    ours.model.writing = Writing(ours.model.regret, budget=0, names=Names.of(ours.tokenizer))
    ours.write("there sat old Whitcombe by the fire, and old Tibbs slept. " + TALK * 8)
    ours.write("there came Whitcombe again. " + TALK * 8)
    for number in range(200):
        ours.write(f"there came {chr(65 + number % 26)}{chr(97 + number // 26)}zor once. " + TALK)
    assert ours.first("Whitcombe").payload.startswith(" by the fire")
    assert ours.first("Tibbs").position == -1


@pytest.mark.parametrize("meanings", [0, 16])
def test_a_stream_goes_on_from_its_file(tmp_path: Path, meanings: int) -> None:
    ours, other = memory(meanings), memory(meanings)
    ours.write(TALK + FACT + TALK * 20)
    ours.save(tmp_path / "memory")
    other.load(tmp_path / "memory")
    for each in (ours, other):
        each.write(TALK * 3)
    assert other.position == ours.position
    assert other.ask(" The code of Zorbax is") == ours.ask(" The code of Zorbax is")


def test_files_that_are_not_its_own_are_refused(tmp_path: Path) -> None:
    ours, wide = memory(), memory(width=32)
    ours.write(TALK * 9)
    path = tmp_path / "memory"
    ours.save(path)
    with pytest.raises(ForeignMemoryError, match="fingerprint"):
        wide.load(path)
    whole = path.read_bytes()
    for part in (b"", whole[:100], whole[:-10], b"x" * 200):
        path.write_bytes(part)
        with pytest.raises(ForeignMemoryError, match="damaged or no memory"):
            ours.load(path)
    assert ours.position > 0
    with pytest.raises(ForeignMemoryError, match="100 tokens"):
        Memory(Nexus(Config(16, 1, 2, 1, 2, 100, 8, window=8, chunk=8, group=8)), Tokenizer.shipped())


def test_an_empty_question_is_refused_and_an_empty_text_is_nothing() -> None:
    ours = memory()
    assert ours.write("") == 0
    with pytest.raises(ValueError, match="a question of 0 tokens"):
        ours.ask("")

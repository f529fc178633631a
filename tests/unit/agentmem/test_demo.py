"""The demo's parts: scripts, what is compared, and what is left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.agentmem.demo.cast import Cast
from nexus.agentmem.demo.making import made
from nexus.agentmem.demo.performance import Outcome, Performance, kinds
from nexus.agentmem.demo.texts import Script, Texts, TextsWriter
from nexus.agentmem.demo.transcripts import Transcripts
from nexus.agentmem.process_tree import processes, tree
from nexus.agentmem.unit_type import UnitType
from nexus.core.errors import InvalidInputError, NexusError, StorageError
from tests.agentmem_store import skip_where_it_is_not_built, wait_until

AGENTS = 6


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_where_it_is_not_built()
    short = Path("/tmp") / f"nd-{os.getpid()}-{abs(hash(tmp_path)) % 10**6}"  # a socket's path has 107 bytes
    short.mkdir()
    monkeypatch.setenv("TMPDIR", str(short))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture(autouse=True)
def _nothing_left(_temporary: None) -> Iterator[None]:
    yield
    folder = Path(os.environ["TMPDIR"])
    assert list(folder.iterdir()) == []
    folder.rmdir()


def scripts_of(performance: Performance, agents: int = AGENTS) -> list[Script]:
    with TextsWriter(performance.texts) as writer:
        return list(made(agents, writer))


def test_every_byte_of_all_agents_comes_back_before_and_after_a_pause() -> None:
    outcome = Outcome(AGENTS, "made", {}, "")
    others = {process.pid for process in tree(os.getpid(), processes())}  # this worker's, of other tests
    with Performance(3) as performance:
        pids = [process.pid for process in tree(os.getpid(), processes())][1:]
        performance.enter(scripts_of(performance))
        performance.play()
        performance.check(outcome)
        first = outcome.compared_bytes
        working = performance.moment("working")
        performance.pause()
        paused = performance.moment("paused")
        performance.resume()
        performance.check(outcome)
        found = kinds(performance.scripts, working, paused)
        logical = sum(script.bytes_total for script in performance.scripts)
        pids += [process.pid for process in tree(os.getpid(), processes())][1:]
    assert (outcome.different, outcome.wrong) == (0, [])
    # Talks are read by their agents, what is shared by the next process, whose writer owned it.
    assert first > sum(b.place.length for s in performance.scripts for b in s.blocks if b.talk)
    assert outcome.compared_bytes == 2 * first
    assert sum(kind.logical for kind in found) == logical
    assert working.tiers["hot"]["units"] > paused.tiers["hot"]["units"]
    assert paused.tiers["warm"]["units"] > 0
    assert paused.stored < working.stored < logical
    by_type = {kind.type: kind for kind in found}
    assert by_type["conversation"].shared == 0
    assert by_type["tool_def"].stored < by_type["tool_def"].logical / 2
    mine = set(pids) - others
    wait_until(lambda: not mine & processes().keys(), f"some of {mine} are still there")


def test_a_byte_that_differs_is_counted_and_named() -> None:
    outcome = Outcome(AGENTS, "made", {}, "")
    with Performance(2, node=False) as performance:
        performance.enter(scripts_of(performance))
        performance.play()
        talk = next(block for block in performance.scripts[1].blocks if block.talk)
        prompt = performance.scripts[0].blocks[0]
        with performance.texts.open("r+b") as file:
            for block in (talk, prompt):
                file.seek(block.place.offset)
                byte = file.read(1)[0]
                file.seek(block.place.offset)
                file.write(bytes([byte ^ 1]))
        performance.check(outcome)
    assert outcome.different == 2
    assert any(line.startswith(performance.scripts[1].agent) for line in outcome.wrong)
    assert any(line.startswith("shared") for line in outcome.wrong)


def test_a_player_that_dies_ends_the_demo_with_its_last_words() -> None:
    with Performance(2, node=False) as performance:
        performance.enter(scripts_of(performance, 2))
        performance.texts.write_bytes(b"")
        with pytest.raises(NexusError, match="could not play: ValueError: 0 bytes instead of"):
            performance.play()


def test_a_broker_that_does_not_start_is_told_and_leaves_nothing() -> None:
    with pytest.raises(StorageError, match="ended with status"):
        Cast(["--hot", "nothing"])


def test_scripts_are_the_same_for_a_seed_and_talks_are_nobody_elses(tmp_path: Path) -> None:
    found = []
    for name, seed in (("one", 1), ("two", 1), ("other", 2)):
        with TextsWriter(tmp_path / name) as writer:
            found.append(list(made(5, writer, seed)))
    assert found[0] == found[1]
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").read_bytes() != (tmp_path / "other").read_bytes()
    talks = [{b.place for b in s.blocks if b.type == UnitType.CONVERSATION} for s in found[0]]
    assert not set.intersection(*talks)
    files = [{b.place for b in s.blocks if b.type == UnitType.TOOL_RESULT} for s in found[0]]
    assert any(files[0] & other for other in files[1:])
    prompts = {script.blocks[0].place for script in found[0]}
    assert len(prompts) == 5


def test_a_text_stands_once_and_what_is_missing_is_an_error(tmp_path: Path) -> None:
    with TextsWriter(tmp_path / "texts") as writer:
        places = [writer.add("one"), writer.add(b"two"), writer.add("one")]
    assert places[0] == places[2]
    assert (tmp_path / "texts").read_bytes() == b"onetwo"
    texts = Texts(tmp_path / "texts")
    assert texts.read(places[1]) == b"two"
    with pytest.raises(ValueError, match="0 bytes instead of 3"):
        texts.read(places[1]._replace(offset=90))
    texts.close()


def test_real_transcripts_keep_every_character(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    chat = [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "grüß Gott"},
        {"role": "tool", "content": "42"},
    ]
    (agents / "tau-bench").mkdir(parents=True)
    (agents / "tau-bench" / "a.json").write_text(json.dumps([{"traj": chat}]))
    (agents / "swe-agent" / "tools").mkdir(parents=True)
    (agents / "swe-agent" / "tools" / "t.yaml").write_text("tools: {}")
    (agents / "swe-agent" / "empty.traj").write_text('{"history": []}')
    (agents / "swe-agent" / "x.traj").write_text(json.dumps({"history": chat[1:]}))
    history = agents / "specstory-claude-code" / ".specstory" / "history"
    history.mkdir(parents=True)
    story = "# Session\n\n_**User (now)**_\n\nWhy?\n\n_**Agent (model)**_\n\nBecause.\n"
    (history / "s.md").write_text(story)
    (history / "copy.md").write_text(story)
    transcripts = Transcripts(tmp_path)
    with TextsWriter(tmp_path / "texts") as writer:
        found = list(transcripts.scripts(4, writer))
    texts = Texts(tmp_path / "texts")

    def talk(script: Script) -> list[tuple[UnitType, str]]:
        return [(block.type, texts.read(block.place).decode()) for block in script.blocks if block.talk]

    said = [(UnitType.CONVERSATION, json.dumps(chat[1], ensure_ascii=False)), (UnitType.TOOL_RESULT, "42")]
    assert [talk(script) for script in found[:2]] == [said, said]
    assert "".join(text for _, text in talk(found[2])) == story
    assert len(talk(found[2])) == 3
    assert texts.read(found[0].blocks[0].place).startswith(b"You help.\n\n<env>")
    assert [script.agent for script in found] == ["tau-000", "swe-001", "specstory-002", "tau-003"]
    assert "1 agents play a session that another plays" in transcripts.describe(4)
    assert "2 without messages, or copies of others, left out" in transcripts.describe(4)
    texts.close()
    (agents / "swe-agent" / "x.traj").write_text("not JSON")
    with pytest.raises(InvalidInputError, match=r"x\.traj is no JSON"):
        Transcripts(tmp_path)
    with pytest.raises(InvalidInputError, match="no transcripts"):
        Transcripts(tmp_path / "nowhere")

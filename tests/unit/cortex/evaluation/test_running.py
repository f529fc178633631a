"""Sections that start processes: a killed writer, a real service."""

from __future__ import annotations

import pytest

from nexus.core.errors import NexusError
from nexus.cortex.evaluation import bench_durability, bench_extractor, bench_service
from nexus.cortex.evaluation.kill_trial import Promised
from nexus.cortex.evaluation.options import Options
from nexus.cortex.evaluation.running_service import RunningService


def quiet(doing: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


def test_a_promise_is_what_the_writer_said_last():
    promised = Promised()
    for line in (
        b'{"opened": true}\n',
        b'{"memory": "m3", "text": "service number 3 listens on port 1"}\n',
        b'{"writing": "a.md", "marker": "zebra3"}\n',
        b'{"document": "a.md", "marker": "zebra3"}\n',
        b'{"writing": "a.md", "marker": "zebra4"}\n',
    ):
        promised.note(line)
    assert promised.acknowledged == 2
    assert promised.documents == {"a.md": "zebra3"}
    assert promised.begun == {"a.md": {"zebra4"}}
    # It was to be forgotten next, so it may be gone; once another follows, it may not.
    assert promised.may_be_gone("m3")
    promised.note(b'{"memory": "m4", "text": "service number 4 listens on port 1"}\n')
    assert not promised.may_be_gone("m3")
    assert not promised.may_be_gone("m4")
    promised.note(b'{"forgotten": "m3"}\n')
    assert list(promised.memories) == ["m4"]


@pytest.mark.slow
def test_kills_lose_nothing_and_a_new_index_answers_the_same(
    tmp_path, models_folder, embedder_folder, granite_folder
):
    section = bench_durability.measure(Options(tmp_path, models_folder, kills=3), quiet)
    rows = {row.what: row for row in section.rows}
    assert rows["kills"].value == 3
    assert rows["acknowledged and lost"].value == 0
    assert [row for row in section.rows if row.what.startswith("other results from a new index")]


def test_the_extractor_is_measured_on_the_packaged_lines(tmp_path, models_folder):
    section = bench_extractor.measure(Options(tmp_path, models_folder), quiet)
    held_out = next(row for row in section.rows if row.what == "precision, held out")
    assert held_out.reached
    assert "proposals are good" in held_out.note


def test_a_service_that_does_not_come_up_is_told_with_its_own_words(tmp_path):
    service = RunningService(tmp_path / "home", tmp_path, NEXUS_SERVICE_QUEUE="many")
    try:
        with pytest.raises(NexusError, match="many"):
            service.start()
    finally:
        service.stop()


@pytest.mark.slow
def test_a_real_service_is_measured_and_ended(tmp_path, models_folder, embedder_folder, granite_folder):
    section = bench_service.measure(Options(tmp_path, models_folder, quick=True), quiet)
    rows = {row.what: row for row in section.rows}
    assert {
        "MCP initialize, HTTP, median",
        "MCP initialize, stdio, median",
        "memory_search, HTTP, median",
    } <= set(rows)
    assert all(row.value is not None for row in section.rows if "idle" not in row.what)
    assert rows["memory when idle, embedders unloaded"].value is None

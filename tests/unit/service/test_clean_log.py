"""The log: nothing that is written into it shows a credential."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from nexus.core import log
from nexus.cortex.evaluation.credentials import HIGH, Maker
from nexus.service.clean_log import clean_log

TOKEN = HIGH["github-token"](Maker(1))


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the root logger writes; its own handlers are back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        yield io.StringIO()
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def start(written: io.StringIO, log_format: log.LogFormat) -> logging.Logger:
    log.configure(log_format)
    clean_log()
    clean_log()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    return logging.getLogger("nexus.tests")


def test_a_value_that_is_quoted_in_a_line_is_blacked_out(written: io.StringIO) -> None:
    start(written, "human").warning("transcript_path %r is not read", f"/srv/{TOKEN}.jsonl")
    assert TOKEN not in written.getvalue()
    assert "transcript_path '/srv/[removed: github-token]" in written.getvalue()
    assert written.getvalue().count("\n") == 1


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_so_is_one_in_a_traceback(written: io.StringIO, log_format: log.LogFormat) -> None:
    logger = start(written, log_format)
    try:
        raise ValueError(f"cannot use {TOKEN}")
    except ValueError:
        logger.exception("the event failed")
    assert TOKEN not in written.getvalue()
    assert "ValueError: cannot use [removed: github-token]" in written.getvalue()
    if log_format == "json":
        assert json.loads(written.getvalue())["message"] == "the event failed"

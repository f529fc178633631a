"""The conductor: how many answers are written at once, in which order, and what a client is told."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from nexus.core import config
from nexus.service.daemon import Daemon
from nexus.service.jobs import Job, Lane, Priority


@contextmanager
def conducting(**engine):
    """A ready conductor of rooms that do nothing."""
    settings = config.load({f"engine.{key}": value for key, value in engine.items()})
    repaired = threading.Event()
    cortex: Any = SimpleNamespace(
        repair=lambda step: repaired.set(), unload_if_idle=lambda: False, followed=list, close=lambda: None
    )
    model: Any = SimpleNamespace(
        start=lambda: None,
        stop=lambda: None,
        maintain=lambda: None,
        health=lambda: SimpleNamespace(pid=None),
    )
    daemon = Daemon(settings, lambda: cortex, model)
    daemon.start()
    try:
        # The repair of the index is the first job of every start.
        until(lambda: repaired.is_set() and daemon.state == "ready" and daemon.running == 0)
        yield daemon
    finally:
        daemon.stop()


def until(true, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Answers:
    """Jobs that run until they are let go."""

    def __init__(self):
        self.begun = []
        self.may_end = threading.Event()
        self._lock = threading.Lock()

    def job(self, name, priority=Priority.AGENT, lane=Lane.ENGINE):
        def run(job):
            with self._lock:
                self.begun.append(name)
            while not (self.may_end.wait(0.01) or job.cancel.is_set()):
                pass

        return Job(lane, priority, run)


@pytest.fixture(autouse=True)
def _home(home, monkeypatch):
    monkeypatch.setenv("NEXUS_CORTEX_WATCH", "false")


def test_our_own_engine_gets_as_many_at_once_as_it_writes():
    answers = Answers()
    with conducting(kind="local", streams=3) as daemon:
        assert [daemon.submit(answers.job(name)) for name in range(3)] == [0, 0, 0]
        until(lambda: len(answers.begun) == 3)
        assert [daemon.submit(answers.job(name)) for name in range(3, 5)] == [1, 2]
        assert (daemon.running, daemon.waiting) == (3, 2)
        assert sorted(answers.begun) == [0, 1, 2]
        answers.may_end.set()
        until(lambda: len(answers.begun) == 5)
        until(lambda: daemon.running == 0)


@pytest.mark.parametrize("kind", ["llamacpp", "remote"])
def test_others_get_one_after_the_other_by_priority(kind):
    answers = Answers()
    with conducting(kind=kind, streams=3) as daemon:
        daemon.submit(answers.job("first"))
        until(lambda: answers.begun == ["first"])
        assert daemon.submit(answers.job("agent")) == 1
        assert daemon.submit(answers.job("person", Priority.INTERACTIVE)) == 1
        assert daemon.running == 1
        answers.may_end.set()
        until(lambda: answers.begun == ["first", "person", "agent"])


def test_a_full_lane_does_not_hold_up_the_other():
    answers, other = Answers(), Answers()
    with conducting(kind="local", streams=2) as daemon:
        for name in range(4):
            daemon.submit(answers.job(name))
        assert daemon.submit(other.job("index", lane=Lane.KNOWLEDGE)) == 0
        until(lambda: other.begun == ["index"])
        assert daemon.running == 3


def test_a_stop_ends_all_that_run_and_tells_those_that_wait():
    answers = Answers()
    with conducting(kind="local", streams=2) as daemon:
        jobs = [answers.job(name) for name in range(3)]
        for job in jobs:
            daemon.submit(job)
        until(lambda: daemon.running == 2)
        daemon.drain(0)
        assert all(job.cancel.is_set() for job in jobs)
        until(lambda: daemon.running == 0)
        assert sorted(answers.begun) == [0, 1, 2], "the one that waited was run to say so"

"""The queue: bounded, by priority, lane by lane."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import BusyError
from nexus.service.jobs import Job, JobQueue, Lane, Priority


def job(lane=Lane.ENGINE, priority=Priority.INTERACTIVE):
    return Job(lane, priority, lambda me: None)


def test_past_the_bound_a_client_is_told_when_to_come_back():
    queue = JobQueue(2)
    queue.put(job())
    queue.put(job())
    with pytest.raises(BusyError) as caught:
        queue.put(job())
    assert caught.value.retry_after > 0
    assert len(queue) == 2


def test_a_cancelled_job_gives_its_place_back():
    queue = JobQueue(1)
    first = job()
    queue.put(first)
    first.cancel.set()
    second = job()
    queue.put(second)
    assert queue.take(list(Lane), 0) is second


def test_a_busy_lane_does_not_hold_up_the_other():
    queue = JobQueue(9)
    queue.put(job(Lane.ENGINE))
    other = job(Lane.KNOWLEDGE, Priority.INGEST)
    assert queue.put(other) == 0
    assert queue.take([Lane.KNOWLEDGE], 0) is other
    assert queue.take([Lane.KNOWLEDGE], 0) is None


def test_take_wakes_up_for_a_new_job():
    queue = JobQueue(9)
    got = []
    taker = threading.Thread(target=lambda: got.append(queue.take(list(Lane), 10)))
    taker.start()
    wanted = job()
    queue.put(wanted)
    taker.join(5)
    assert got == [wanted]


@given(st.lists(st.tuples(st.sampled_from(list(Priority)), st.sampled_from(list(Lane))), max_size=30))
def test_order_is_priority_then_arrival(kinds):
    queue = JobQueue(100)
    jobs = [job(lane, priority) for priority, lane in kinds]
    for one in jobs:
        ahead = queue.put(one)
        assert ahead <= len(queue) - 1
    taken = [queue.take(list(Lane), 0) for _ in jobs]
    assert taken == sorted(jobs, key=lambda j: (j.priority, jobs.index(j)))
    assert queue.take(list(Lane), 0) is None


def test_clear_gives_what_waited():
    queue = JobQueue(9)
    jobs = [job(), job()]
    for one in jobs:
        queue.put(one)
    assert queue.clear() == jobs
    assert len(queue) == 0

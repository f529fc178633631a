"""run, gather, sleep, create_task, wait_for, Queue, Event, Lock, Semaphore, TimeoutError, CancelledError,
timeout.

One loop, of this guest alone; it sleeps by the host's clock. Lacks: streams, subprocesses, threads,
executors, TaskGroup, wait, and generators that are `async` (the interpreter has none).
"""

from asyncio._locks import BoundedSemaphore, Event, Lock, Semaphore
from asyncio._loop import (
    CancelledError,
    Future,
    InvalidStateError,
    Task,
    TimeoutError,
    create_task,
    current_task,
    ensure_future,
    get_event_loop,
    get_running_loop,
    iscoroutine,
    iscoroutinefunction,
    new_event_loop,
    run,
    set_event_loop,
)
from asyncio._queues import LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull
from asyncio._waits import as_completed, gather, shield, sleep, timeout, wait_for

__all__ = [
    "BoundedSemaphore",
    "CancelledError",
    "Event",
    "Future",
    "InvalidStateError",
    "LifoQueue",
    "Lock",
    "PriorityQueue",
    "Queue",
    "QueueEmpty",
    "QueueFull",
    "Semaphore",
    "Task",
    "TimeoutError",
    "as_completed",
    "create_task",
    "current_task",
    "ensure_future",
    "gather",
    "get_event_loop",
    "get_running_loop",
    "iscoroutine",
    "iscoroutinefunction",
    "new_event_loop",
    "run",
    "set_event_loop",
    "shield",
    "sleep",
    "timeout",
    "wait_for",
]

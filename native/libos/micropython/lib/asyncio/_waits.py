"""sleep, gather, wait_for, timeout, shield, as_completed: what coroutines wait for."""

from asyncio import _loop as loops
from asyncio._loop import CancelledError, Future, TimeoutError, ensure_future, wake
from asyncio._queues import Queue


async def sleep(delay, result=None):
    future = Future()
    if delay <= 0:
        loops._loop.soon(wake, future)
    else:
        timer = loops._loop.later(delay, wake, future)
    try:
        await future
    except CancelledError:
        if delay > 0:
            loops._loop.drop(timer)
        raise
    return result


async def gather(*things, return_exceptions=False):
    tasks = [ensure_future(thing) for thing in things]
    if not tasks:
        return []
    outer, left = Future(), [len(tasks)]

    def finished(task):
        left[0] -= 1
        if outer._done:
            return
        if task._error is not None and not return_exceptions:
            outer.set_exception(task._error)
        elif not left[0]:
            outer.set_result(None)

    for task in tasks:
        task.add_done_callback(finished)
    try:
        await outer
    except CancelledError:
        for task in tasks:
            task.cancel()
        raise
    return [task._result if task._error is None else task._error for task in tasks]


async def wait_for(thing, timeout):
    task = ensure_future(thing)
    if timeout is None:
        return await task
    outer = Future()
    timer = loops._loop.later(timeout, wake, outer)
    task.add_done_callback(lambda _: wake(outer))
    try:
        await outer
    except CancelledError:
        task.cancel()
        raise
    finally:
        loops._loop.drop(timer)
    if task._done:
        return task.result()
    task.cancel()
    try:
        await task
    except CancelledError:
        raise TimeoutError()
    return task.result()


class timeout:
    def __init__(self, delay):
        self._delay, self._timer, self._late = delay, None, False

    def _expire(self, task):
        self._late = True
        task.cancel()

    async def __aenter__(self):
        if self._delay is not None:
            self._timer = loops._loop.later(self._delay, self._expire, loops._loop.task)
        return self

    async def __aexit__(self, kind, error, trace):
        if self._timer:
            loops._loop.drop(self._timer)
        if self._late and kind is not None and issubclass(kind, CancelledError):
            raise TimeoutError()


async def shield(thing):
    return await thing


def as_completed(things, *, timeout=None):
    queue, tasks = Queue(), [ensure_future(thing) for thing in things]

    async def one():
        return (await queue.get()).result()

    for task in tasks:
        task.add_done_callback(queue.put_nowait)
    return [one() for _ in tasks]

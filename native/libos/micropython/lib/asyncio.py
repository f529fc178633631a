"""run, gather, sleep, create_task, wait_for, Queue, Event, Lock, Semaphore, TimeoutError, CancelledError, timeout.

One loop, of this guest alone; it sleeps by the host's clock. Lacks: streams, subprocesses, threads, executors,
TaskGroup, wait, and generators that are `async` (the interpreter has none).
"""

import _host

TimeoutError = TimeoutError


class CancelledError(BaseException):
    pass


class InvalidStateError(Exception):
    pass


class QueueEmpty(Exception):
    pass


class QueueFull(Exception):
    pass


def _now():
    return _host.monotonic_ns()


class Future:
    def __init__(self):
        self._done, self._result, self._error, self._calls, self._cancelled = False, None, None, [], False

    def done(self):
        return self._done

    def cancelled(self):
        return self._cancelled

    def result(self):
        if not self._done:
            raise InvalidStateError("Result is not set.")
        if self._error is not None:
            raise self._error
        return self._result

    def exception(self):
        if not self._done:
            raise InvalidStateError("Exception is not set.")
        if self._cancelled:
            raise self._error
        return self._error

    def add_done_callback(self, call):
        if self._done:
            _loop.soon(call, self)
        else:
            self._calls.append(call)

    def set_result(self, result):
        self._finish(result, None)

    def set_exception(self, error):
        self._finish(None, error() if isinstance(error, type) else error)

    def _finish(self, result, error):
        if self._done:
            raise InvalidStateError("invalid state")
        self._done, self._result, self._error = True, result, error
        for call in self._calls:
            _loop.soon(call, self)
        self._calls = []

    def cancel(self, msg=None):
        if self._done:
            return False
        self._cancelled = True
        self._finish(None, CancelledError() if msg is None else CancelledError(msg))
        return True

    def __iter__(self):
        if not self._done:
            yield self
        return self.result()

    __await__ = __iter__


class Task(Future):
    _count = 0

    def __init__(self, coroutine, name=None):
        Future.__init__(self)
        Task._count += 1
        self._name = name or f"Task-{Task._count}"
        self._coroutine, self._waits, self._must = coroutine, None, None
        _loop.soon(self._step, None)

    def get_name(self):
        return self._name

    def set_name(self, name):
        self._name = str(name)

    def get_coro(self):
        return self._coroutine

    def cancel(self, msg=None):
        if self._done:
            return False
        if self._waits is not None and self._waits.cancel(msg):
            return True
        self._must = CancelledError() if msg is None else CancelledError(msg)
        return True

    def _step(self, _):
        if self._done:
            return
        self._waits, before = None, _loop.task
        _loop.task = self
        try:
            if self._must is not None:
                error, self._must = self._must, None
                waited = self._coroutine.throw(error)
            else:
                waited = self._coroutine.send(None)
        except StopIteration as stop:
            self._finish(stop.value, None)
        except CancelledError as error:
            self._cancelled = True
            self._finish(None, error)
        except Exception as error:
            self._finish(None, error)
        else:
            if isinstance(waited, Future):
                self._waits = waited
                waited.add_done_callback(self._step)
                if self._must is not None and waited.cancel():
                    self._must = None
            else:
                _loop.soon(self._step, None)
        finally:
            _loop.task = before


class _Loop:
    def __init__(self):
        self.ready, self.timers, self.count, self.task = [], [], 0, None

    def soon(self, call, value):
        self.ready.append((call, value))

    def later(self, seconds, call, value):
        self.count += 1
        timer = [_now() + int(seconds * 1000000000), self.count, call, value]
        at = len(self.timers)
        while at and self.timers[at - 1][0] > timer[0]:
            at -= 1
        self.timers.insert(at, timer)
        return timer

    def drop(self, timer):
        self.timers = [one for one in self.timers if one is not timer]

    def until(self, future):
        while not future._done:
            while self.timers and self.timers[0][0] <= _now():
                timer = self.timers.pop(0)
                self.ready.append((timer[2], timer[3]))
            if self.ready:
                batch, self.ready = self.ready, []
                for call, value in batch:
                    call(value)
            elif self.timers:
                _host.sleep_ns(max(0, self.timers[0][0] - _now()))
            else:
                raise RuntimeError("every task waits for another: nothing can happen any more")
        return future.result()

    def time(self):
        return _now() / 1e9

    def create_task(self, coroutine, *, name=None):
        return Task(coroutine, name)

    def create_future(self):
        return Future()

    def run_until_complete(self, coroutine):
        return self.until(ensure_future(coroutine))

    def call_soon(self, call, *values):
        self.soon(lambda _: call(*values), None)

    def call_later(self, delay, call, *values):
        return self.later(delay, lambda _: call(*values), None)

    def is_running(self):
        return self.task is not None

    def close(self):
        pass


_loop = _Loop()


def get_running_loop():
    if _loop.task is None:
        raise RuntimeError("no running event loop")
    return _loop


def get_event_loop():
    return _loop


new_event_loop = get_event_loop


def set_event_loop(loop):
    pass


def run(main, *, debug=None):
    global _loop
    if _loop.task is not None:
        raise RuntimeError("asyncio.run() cannot be called from a running event loop")
    if not hasattr(main, "send"):
        raise ValueError(f"a coroutine was expected, got {main!r}")
    _loop = _Loop()
    return _loop.until(Task(main))


def create_task(coroutine, *, name=None, context=None):
    get_running_loop()
    return Task(coroutine, name)


def ensure_future(thing):
    return thing if isinstance(thing, Future) else Task(thing)


def current_task():
    return _loop.task


def iscoroutine(thing):
    return hasattr(thing, "send")


def iscoroutinefunction(thing):
    return type(thing) is type(sleep)


async def sleep(delay, result=None):
    future = Future()
    if delay <= 0:
        _loop.soon(_wake, future)
    else:
        timer = _loop.later(delay, _wake, future)
    try:
        await future
    except CancelledError:
        if delay > 0:
            _loop.drop(timer)
        raise
    return result


def _wake(future):
    if not future._done:
        future.set_result(None)


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
    timer = _loop.later(timeout, _wake, outer)
    task.add_done_callback(lambda _: _wake(outer))
    try:
        await outer
    except CancelledError:
        task.cancel()
        raise
    finally:
        _loop.drop(timer)
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
            self._timer = _loop.later(self._delay, self._expire, _loop.task)
        return self

    async def __aexit__(self, kind, error, trace):
        if self._timer:
            _loop.drop(self._timer)
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


class Event:
    def __init__(self):
        self._set, self._waiters = False, []

    def is_set(self):
        return self._set

    def set(self):
        self._set = True
        waiters, self._waiters = self._waiters, []
        for one in waiters:
            _wake(one)

    def clear(self):
        self._set = False

    async def wait(self):
        if not self._set:
            future = Future()
            self._waiters.append(future)
            await future
        return True


class Semaphore:
    _one = False

    def __init__(self, value=1):
        if value < 0:
            raise ValueError("Semaphore initial value must be >= 0")
        self._value, self._waiters = value, []

    def locked(self):
        return self._value == 0

    async def acquire(self):
        if self._value and not self._waiters:
            self._value -= 1
            return True
        future = Future()
        self._waiters.append(future)
        try:
            await future
        except CancelledError:
            if future in self._waiters:
                self._waiters.remove(future)
            elif not future._cancelled:
                self.release()
            raise
        return True

    def release(self):
        while self._waiters:
            future = self._waiters.pop(0)
            if not future._done:
                future.set_result(None)
                return
        self._value += 1

    async def __aenter__(self):
        await self.acquire()

    async def __aexit__(self, kind, error, trace):
        self.release()


class BoundedSemaphore(Semaphore):
    def __init__(self, value=1):
        Semaphore.__init__(self, value)
        self._bound = value

    def release(self):
        if self._value >= self._bound:
            raise ValueError("BoundedSemaphore released too many times")
        Semaphore.release(self)


class Lock(Semaphore):
    def __init__(self):
        Semaphore.__init__(self, 1)

    def release(self):
        if self._value:
            raise RuntimeError("Lock is not acquired.")
        Semaphore.release(self)


class Queue:
    def __init__(self, maxsize=0):
        self.maxsize, self._items, self._getters, self._putters = maxsize, [], [], []
        self._unfinished, self._idle = 0, Event()
        self._idle.set()

    def _add(self, item):
        self._items.append(item)

    def _take(self):
        return self._items.pop(0)

    def qsize(self):
        return len(self._items)

    def empty(self):
        return not self._items

    def full(self):
        return 0 < self.maxsize <= len(self._items)

    def put_nowait(self, item):
        if self.full():
            raise QueueFull()
        self._add(item)
        self._unfinished += 1
        self._idle.clear()
        _next(self._getters)

    def get_nowait(self):
        if not self._items:
            raise QueueEmpty()
        item = self._take()
        _next(self._putters)
        return item

    async def put(self, item):
        while self.full():
            future = Future()
            self._putters.append(future)
            await future
        self.put_nowait(item)

    async def get(self):
        while not self._items:
            future = Future()
            self._getters.append(future)
            await future
        return self.get_nowait()

    def task_done(self):
        if self._unfinished <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished -= 1
        if not self._unfinished:
            self._idle.set()

    async def join(self):
        await self._idle.wait()


def _next(waiters):
    while waiters:
        future = waiters.pop(0)
        if not future._done:
            future.set_result(None)
            return


class LifoQueue(Queue):
    def _take(self):
        return self._items.pop()


class PriorityQueue(Queue):
    def _add(self, item):
        at = len(self._items)
        while at and item < self._items[at - 1]:
            at -= 1
        self._items.insert(at, item)

"""Futures, tasks and the loop that runs them. Knows nothing of locks and queues."""

import _host

TimeoutError = TimeoutError


class CancelledError(BaseException):
    pass


class InvalidStateError(Exception):
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


async def _coroutine():
    pass


def iscoroutinefunction(thing):
    return type(thing) is type(_coroutine)


def wake(future):
    if not future._done:
        future.set_result(None)

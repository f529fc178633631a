"""Event, Semaphore, BoundedSemaphore and Lock."""

from asyncio._loop import CancelledError, Future, wake


class Event:
    def __init__(self):
        self._set, self._waiters = False, []

    def is_set(self):
        return self._set

    def set(self):
        self._set = True
        waiters, self._waiters = self._waiters, []
        for one in waiters:
            wake(one)

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

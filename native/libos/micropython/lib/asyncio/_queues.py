"""Queue, LifoQueue and PriorityQueue."""

from asyncio._locks import Event
from asyncio._loop import Future


class QueueEmpty(Exception):
    pass


class QueueFull(Exception):
    pass


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

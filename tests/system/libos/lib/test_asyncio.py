def test_tasks_and_their_errors(same):
    same("""
import asyncio
async def work(name, delay, log):
    log.append("start " + name)
    await asyncio.sleep(delay)
    log.append("end " + name)
    return name
async def bad():
    raise ValueError("no")
async def main():
    log = []
    print(await asyncio.gather(work("a", 0.02, log), work("b", 0.01, log), work("c", 0, log)), log)
    task = asyncio.create_task(work("t", 0, log))
    print(task.done(), await task, task.done(), task.result())
    try: await asyncio.wait_for(work("slow", 5, log), 0.01)
    except asyncio.TimeoutError: print("late")
    print(await asyncio.wait_for(work("fast", 0, log), 1))
    try: await asyncio.gather(bad(), work("z", 0, log))
    except ValueError as error: print("error", error)
    got = await asyncio.gather(bad(), work("y", 0, log), return_exceptions=True)
    print(type(got[0]).__name__, got[1])
    slow = asyncio.create_task(work("never", 5, log))
    await asyncio.sleep(0)
    slow.cancel()
    try: await slow
    except asyncio.CancelledError: print("cancelled", slow.cancelled())
    try:
        async with asyncio.timeout(0.01): await asyncio.sleep(3)
    except TimeoutError: print("timeout")
    for one in asyncio.as_completed([work("p", 0.02, log), work("q", 0.0, log)]): print(await one)
    return 7
print(asyncio.run(main()))
try: asyncio.run(bad())
except ValueError as error: print(error)
""")


def test_queues_and_locks(same):
    same("""
import asyncio
async def producer(queue):
    for i in range(4):
        await queue.put(i)
    await queue.put(None)
async def consumer(queue, got):
    while (item := await queue.get()) is not None:
        got.append(item); queue.task_done()
async def guarded(lock, log, name):
    async with lock:
        log.append(name + " in"); await asyncio.sleep(0.001); log.append(name + " out")
class Count:
    def __init__(self, n): self.n, self.i = n, 0
    def __aiter__(self): return self
    async def __anext__(self):
        if self.i == self.n: raise StopAsyncIteration
        self.i += 1; await asyncio.sleep(0); return self.i
async def main():
    queue, got = asyncio.Queue(2), []
    await asyncio.gather(producer(queue), consumer(queue, got)); print(got, queue.empty())
    log, lock = [], asyncio.Lock()
    await asyncio.gather(*[guarded(lock, log, n) for n in "abc"]); print(log, lock.locked())
    log, sem = [], asyncio.Semaphore(2)
    await asyncio.gather(*[guarded(sem, log, n) for n in "abc"]); print(sorted(log))
    event = asyncio.Event()
    async def waiter(): await event.wait(); return "seen"
    task = asyncio.create_task(waiter()); await asyncio.sleep(0); print(event.is_set()); event.set(); print(await task)
    async for x in Count(3): print(x, end=" ")
    print()
    p = asyncio.PriorityQueue()
    for x in (3, 1, 2): p.put_nowait(x)
    print([p.get_nowait() for _ in range(3)])
    try: p.get_nowait()
    except asyncio.QueueEmpty: print("empty")
asyncio.run(main())
""")

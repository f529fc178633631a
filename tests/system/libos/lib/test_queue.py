def test_queues(same):
    same("""
import queue
for kind in (queue.Queue, queue.LifoQueue, queue.PriorityQueue):
    q = kind(3)
    for x in (2, 3, 1): q.put(x)
    print(q.full(), q.qsize())
    try: q.put_nowait(9)
    except queue.Full: print("full")
    print([q.get() for _ in range(3)], q.empty())
    try: q.get_nowait()
    except queue.Empty: print("empty")
""")

"""heapq: heapify, heappush, heappop, heapreplace, heappushpop, merge, nlargest, nsmallest. Orders as
CPython's.
"""


def _up(heap, start, at):
    item = heap[at]
    while at > start:
        parent = (at - 1) >> 1
        if not item < heap[parent]:
            break
        heap[at] = heap[parent]
        at = parent
    heap[at] = item


def _down(heap, at):
    # The smaller child moves up all the way to a leaf, then the item rises: which of equal items comes first depends on it.  # noqa: E501 - one line of words
    end, start, item = len(heap), at, heap[at]
    child = 2 * at + 1
    while child < end:
        if child + 1 < end and not heap[child] < heap[child + 1]:
            child += 1
        heap[at] = heap[child]
        at = child
        child = 2 * at + 1
    heap[at] = item
    _up(heap, start, at)


def heapify(heap):
    for at in range(len(heap) // 2 - 1, -1, -1):
        _down(heap, at)


def heappush(heap, item):
    heap.append(item)
    _up(heap, 0, len(heap) - 1)


def heappop(heap):
    if not heap:
        raise IndexError("index out of range")
    last = heap.pop()
    if not heap:
        return last
    first, heap[0] = heap[0], last
    _down(heap, 0)
    return first


def heapreplace(heap, item):
    if not heap:
        raise IndexError("index out of range")
    first, heap[0] = heap[0], item
    _down(heap, 0)
    return first


def heappushpop(heap, item):
    return heapreplace(heap, item) if heap and heap[0] < item else item


def _ordered(iterable, key, sign):
    # Of equal items the first comes first, which the interpreter's own sort does not promise.
    heap = [_Item(one if key is None else key(one), at, one, sign) for at, one in enumerate(iterable)]
    heapify(heap)
    return heap


class _Item:
    def __init__(self, key, at, item, sign):
        self.key, self.at, self.item, self.sign = key, at, item, sign

    def __lt__(self, other):
        first, second = (self, other) if self.sign else (other, self)
        if first.key < second.key:
            return True
        return self.at < other.at and not second.key < first.key


def nsmallest(n, iterable, key=None):
    heap = _ordered(iterable, key, True)
    return [heappop(heap).item for _ in range(min(n, len(heap)))]


def nlargest(n, iterable, key=None):
    heap = _ordered(iterable, key, False)
    return [heappop(heap).item for _ in range(min(n, len(heap)))]


def merge(*iterables, key=None, reverse=False):
    heads = []
    for iterable in iterables:
        source = iter(iterable)
        for item in source:
            heads.append([item if key is None else key(item), item, source])
            break
    while heads:
        best = heads[0]
        for head in heads[1:]:
            if best[0] < head[0] if reverse else head[0] < best[0]:
                best = head
        yield best[1]
        for item in best[2]:
            best[0], best[1] = item if key is None else key(item), item
            break
        else:
            heads = [head for head in heads if head is not best]

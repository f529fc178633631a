"""collections.deque over MicroPython's, with the methods and the freedom of size that it lacks.

Two stacks in one list would make the ends slow; this keeps a ring in a list that doubles."""


class deque:
    def __init__(self, iterable=(), maxlen=None):
        if maxlen is not None and maxlen < 0:
            raise ValueError("maxlen must be non-negative")
        self._ring = [None] * 8
        self._first = 0
        self._count = 0
        self.maxlen = maxlen
        self.extend(iterable)

    def _grow(self):
        ring = self._ring
        first = self._first
        self._ring = ring[first:] + ring[:first] + [None] * len(ring)
        self._first = 0

    def append(self, x):
        if self._count == self.maxlen:
            if not self.maxlen:
                return
            self.popleft()
        if self._count == len(self._ring):
            self._grow()
        ring = self._ring
        ring[(self._first + self._count) % len(ring)] = x
        self._count += 1

    def appendleft(self, x):
        if self._count == self.maxlen:
            if not self.maxlen:
                return
            self.pop()
        if self._count == len(self._ring):
            self._grow()
        self._first = (self._first - 1) % len(self._ring)
        self._ring[self._first] = x
        self._count += 1

    def popleft(self):
        if not self._count:
            raise IndexError("pop from an empty deque")
        first = self._first
        ring = self._ring
        x = ring[first]
        ring[first] = None
        self._first = (first + 1) % len(ring)
        self._count -= 1
        return x

    def pop(self):
        if not self._count:
            raise IndexError("pop from an empty deque")
        self._count -= 1
        ring = self._ring
        last = (self._first + self._count) % len(ring)
        x = ring[last]
        ring[last] = None
        return x

    def extend(self, iterable):
        if iterable is self:
            iterable = list(self)
        for x in iterable:
            self.append(x)

    def extendleft(self, iterable):
        if iterable is self:
            iterable = list(self)
        for x in iterable:
            self.appendleft(x)

    def clear(self):
        self._ring = [None] * 8
        self._first = self._count = 0

    def copy(self):
        return deque(self, self.maxlen)

    def rotate(self, n=1):
        if self._count > 1:
            items = list(self)
            n %= self._count
            self.clear()
            self.extend(items[-n:] + items[:-n] if n else items)

    def reverse(self):
        items = list(self)
        items.reverse()
        self.clear()
        self.extend(items)

    def count(self, x):
        return list(self).count(x)

    def index(self, x, *bounds):
        try:
            return list(self).index(x, *bounds)
        except ValueError:
            raise ValueError(repr(x) + " is not in deque")

    def insert(self, i, x):
        if self._count == self.maxlen:
            raise IndexError("deque already at its maximum size")
        items = list(self)
        items.insert(i, x)
        self.clear()
        self.extend(items)

    def remove(self, x):
        items = list(self)
        try:
            items.remove(x)
        except ValueError:
            raise ValueError("deque.remove(x): x not in deque")
        self.clear()
        self.extend(items)

    def _at(self, i):
        if i < 0:
            i += self._count
        if not 0 <= i < self._count:
            raise IndexError("deque index out of range")
        return (self._first + i) % len(self._ring)

    def __getitem__(self, i):
        return self._ring[self._at(i)]

    def __setitem__(self, i, x):
        self._ring[self._at(i)] = x

    def __delitem__(self, i):
        self._at(i)
        items = list(self)
        del items[i]
        self.clear()
        self.extend(items)

    def __len__(self):
        return self._count

    def __bool__(self):
        return self._count > 0

    def __iter__(self):
        for i in range(self._count):
            if i >= self._count:
                raise RuntimeError("deque mutated during iteration")
            yield self._ring[(self._first + i) % len(self._ring)]

    def __reversed__(self):
        items = list(self)
        items.reverse()
        return iter(items)

    def __contains__(self, x):
        for item in self:
            if item == x:
                return True
        return False

    def __repr__(self):
        bound = "" if self.maxlen is None else ", maxlen=" + str(self.maxlen)
        return "deque(" + repr(list(self)) + bound + ")"

    def __eq__(self, other):
        return isinstance(other, deque) and list(self) == list(other)

    def __lt__(self, other):
        return list(self) < list(other)

    def __add__(self, other):
        made = self.copy()
        made.extend(other)
        return made

    def __iadd__(self, other):
        self.extend(other)
        return self

    def __mul__(self, n):
        return deque(list(self) * n, self.maxlen)

    def __hash__(self):
        raise TypeError("unhashable type: 'collections.deque'")

"""collections.Counter."""


class Counter(dict):
    def __init__(self, iterable=None, **kwds):
        super().__init__()
        self.update(iterable, **kwds)

    def __getitem__(self, key):
        return self.get(key, 0)

    def __missing__(self, key):
        return 0

    def __delitem__(self, key):
        if key in self:
            super().__delitem__(key)

    def update(self, iterable=None, **kwds):
        get = self.get
        if iterable is not None:
            if hasattr(iterable, "items"):
                for key, count in iterable.items():
                    self[key] = get(key, 0) + count
            else:
                for key in iterable:
                    self[key] = get(key, 0) + 1
        for key, count in kwds.items():
            self[key] = get(key, 0) + count

    def subtract(self, iterable=None, **kwds):
        if iterable is not None:
            if hasattr(iterable, "items"):
                for key, count in iterable.items():
                    self[key] = self[key] - count
            else:
                for key in iterable:
                    self[key] = self[key] - 1
        for key, count in kwds.items():
            self[key] = self[key] - count

    def most_common(self, n=None):
        # Stable: what was met first stays first among equals.
        items = sorted(self.items(), key=lambda item: -item[1])
        return items if n is None else items[: max(n, 0)]

    def elements(self):
        for key, count in self.items():
            for _ in range(count):
                yield key

    def total(self):
        return sum(self.values())

    def copy(self):
        return Counter(self)

    @classmethod
    def fromkeys(cls, iterable, v=None):
        raise NotImplementedError("Counter.fromkeys() is undefined.  Use Counter(iterable) instead.")

    def _kept(self, pairs):
        made = Counter()
        for key, count in pairs:
            if count > 0:
                made[key] = count
        return made

    def _keys_of(self, other):
        return list(self) + [key for key in other if key not in self]

    def __add__(self, other):
        if not isinstance(other, Counter):
            return NotImplemented
        return self._kept([(k, self[k] + other[k]) for k in self._keys_of(other)])

    def __sub__(self, other):
        if not isinstance(other, Counter):
            return NotImplemented
        return self._kept([(k, self[k] - other[k]) for k in self._keys_of(other)])

    def __or__(self, other):
        if not isinstance(other, Counter):
            return NotImplemented
        return self._kept([(k, max(self[k], other[k])) for k in self._keys_of(other)])

    def __and__(self, other):
        if not isinstance(other, Counter):
            return NotImplemented
        return self._kept([(k, min(self[k], other[k])) for k in self])

    def __pos__(self):
        return self._kept(self.items())

    def __neg__(self):
        return self._kept([(k, -v) for k, v in self.items()])

    def _become(self, other):
        self.clear()
        for key, count in other.items():
            self[key] = count
        return self

    def __iadd__(self, other):
        return self._become(self + other)

    def __isub__(self, other):
        return self._become(self - other)

    def __ior__(self, other):
        return self._become(self | other)

    def __iand__(self, other):
        return self._become(self & other)

    def __eq__(self, other):
        if not isinstance(other, Counter):
            return super().__eq__(other)
        for key in self._keys_of(other):
            if self[key] != other[key]:
                return False
        return True

    def __ne__(self, other):
        return not self == other

    def __le__(self, other):
        for key in self._keys_of(other):
            if self[key] > other[key]:
                return False
        return True

    def __ge__(self, other):
        return other <= self

    def __lt__(self, other):
        return self <= other and self != other

    def __gt__(self, other):
        return other < self

    def __repr__(self):
        if not self:
            return "Counter()"
        return "Counter({" + ", ".join([repr(k) + ": " + repr(v) for k, v in self.most_common()]) + "})"

    __str__ = __repr__

"""Abstract base classes: names to inherit from and to subscript. Mixins of Mapping, MutableMapping,
Sequence and Set are there; isinstance() looks at what an object can do where the guest's isinstance allows
it.
"""


class _Abstract:
    @classmethod
    def __class_getitem__(cls, item):
        return cls


class Hashable(_Abstract):
    pass


class Callable(_Abstract):
    pass


class Awaitable(_Abstract):
    pass


class Coroutine(Awaitable):
    pass


class Iterable(_Abstract):
    pass


class Iterator(Iterable):
    def __iter__(self):
        return self


class Generator(Iterator):
    pass


class AsyncIterable(_Abstract):
    pass


class AsyncIterator(AsyncIterable):
    def __aiter__(self):
        return self


class Sized(_Abstract):
    pass


class Container(_Abstract):
    pass


class Collection(Sized, Iterable, Container):
    pass


class Reversible(Iterable):
    pass


class Sequence(Collection):
    def __iter__(self):
        for i in range(len(self)):
            yield self[i]

    def __contains__(self, value):
        for item in self:
            if item == value:
                return True
        return False

    def __reversed__(self):
        for i in range(len(self) - 1, -1, -1):
            yield self[i]

    def index(self, value, start=0, stop=None):
        for i in range(start, len(self) if stop is None else stop):
            if self[i] == value:
                return i
        raise ValueError

    def count(self, value):
        return sum([1 for item in self if item == value])


class MutableSequence(Sequence):
    def append(self, value):
        self.insert(len(self), value)

    def extend(self, values):
        for value in values:
            self.append(value)

    def pop(self, index=-1):
        value = self[index]
        del self[index]
        return value

    def remove(self, value):
        del self[self.index(value)]

    def __iadd__(self, values):
        self.extend(values)
        return self


class Mapping(Collection):
    def get(self, key, default=None):
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key):
        try:
            self[key]
        except KeyError:
            return False
        return True

    def keys(self):
        return dict([(key, None) for key in self]).keys()

    def items(self):
        return dict([(key, self[key]) for key in self]).items()

    def values(self):
        return [self[key] for key in self]

    def __eq__(self, other):
        return dict(self.items()) == dict(other.items())


class MutableMapping(Mapping):
    def pop(self, key, *default):
        try:
            value = self[key]
        except KeyError:
            if default:
                return default[0]
            raise
        del self[key]
        return value

    def popitem(self):
        for key in self:
            value = self[key]
            del self[key]
            return key, value
        raise KeyError

    def clear(self):
        for key in list(self):
            del self[key]

    def update(self, other=(), **kwargs):
        if hasattr(other, "keys"):
            for key in other.keys():
                self[key] = other[key]
        else:
            for key, value in other:
                self[key] = value
        for key, value in kwargs.items():
            self[key] = value

    def setdefault(self, key, default=None):
        try:
            return self[key]
        except KeyError:
            self[key] = default
        return default


class Set(Collection):
    def __le__(self, other):
        return all([item in other for item in self])

    def __eq__(self, other):
        return len(self) == len(other) and self <= other

    def __and__(self, other):
        return self._from_iterable([item for item in self if item in other])

    def __or__(self, other):
        return self._from_iterable(list(self) + [item for item in other if item not in self])

    def __sub__(self, other):
        return self._from_iterable([item for item in self if item not in other])

    def isdisjoint(self, other):
        return not any([item in self for item in other])

    @classmethod
    def _from_iterable(cls, items):
        return cls(items)


class MutableSet(Set):
    def remove(self, value):
        if value not in self:
            raise KeyError(value)
        self.discard(value)


class MappingView(Sized):
    pass


class KeysView(MappingView):
    pass


class ItemsView(MappingView):
    pass


class ValuesView(MappingView):
    pass


class Buffer(_Abstract):
    pass


class ByteString(Sequence):
    pass

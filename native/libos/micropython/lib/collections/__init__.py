"""Counter, defaultdict, OrderedDict, ChainMap, deque, namedtuple, UserDict, UserList, UserString."""

from ._counter import Counter
from ._deque import deque
from ._namedtuple import namedtuple

__all__ = [
    "ChainMap",
    "Counter",
    "OrderedDict",
    "UserDict",
    "UserList",
    "UserString",
    "defaultdict",
    "deque",
    "namedtuple",
]


class OrderedDict(dict):
    def __repr__(self):
        return "OrderedDict(" + (repr(list(self.items())) if self else "") + ")"

    __str__ = __repr__

    def move_to_end(self, key, last=True):
        value = self.pop(key)
        if last:
            self[key] = value
            return
        rest = list(self.items())
        self.clear()
        self[key] = value
        for k, v in rest:
            self[k] = v

    def popitem(self, last=True):
        if not self:
            raise KeyError("dictionary is empty")
        if not last:
            for key in self:
                break
        else:
            key = list(self)[-1]
        return key, self.pop(key)

    def copy(self):
        return OrderedDict(self.items())

    def __reversed__(self):
        return reversed(list(self))

    def __eq__(self, other):
        if isinstance(other, OrderedDict):
            return list(self.items()) == list(other.items())
        return super().__eq__(other)


class defaultdict(dict):
    def __init__(self, default_factory=None, *args, **kwargs):
        if default_factory is not None and not callable(default_factory):
            raise TypeError("first argument must be callable or None")
        super().__init__()
        self.default_factory = default_factory
        if args or kwargs:
            self.update(dict(*args, **kwargs))

    def __getitem__(self, key):
        # A `get` with a default of its own would be a second look-up where the key is there.
        try:
            return super().__getitem__(key)
        except KeyError:
            return self.__missing__(key)

    def __missing__(self, key):
        if self.default_factory is None:
            raise KeyError(key)
        value = self.default_factory()
        self[key] = value
        return value

    def __repr__(self):
        return "defaultdict(" + repr(self.default_factory) + ", " + repr(dict(self.items())) + ")"

    __str__ = __repr__

    def copy(self):
        return defaultdict(self.default_factory, self.items())


def __getattr__(name):
    if name == "ChainMap":
        from ._chainmap import ChainMap

        return ChainMap
    if name in ("UserDict", "UserList", "UserString"):
        from . import _user

        return getattr(_user, name)
    if name == "abc":
        import collections.abc

        return collections.abc
    raise AttributeError("module 'collections' has no attribute '" + name + "'")

"""partial, reduce, wraps, lru_cache, cache, cached_property, total_ordering, cmp_to_key, singledispatch.

wraps copies names where the guest lets functions have attributes; partialmethod and singledispatchmethod
are there.
"""

WRAPPER_ASSIGNMENTS = ("__module__", "__name__", "__qualname__", "__doc__")
WRAPPER_UPDATES = ("__dict__",)
_NONE = object()


def reduce(function, iterable, initial=_NONE):
    it = iter(iterable)
    if initial is _NONE:
        for initial in it:
            break
        else:
            raise TypeError("reduce() of empty iterable with no initial value")
    for item in it:
        initial = function(initial, item)
    return initial


class partial:
    def __init__(self, func, *args, **keywords):
        if isinstance(func, partial):
            args = func.args + args
            merged = dict(func.keywords)
            merged.update(keywords)
            keywords = merged
            func = func.func
        if not callable(func):
            raise TypeError("the first argument must be callable")
        self.func = func
        self.args = args
        self.keywords = keywords

    def __call__(self, *args, **keywords):
        merged = dict(self.keywords)
        merged.update(keywords)
        return self.func(*(self.args + args), **merged)

    def __repr__(self):
        parts = [repr(self.func)] + [repr(a) for a in self.args]
        parts += [k + "=" + repr(v) for k, v in self.keywords.items()]
        return "functools.partial(" + ", ".join(parts) + ")"


class partialmethod:
    def __init__(self, func, *args, **keywords):
        self.func = func
        self.args = args
        self.keywords = keywords

    def __get__(self, instance, owner):
        return partial(self.func, instance, *self.args, **self.keywords)


def update_wrapper(wrapper, wrapped, assigned=WRAPPER_ASSIGNMENTS, updated=WRAPPER_UPDATES):
    for name in assigned:
        try:
            setattr(wrapper, name, getattr(wrapped, name))
        except (AttributeError, TypeError):
            pass
    try:
        wrapper.__wrapped__ = wrapped
    except (AttributeError, TypeError):
        pass
    return wrapper


def wraps(wrapped, assigned=WRAPPER_ASSIGNMENTS, updated=WRAPPER_UPDATES):
    return lambda wrapper: update_wrapper(wrapper, wrapped, assigned, updated)


_info = None


def _cache_info(hits, misses, maxsize, size):
    global _info
    if _info is None:
        from collections import namedtuple

        _info = namedtuple("CacheInfo", ("hits", "misses", "maxsize", "currsize"))
    return _info(hits, misses, maxsize, size)


class _Bound:
    def __init__(self, cached, instance):
        self._cached = cached
        self._instance = instance

    def __call__(self, *args, **keywords):
        return self._cached(self._instance, *args, **keywords)

    def __getattr__(self, name):
        return getattr(self._cached, name)


class _Cached:
    def __init__(self, function, maxsize, typed):
        self.__wrapped__ = function
        self._maxsize = maxsize
        self._typed = typed
        self._known = {}
        self._hits = 0
        self._misses = 0
        update_wrapper(self, function)

    def __get__(self, instance, owner):
        return self if instance is None else _Bound(self, instance)

    def _key(self, args, keywords):
        if keywords:
            key = (args, tuple(keywords.items()))
            values = args + tuple(keywords.values())
        else:
            key = args
            values = args
        if self._typed:
            return key, tuple([type(v) for v in values])
        return key

    def __call__(self, *args, **keywords):
        key = args
        if keywords or self._typed:
            key = self._key(args, keywords)
        known = self._known
        if self._maxsize is None:
            try:
                value = known[key]
                self._hits += 1
                return value
            except KeyError:
                pass
            self._misses += 1
            value = known[key] = self.__wrapped__(*args, **keywords)
            return value
        if key in known:
            self._hits += 1
            value = known.pop(key)
            known[key] = value
            return value
        self._misses += 1
        value = self.__wrapped__(*args, **keywords)
        if self._maxsize > 0:
            if len(known) >= self._maxsize and key not in known:
                del known[next(iter(known))]
            known[key] = value
        return value

    def cache_info(self):
        return _cache_info(self._hits, self._misses, self._maxsize, len(self._known))

    def cache_parameters(self):
        return {"maxsize": self._maxsize, "typed": self._typed}

    def cache_clear(self):
        self._known.clear()
        self._hits = self._misses = 0


def lru_cache(maxsize=128, typed=False):
    if callable(maxsize):
        return _Cached(maxsize, 128, False)
    if maxsize is not None and maxsize < 0:
        maxsize = 0
    return lambda function: _Cached(function, maxsize, typed)


def cache(function):
    return _Cached(function, None, False)


class cached_property:
    # Once set, the instance's own attribute is found before this.
    def __init__(self, func):
        self.func = func
        self.attrname = func.__name__

    def __get__(self, instance, owner):
        if instance is None:
            return self
        value = self.func(instance)
        setattr(instance, self.attrname, value)
        return value


def cmp_to_key(mycmp):
    class Key:
        def __init__(self, obj):
            self.obj = obj

        def __lt__(self, other):
            return mycmp(self.obj, other.obj) < 0

        def __gt__(self, other):
            return mycmp(self.obj, other.obj) > 0

        def __le__(self, other):
            return mycmp(self.obj, other.obj) <= 0

        def __ge__(self, other):
            return mycmp(self.obj, other.obj) >= 0

        def __eq__(self, other):
            return mycmp(self.obj, other.obj) == 0

    return Key


def total_ordering(cls):
    own = cls.__dict__
    if "__lt__" in own:
        made = {
            "__gt__": lambda a, b: not (a < b or a == b),
            "__le__": lambda a, b: a < b or a == b,
            "__ge__": lambda a, b: not a < b,
        }
    elif "__le__" in own:
        made = {
            "__ge__": lambda a, b: not a <= b or a == b,
            "__lt__": lambda a, b: a <= b and not a == b,
            "__gt__": lambda a, b: not a <= b,
        }
    elif "__gt__" in own:
        made = {
            "__lt__": lambda a, b: not (a > b or a == b),
            "__ge__": lambda a, b: a > b or a == b,
            "__le__": lambda a, b: not a > b,
        }
    elif "__ge__" in own:
        made = {
            "__le__": lambda a, b: not a >= b or a == b,
            "__gt__": lambda a, b: a >= b and not a == b,
            "__lt__": lambda a, b: not a >= b,
        }
    else:
        raise ValueError("must define at least one ordering operation: < > <= >=")
    for name, function in made.items():
        if name not in own:
            setattr(cls, name, function)
    return cls


def _ancestors(cls):
    seen = [cls]
    for base in cls.__bases__:
        for one in _ancestors(base):
            if one not in seen:
                seen.append(one)
    if object in seen:
        seen.remove(object)
    seen.append(object)
    return seen


class _Dispatched:
    def __init__(self, function):
        self.registry = {object: function}
        self._default = function
        update_wrapper(self, function)

    def register(self, cls, function=None):
        if function is None:
            return lambda f: self.register(cls, f)
        self.registry[cls] = function
        return function

    def dispatch(self, cls):
        if cls in self.registry:
            return self.registry[cls]
        for base in _ancestors(cls):
            if base in self.registry and base is not object:
                return self.registry[base]
        if cls is bool and int in self.registry:
            return self.registry[int]
        for known, function in self.registry.items():
            if known is not object and issubclass(cls, known):
                return function
        return self._default

    def __call__(self, first, *args, **keywords):
        return self.dispatch(type(first))(first, *args, **keywords)


def singledispatch(function):
    return _Dispatched(function)


class singledispatchmethod:
    def __init__(self, function):
        self._dispatched = _Dispatched(function)

    def register(self, cls, method=None):
        return self._dispatched.register(cls, method)

    def __get__(self, instance, owner):
        return lambda first, *args, **kw: self._dispatched.dispatch(type(first))(instance, first, *args, **kw)

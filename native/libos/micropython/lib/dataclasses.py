"""dataclass, field, fields, asdict, astuple, replace, make_dataclass, is_dataclass, FrozenInstanceError,
KW_ONLY.

`Field.type` is a class where the annotation names a builtin one, and the annotation's text otherwise.
Lacks: slots that save memory, weakref_slot, match_args.
"""


class FrozenInstanceError(AttributeError):
    pass


class _Marker:
    def __init__(self, text):
        self._text = text

    def __repr__(self):
        return self._text


MISSING = _Marker("MISSING")
KW_ONLY = _Marker("KW_ONLY")


_CLASSES = {
    one.__name__: one for one in (int, float, str, bytes, bool, list, dict, tuple, set, frozenset, object)
}


class InitVar:
    @classmethod
    def __class_getitem__(cls, item):
        return cls


class Field:
    def __init__(self, default, default_factory, init, repr, hash, compare, metadata, kw_only):
        self.name = self.type = None
        self.default, self.default_factory = default, default_factory
        self.init, self.repr, self.hash, self.compare = init, repr, hash, compare
        self.metadata, self.kw_only = metadata or {}, kw_only
        self._initvar = False

    def _value(self):
        return self.default if self.default_factory is MISSING else self.default_factory()

    def _has_default(self):
        return self.default is not MISSING or self.default_factory is not MISSING


def field(
    *,
    default=MISSING,
    default_factory=MISSING,
    init=True,
    repr=True,
    hash=None,
    compare=True,
    metadata=None,
    kw_only=MISSING,
):
    if default is not MISSING and default_factory is not MISSING:
        raise ValueError("cannot specify both default and default_factory")
    return Field(default, default_factory, init, repr, hash, compare, metadata, kw_only)


def dataclass(
    cls=None,
    *,
    init=True,
    repr=True,
    eq=True,
    order=False,
    unsafe_hash=False,
    frozen=False,
    match_args=True,
    kw_only=False,
    slots=False,
    weakref_slot=False,
):
    def made(cls):
        return _process(cls, init, repr, eq, order, unsafe_hash, frozen, kw_only)

    return made if cls is None else made(cls)


def _process(cls, init, repr, eq, order, unsafe_hash, frozen, kw_only):
    if order and not eq:
        raise ValueError("eq must be true if order is true")
    found = {}
    for base in reversed(_ancestors(cls)):
        for one in getattr(base, "__dict__", {}).get("__dataclass_fields__", {}).values():
            found[one.name] = one
    own = cls.__dict__
    for name, word in own.get("__annotations__", {}).items():
        kind = word.split("[")[0].split(".")[-1]
        if kind == "ClassVar" or kind == "KW_ONLY":
            kw_only = kw_only or kind == "KW_ONLY"
            continue
        default = own.get(name, MISSING)
        if isinstance(default, Field):
            one = default
            if one.default is MISSING:
                delattr(cls, name)
            else:
                setattr(cls, name, one.default)
        else:
            if isinstance(default, (list, dict, set)):
                found = type(default).__name__
                raise ValueError(
                    f"mutable default <class '{found}'> for field {name} is not allowed: use default_factory"
                )
            one = Field(default, MISSING, True, True, None, True, None, MISSING)
        one.name, one.type = name, _CLASSES.get(word, word)
        one._initvar = kind == "InitVar"
        if one.kw_only is MISSING:
            one.kw_only = kw_only
        found[name] = one
    seen_default = ""
    for one in found.values():
        if one.init and not one.kw_only:
            if one._has_default():
                seen_default = one.name
            elif seen_default:
                raise TypeError(f"non-default argument '{one.name}' follows default argument")
    cls.__dataclass_fields__ = found
    kept = [one for one in found.values() if not one._initvar]
    if init and "__init__" not in own:
        cls.__init__ = _init(cls, list(found.values()), frozen)
    if repr and "__repr__" not in own:
        shown = [one.name for one in kept if one.repr]

        def __repr__(self):
            told = ", ".join([f"{name}={getattr(self, name)!r}" for name in shown])
            return f"{type(self).__qualname__}({told})"

        cls.__repr__ = __repr__
    compared = [one.name for one in kept if one.compare]

    def key(self):
        return tuple([getattr(self, name) for name in compared])

    if eq and "__eq__" not in own:

        def __eq__(self, other):
            if type(other) is not type(self):
                return NotImplemented
            return key(self) == key(other)

        cls.__eq__ = __eq__
    if order:
        for name, compare in _ORDERS.items():
            setattr(cls, name, _ordering(key, compare))
    if (unsafe_hash or (eq and frozen)) and "__hash__" not in own:
        cls.__hash__ = lambda self: hash(key(self))
    elif eq and "__hash__" not in own:
        cls.__hash__ = _unhashable
    if frozen:
        cls.__setattr__ = _refuse_set
        cls.__delattr__ = _refuse_delete
    return cls


_ORDERS = {
    "__lt__": lambda a, b: a < b,
    "__le__": lambda a, b: a <= b,
    "__gt__": lambda a, b: a > b,
    "__ge__": lambda a, b: a >= b,
}


def _ordering(key, compare):
    def method(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return compare(key(self), key(other))

    return method


def _unhashable(self):
    raise TypeError(f"unhashable type: '{type(self).__name__}'")


def _refuse_set(self, name, value):
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self, name):
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _ancestors(cls):
    found = []
    for base in cls.__bases__:
        found.append(base)
        found.extend([one for one in _ancestors(base) if one not in found])
    return found


def _init(cls, every, frozen):
    placed = [one for one in every if one.init and not one.kw_only]
    by_name = {one.name: one for one in every if one.init}
    title = f"{cls.__name__}.__init__()"

    def __init__(self, *values, **named):
        store = object.__setattr__ if frozen else setattr
        if len(values) > len(placed):
            least, most, given = (
                len([p for p in placed if not p._has_default()]) + 1,
                len(placed) + 1,
                len(values) + 1,
            )
            takes = f"{most}" if least == most else f"from {least} to {most}"
            raise TypeError(
                f"{title} takes {takes} positional argument{'' if most == 1 else 's'} but {given} were given"
            )
        given = {}
        for one, value in zip(placed, values):
            given[one.name] = value
        for name, value in named.items():
            if name not in by_name:
                raise TypeError(f"{title} got an unexpected keyword argument '{name}'")
            if name in given:
                raise TypeError(f"{title} got multiple values for argument '{name}'")
            given[name] = value
        missing = [one.name for one in placed if one.name not in given and not one._has_default()]
        if missing:
            raise TypeError(_missing(title, missing, "positional"))
        missing = [
            n for n, one in by_name.items() if one.kw_only and n not in given and not one._has_default()
        ]
        if missing:
            raise TypeError(_missing(title, missing, "keyword-only"))
        late = []
        for one in every:
            if one.name in given:
                value = given[one.name]
            elif one._has_default():
                value = one._value()
            else:
                continue
            if one._initvar:
                late.append(value)
            else:
                store(self, one.name, value)
        if hasattr(self, "__post_init__"):
            self.__post_init__(*late)

    return __init__


def _missing(title, names, kind):
    quoted = [f"'{name}'" for name in names]
    if len(quoted) > 1:
        glue = " and " if len(quoted) == 2 else ", and "
        quoted = [", ".join(quoted[:-1]) + glue + quoted[-1]]
    return (
        f"{title} missing {len(names)} required {kind} argument{'' if len(names) == 1 else 's'}: {quoted[0]}"
    )


def fields(thing):
    try:
        found = thing.__dataclass_fields__
    except AttributeError:
        raise TypeError("must be called with a dataclass type or instance")
    return tuple([one for one in found.values() if not one._initvar])


def is_dataclass(thing):
    return hasattr(thing, "__dataclass_fields__")


def _instance(thing):
    return hasattr(thing, "__dataclass_fields__") and not isinstance(thing, type)


def asdict(thing, *, dict_factory=dict):
    if not _instance(thing):
        raise TypeError("asdict() should be called on dataclass instances")
    return _plain(
        thing,
        lambda one: dict_factory(
            [(f.name, _plain_dict(getattr(one, f.name), dict_factory)) for f in fields(one)]
        ),
    )


def _plain_dict(value, factory):
    return _plain(value, lambda one: asdict(one, dict_factory=factory))


def astuple(thing, *, tuple_factory=tuple):
    if not _instance(thing):
        raise TypeError("astuple() should be called on dataclass instances")
    deep = lambda value: _plain(value, lambda one: astuple(one, tuple_factory=tuple_factory))
    return tuple_factory([deep(getattr(thing, f.name)) for f in fields(thing)])


def _plain(value, inner):
    if _instance(value):
        return inner(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[_plain(one, inner) for one in value])
    if isinstance(value, (list, tuple)):
        return type(value)([_plain(one, inner) for one in value])
    if isinstance(value, dict):
        return {_plain(k, inner): _plain(v, inner) for k, v in value.items()}
    return value


def replace(thing, **changes):
    if not _instance(thing):
        raise TypeError("replace() should be called on dataclass instances")
    for one in thing.__dataclass_fields__.values():
        if not one.init:
            if one.name in changes:
                raise ValueError(
                    f"field {one.name} is declared with init=False, it cannot be specified with replace()"
                )
        elif one.name not in changes and not one._initvar:
            changes[one.name] = getattr(thing, one.name)
    return type(thing)(**changes)


def make_dataclass(cls_name, fields, *, bases=(), namespace=None, **options):
    members, words = dict(namespace or {}), {}
    for one in fields:
        if isinstance(one, str):
            words[one] = "Any"
        else:
            words[one[0]] = getattr(one[1], "__name__", "")
            if len(one) == 3:
                members[one[0]] = one[2]
    members["__annotations__"] = words
    members["__qualname__"] = cls_name
    return dataclass(type(cls_name, bases, members), **options)

"""Names for annotations, which mean nothing when code runs; NamedTuple, TypedDict and cast do what they do."""  # noqa: E501 - one line of words


class _Word:
    def __init__(self, name):
        self._name = name

    def __getitem__(self, item):
        return self

    def __call__(self, *values, **named):
        return values[0] if values else dict(**named)

    def __or__(self, other):
        return self

    def __ror__(self, other):
        return self

    def __repr__(self):
        return "typing." + self._name


def __getattr__(name):
    if name[:1].isupper():
        return _Word(name)
    raise AttributeError(f"module 'typing' has no attribute '{name}'")


TYPE_CHECKING = False
List, Dict, Set, FrozenSet, Tuple, Type, Text = list, dict, set, frozenset, tuple, type, str
AnyStr = str
Any = _Word("Any")
Optional, Union, Callable, Literal, ClassVar, Final = [
    _Word(n) for n in "Optional Union Callable Literal ClassVar Final".split()
]
Iterable, Iterator, Sequence, Mapping, Generator = [
    _Word(n) for n in "Iterable Iterator Sequence Mapping Generator".split()
]
MutableMapping, MutableSequence, Collection, Hashable, Sized = [
    _Word(n) for n in "MutableMapping MutableSequence Collection Hashable Sized".split()
]
Awaitable, Coroutine, AsyncIterator, AsyncIterable, AsyncGenerator = [
    _Word(n) for n in "Awaitable Coroutine AsyncIterator AsyncIterable AsyncGenerator".split()
]
(
    Annotated,
    Self,
    Never,
    NoReturn,
    TypeAlias,
    Concatenate,
    Required,
    NotRequired,
    TypeGuard,
    Unpack,
    LiteralString,
) = [
    _Word(n)
    for n in "Annotated Self Never NoReturn TypeAlias Concatenate Required NotRequired TypeGuard Unpack LiteralString".split()  # noqa: E501 - one line of words
]
DefaultDict, OrderedDict, Counter, Deque, ChainMap, IO, TextIO, BinaryIO, Pattern, Match = [
    _Word(n)
    for n in "DefaultDict OrderedDict Counter Deque ChainMap IO TextIO BinaryIO Pattern Match".split()
]
(
    AbstractSet,
    Container,
    Reversible,
    ContextManager,
    SupportsInt,
    SupportsFloat,
    ItemsView,
    KeysView,
    ValuesView,
) = [
    _Word(n)
    for n in "AbstractSet Container Reversible ContextManager SupportsInt SupportsFloat ItemsView KeysView ValuesView".split()  # noqa: E501 - one line of words
]


class Generic:
    @classmethod
    def __class_getitem__(cls, item):
        return cls


class Protocol:
    @classmethod
    def __class_getitem__(cls, item):
        return cls


def TypeVar(name, *bounds, **more):
    return _Word(name)


def ParamSpec(name, **more):
    return _Word(name)


def TypeVarTuple(name, **more):
    return _Word(name)


def NewType(name, of):
    return lambda value: value


def cast(kind, value):
    return value


def assert_never(value):
    raise AssertionError(f"Expected code to be unreachable, but got: {value!r}")


def assert_type(value, kind):
    return value


def reveal_type(value):
    return value


def overload(function):
    return function


def final(thing):
    return thing


def override(thing):
    return thing


def runtime_checkable(cls):
    return cls


def no_type_check(thing):
    return thing


def get_type_hints(thing, *more, **named):
    return dict(getattr(thing, "__annotations__", {}))


def get_origin(kind):
    return None


def get_args(kind):
    return ()


class TypedDict(dict):
    pass


class NamedTuple:
    """Base of classes whose annotated names are the fields of a tuple; also called with a name and fields."""

    def __new__(cls, typename, fields=(), **named):
        from collections import namedtuple

        return namedtuple(typename, [one[0] for one in (fields or named.items())])

    @classmethod
    def __init_subclass__(cls, **options):
        if getattr(cls, "_fields", None) is not None:  # a class of a class of fields
            return
        from collections import _namedtuple

        own = cls.__dict__
        names = tuple(own.get("__annotations__", {}))
        defaults = {name: own[name] for name in names if name in own}
        first = None
        for name in names:
            if name in defaults:
                first = first or name
            elif first:
                raise TypeError(f"non-default namedtuple field {name} cannot follow default field {first}")
        members = {name: value for name, value in own.items() if name not in names}
        base = _namedtuple.make(cls.__name__, names, defaults, members)
        made = type(cls.__name__, (base, cls), {})  # so that isinstance(P(1), P)

        def new(kind, *values, **more):
            return made(*values, **more) if kind is cls else object.__new__(kind)

        cls.__new__ = staticmethod(new)
        for name in ("_fields", "_make", "_field_defaults"):
            setattr(cls, name, getattr(made, name))

"""collections.namedtuple: MicroPython's own type below a class with _asdict, _replace, _make and defaults."""

from ucollections import namedtuple as _builtin

_KEYWORDS = (
    "False None True and as assert async await break class continue def del elif else except finally for from "  # noqa: E501 - one line of words
    "global if import in is lambda nonlocal not or pass raise return try while with yield"
).split()


def _check(typename, names, rename):
    names = [str(name) for name in names]
    if rename:
        for i, name in enumerate(names):
            if not _is_name(name) or name.startswith("_") or name in names[:i]:
                names[i] = "_" + str(i)
    for name in [typename] + names:
        if name in _KEYWORDS:
            raise ValueError("Type names and field names cannot be a keyword: " + repr(name))
        if not _is_name(name):
            raise ValueError("Type names and field names must be valid identifiers: " + repr(name))
    for i, name in enumerate(names):
        if name.startswith("_") and not rename:
            raise ValueError("Field names cannot start with an underscore: " + repr(name))
        if name in names[:i]:
            raise ValueError("Encountered duplicate field name: " + repr(name))
    return tuple(names)


def _is_name(name):
    if not name or name[0].isdigit():
        return False
    for c in name:
        if not (c == "_" or c.isalpha() or c.isdigit() or ord(c) > 127):
            return False
    return name not in _KEYWORDS


def _plural(names):
    quoted = [repr(name) for name in names]
    if len(quoted) < 3:
        text = " and ".join(quoted)
    else:
        text = ", ".join(quoted[:-1]) + ", and " + quoted[-1]
    return "%d required positional argument%s: %s" % (len(names), "" if len(names) == 1 else "s", text)


def _values(typename, names, defaults, args, kwargs):
    if len(args) > len(names):
        raise TypeError(
            "%s.__new__() takes %d positional arguments but %d were given"
            % (typename, len(names) + 1, len(args) + 1)
        )
    values = dict(zip(names, args))
    for key, value in kwargs.items():
        if key not in names:
            raise TypeError("%s.__new__() got an unexpected keyword argument %r" % (typename, key))
        if key in values:
            raise TypeError("%s.__new__() got multiple values for argument %r" % (typename, key))
        values[key] = value
    missing = [name for name in names if name not in values and name not in defaults]
    if missing:
        raise TypeError("%s.__new__() missing %s" % (typename, _plural(missing)))
    return [values[name] if name in values else defaults[name] for name in names]


def namedtuple(typename, field_names, *, rename=False, defaults=None, module=None):
    if isinstance(field_names, str):
        field_names = field_names.replace(",", " ").split()
    names = _check(typename, list(field_names), rename)
    given = {}
    if defaults is not None:
        defaults = tuple(defaults)
        if len(defaults) > len(names):
            raise TypeError("Got more default values than field names")
        given = dict(zip(names[len(names) - len(defaults) :], defaults))
    return make(typename, names, given)


def make(typename, names, defaults, members=None):
    """The class; `members`: what the body of a typing.NamedTuple defines."""
    below = _builtin(typename, names)
    count = len(names)

    class Named(below):
        _fields = names
        _field_defaults = defaults
        __match_args__ = names

        def __init__(self, *args, **kwargs):
            if kwargs or len(args) != count:
                args = _values(typename, names, defaults, args, kwargs)
            super().__init__(*args)

        def __setattr__(self, name, value):
            if name in names:
                raise AttributeError("can't set attribute")
            object.__setattr__(self, name, value)

        @classmethod
        def _make(cls, iterable):
            values = tuple(iterable)
            if len(values) != count:
                raise TypeError("Expected %d arguments, got %d" % (count, len(values)))
            return cls(*values)

        def _asdict(self):
            return dict(zip(names, self))

        def _replace(self, **kwargs):
            values = [kwargs.pop(name) if name in kwargs else self[i] for i, name in enumerate(names)]
            if kwargs:
                raise ValueError("Got unexpected field names: " + repr(list(kwargs)))
            return type(self)(*values)

        def __repr__(self):
            pairs = [name + "=" + repr(self[i]) for i, name in enumerate(names)]
            return type(self).__name__ + "(" + ", ".join(pairs) + ")"

        __str__ = __repr__

    return type(typename, (Named,), members or {})

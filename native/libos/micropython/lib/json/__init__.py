"""JSON: dump, dumps, load, loads, JSONDecodeError, JSONEncoder and JSONDecoder as thin classes over them.

Text and errors are CPython's. Not here: `cls` with a subclass that overrides `iterencode`, `strict`.
"""

from ._decode import JSONDecodeError, decode

__all__ = ["JSONDecodeError", "JSONDecoder", "JSONEncoder", "dump", "dumps", "load", "loads"]


def dumps(
    obj,
    *,
    skipkeys=False,
    ensure_ascii=True,
    check_circular=True,
    allow_nan=True,
    cls=None,
    indent=None,
    separators=None,
    default=None,
    sort_keys=False,
    **kw,
):
    from ._encode import Writer

    if cls is not None:
        encoder = cls(
            skipkeys=skipkeys,
            ensure_ascii=ensure_ascii,
            check_circular=check_circular,
            allow_nan=allow_nan,
            indent=indent,
            separators=separators,
            default=default,
            sort_keys=sort_keys,
            **kw,
        )
        return encoder.encode(obj)
    return Writer(skipkeys, ensure_ascii, allow_nan, indent, separators, default, sort_keys).text(obj)


def dump(obj, fp, **kw):
    fp.write(dumps(obj, **kw))


def loads(
    s,
    *,
    cls=None,
    object_hook=None,
    parse_float=None,
    parse_int=None,
    parse_constant=None,
    object_pairs_hook=None,
    **kw,
):
    if cls is not None:
        return cls(
            object_hook=object_hook,
            parse_float=parse_float,
            parse_int=parse_int,
            parse_constant=parse_constant,
            object_pairs_hook=object_pairs_hook,
            **kw,
        ).decode(s)
    return decode(s, object_hook, parse_float, parse_int, parse_constant, object_pairs_hook)


def load(fp, **kw):
    return loads(fp.read(), **kw)


class JSONEncoder:
    item_separator = ", "
    key_separator = ": "

    def __init__(
        self,
        *,
        skipkeys=False,
        ensure_ascii=True,
        check_circular=True,
        allow_nan=True,
        sort_keys=False,
        indent=None,
        separators=None,
        default=None,
    ):
        self.skipkeys = skipkeys
        self.ensure_ascii = ensure_ascii
        self.check_circular = check_circular
        self.allow_nan = allow_nan
        self.sort_keys = sort_keys
        self.indent = indent
        self.separators = separators
        if default is not None:
            self.default = default

    def default(self, o):
        raise TypeError("Object of type " + type(o).__name__ + " is not JSON serializable")

    def encode(self, o):
        from ._encode import Writer

        return Writer(
            self.skipkeys,
            self.ensure_ascii,
            self.allow_nan,
            self.indent,
            self.separators,
            self.default,
            self.sort_keys,
        ).text(o)

    def iterencode(self, o, _one_shot=False):
        yield self.encode(o)


class JSONDecoder:
    def __init__(
        self,
        *,
        object_hook=None,
        parse_float=None,
        parse_int=None,
        parse_constant=None,
        strict=True,
        object_pairs_hook=None,
    ):
        self.hooks = (object_hook, parse_float, parse_int, parse_constant, object_pairs_hook)

    def decode(self, s):
        return decode(s, *self.hooks)

    def raw_decode(self, s, idx=0):
        from ._decode import Reader

        reader = Reader(s, *self.hooks)
        start = len(s[:idx].encode())
        value, end = reader.value(start)
        return value, len(reader.text[:end].decode())

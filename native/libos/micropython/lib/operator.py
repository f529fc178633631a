"""Operators as functions, itemgetter, attrgetter, methodcaller."""


def _binary(source):
    return eval("lambda a, b: a " + source + " b")


lt = _binary("<")
le = _binary("<=")
eq = _binary("==")
ne = _binary("!=")
ge = _binary(">=")
gt = _binary(">")
add = iadd = concat = iconcat = _binary("+")
sub = isub = _binary("-")
mul = imul = _binary("*")
truediv = itruediv = _binary("/")
floordiv = ifloordiv = _binary("//")
mod = imod = _binary("%")
pow = ipow = _binary("**")
and_ = iand = _binary("&")
or_ = ior = _binary("|")
xor = ixor = _binary("^")
lshift = ilshift = _binary("<<")
rshift = irshift = _binary(">>")
matmul = imatmul = _binary("@")
is_ = _binary("is")
is_not = _binary("is not")


def neg(a):
    return -a


def pos(a):
    return +a


def inv(a):
    return ~a


invert = inv


def not_(a):
    return not a


def truth(a):
    return bool(a)


def abs(a):
    return a if a >= 0 else -a


def index(a):
    return a if isinstance(a, int) else a.__index__()


def contains(a, b):
    return b in a


def countOf(a, b):
    return sum(1 for item in a if item == b)


def indexOf(a, b):
    for i, item in enumerate(a):
        if item == b:
            return i
    raise ValueError("sequence.index(x): x not in sequence")


def getitem(a, b):
    return a[b]


def setitem(a, b, c):
    a[b] = c


def delitem(a, b):
    del a[b]


def length_hint(obj, default=0):
    try:
        return len(obj)
    except TypeError:
        return default


def itemgetter(item, *items):
    if not items:
        return lambda obj: obj[item]
    items = (item,) + items
    return lambda obj: tuple([obj[i] for i in items])


def _path(obj, names):
    for name in names:
        obj = getattr(obj, name)
    return obj


def attrgetter(attr, *attrs):
    if not attrs:
        if "." not in attr:
            return lambda obj: getattr(obj, attr)
        names = attr.split(".")
        return lambda obj: _path(obj, names)
    paths = [name.split(".") for name in (attr,) + attrs]
    return lambda obj: tuple([_path(obj, names) for names in paths])


def methodcaller(name, *args, **kwargs):
    return lambda obj: getattr(obj, name)(*args, **kwargs)


def call(obj, *args, **kwargs):
    return obj(*args, **kwargs)

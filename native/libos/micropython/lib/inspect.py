"""isfunction, ismethod, isclass, isroutine, isgenerator... and their like, getmembers, getmro, getdoc,
cleandoc.

The interpreter keeps neither names of parameters nor frames: lacks signature, getsource, stack,
currentframe. Generators and coroutines are one type here, so each of their tests is true of both. getdoc
knows the docstrings of classes, modules and functions whose body begins on a line of its own.
"""

import sys as _sys
from types import BuiltinFunctionType, FunctionType, MethodType


def _generator():
    yield


_GeneratorFunction, _Generator = type(_generator), type(_generator())


def isclass(object):
    return isinstance(object, type)


def ismodule(object):
    return isinstance(object, type(_sys))


def isgeneratorfunction(obj):
    return isinstance(obj, _GeneratorFunction) and not isinstance(obj, _Generator)


iscoroutinefunction = isgeneratorfunction


def isgenerator(object):
    return isinstance(object, _Generator)


iscoroutine = isgenerator


def isawaitable(object):
    return isgenerator(object) or hasattr(object, "__await__")


def isasyncgen(object):
    return False


isasyncgenfunction = isasyncgen


def isfunction(object):
    return isinstance(object, (FunctionType, _GeneratorFunction)) and not isgenerator(object) and _own(object)


def _own(function):
    """Whether it is of Python code: those of the interpreter have no names."""
    return hasattr(function, "__code__") or isgeneratorfunction(function)


def ismethod(object):
    return isinstance(object, MethodType) and _own(object)


def isbuiltin(object):
    return isinstance(object, (BuiltinFunctionType, MethodType)) and not _own(object)


def isroutine(object):
    return isfunction(object) or ismethod(object) or isbuiltin(object)


def isdatadescriptor(object):
    return isinstance(object, property) or hasattr(type(object), "__set__")


def isabstract(object):
    return isclass(object) and bool(getattr(object, "__abstractmethods__", ()))


def getmembers(object, predicate=None):
    found = []
    for name in sorted(set(dir(object))):
        try:
            value = getattr(object, name)
        except AttributeError:
            continue
        if predicate is None or predicate(value):
            found.append((name, value))
    return found


def getmro(cls):
    """By C3, as CPython orders them."""
    if cls is object:
        return (object,)
    lines = [list(getmro(base)) for base in cls.__bases__] + [list(cls.__bases__)]
    order = [cls]
    while True:
        lines = [line for line in lines if line]
        if not lines:
            return tuple(order)
        for line in lines:
            first = line[0]
            if not any([first in other[1:] for other in lines]):
                break
        order.append(first)
        for line in lines:
            if line[0] is first:
                del line[0]


def cleandoc(doc):
    lines = doc.expandtabs().split("\n") if hasattr(doc, "expandtabs") else doc.split("\n")
    depths = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    depth = min(depths) if depths else 0
    lines = [lines[0].lstrip()] + [line[depth:] for line in lines[1:]]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return "\n".join(lines)


def getdoc(object):
    doc = getattr(object, "__doc__", None)
    return cleandoc(doc) if isinstance(doc, str) else None


def getmodule(object):
    name = object.__name__ if ismodule(object) else getattr(object, "__module__", None)
    return _sys.modules.get(name)

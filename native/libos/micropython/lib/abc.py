"""ABC, abstractmethod, ABCMeta: an abstract class refuses to be instantiated. Lacks: register of virtual
subclasses.
"""

import builtins


def abstractmethod(function):
    try:
        function.__isabstractmethod__ = True
        return function
    except AttributeError:
        return _Abstract(function)


class _Abstract:
    __isabstractmethod__ = True

    def __init__(self, function):
        self._function = function

    def __get__(self, thing, owner):
        function = self._function
        return lambda *values, **named: function(thing, *values, **named)

    def __call__(self, *values, **named):
        return self._function(*values, **named)


_held = {}  # id of a property, classmethod or staticmethod of an abstract function; the value keeps it alive


def _remembering(builtin):
    def made(*values, **named):
        holder = builtin(*values, **named)
        if values and getattr(values[0], "__isabstractmethod__", False):
            _held[id(holder)] = holder
        return holder

    return made


# In a class body `@property` over `@abstractmethod` must be known as abstract; a property cannot carry a mark.  # noqa: E501 - one line of words
builtins.property = _remembering(property)
builtins.classmethod = _remembering(classmethod)
builtins.staticmethod = _remembering(staticmethod)


def abstractproperty(function):
    return builtins.property(abstractmethod(function))


def abstractclassmethod(function):
    return builtins.classmethod(abstractmethod(function))


def abstractstaticmethod(function):
    return builtins.staticmethod(abstractmethod(function))


class ABCMeta(type):
    pass


class ABC:
    @classmethod
    def __init_subclass__(cls, **options):
        left = {}
        for base in cls.__bases__:
            for name in getattr(base, "__abstractmethods__", ()):
                left[name] = None
        for name, value in cls.__dict__.items():
            if (
                id(value) in _held
                or isinstance(value, _Abstract)
                or getattr(value, "__isabstractmethod__", False)
            ):
                left[name] = None
            else:
                left.pop(name, None)
        cls.__abstractmethods__ = frozenset(left)

    def __new__(cls, *values, **named):
        left = sorted(getattr(cls, "__abstractmethods__", ()))
        if left:
            names = ", ".join(left)
            s = "" if len(left) == 1 else "s"
            raise TypeError(
                f"Can't instantiate abstract class {cls.__name__} with abstract method{s} {names}"
            )
        return object.__new__(cls)

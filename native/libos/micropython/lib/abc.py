"""ABC, abstractmethod, ABCMeta: an abstract class refuses to be instantiated. Lacks: register of virtual subclasses."""


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


abstractproperty = property
abstractclassmethod = classmethod
abstractstaticmethod = staticmethod


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
            if isinstance(value, _Abstract) or getattr(value, "__isabstractmethod__", False):
                left[name] = None
            else:
                left.pop(name, None)
        cls.__abstractmethods__ = frozenset(left)

    def __new__(cls, *values, **named):
        left = sorted(getattr(cls, "__abstractmethods__", ()))
        if left:
            names = ", ".join(left)
            s = "" if len(left) == 1 else "s"
            raise TypeError(f"Can't instantiate abstract class {cls.__name__} with abstract method{s} {names}")
        return object.__new__(cls)

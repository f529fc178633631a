"""SimpleNamespace, MappingProxyType, and the types of functions, methods, generators and modules.

ModuleType makes a plain namespace with a name. GeneratorType is also the type of coroutines. Lacks:
CodeType, FrameType, TracebackType, DynamicClassAttribute, new_class.
"""

import sys as _sys


def _function():
    pass


def _generator():
    yield


FunctionType = LambdaType = type(_function)
GeneratorType = CoroutineType = AsyncGeneratorType = type(_generator())
BuiltinFunctionType = BuiltinMethodType = type(len)
MethodType = type([].append)
NoneType, EllipsisType, NotImplementedType = type(None), type(...), type(NotImplemented)
GenericAlias = UnionType = tuple
_Module = type(_sys)


class SimpleNamespace:
    def __init__(self, **named):
        for name, value in named.items():
            setattr(self, name, value)

    def __repr__(self):
        kind = type(self).__name__
        kind = "namespace" if kind == "SimpleNamespace" else kind
        return (
            kind + "(" + ", ".join([name + "=" + repr(value) for name, value in self.__dict__.items()]) + ")"
        )

    __hash__ = None

    def __eq__(self, other):
        if not isinstance(other, SimpleNamespace):
            return NotImplemented
        return self.__dict__ == other.__dict__


class MappingProxyType:
    def __init__(self, mapping):
        self._mapping = mapping

    def __getitem__(self, key):
        return self._mapping[key]

    def __setitem__(self, key, value):
        raise TypeError("'mappingproxy' object does not support item assignment")

    def __delitem__(self, key):
        raise TypeError("'mappingproxy' object does not support item deletion")

    def __contains__(self, key):
        return key in self._mapping

    def __iter__(self):
        return iter(self._mapping)

    def __len__(self):
        return len(self._mapping)

    def __eq__(self, other):
        return self._mapping == (other._mapping if isinstance(other, MappingProxyType) else other)

    def __or__(self, other):
        return self._mapping | other

    def __repr__(self):
        return "mappingproxy(" + repr(self._mapping) + ")"

    def __str__(self):
        return str(self._mapping)

    def get(self, key, default=None):
        return self._mapping.get(key, default)

    def keys(self):
        return self._mapping.keys()

    def values(self):
        return self._mapping.values()

    def items(self):
        return self._mapping.items()

    def copy(self):
        return self._mapping.copy()


class ModuleType:
    def __init__(self, name, doc=None):
        self.__name__, self.__doc__ = name, doc

    def __repr__(self):
        return "<module " + repr(self.__name__) + ">"

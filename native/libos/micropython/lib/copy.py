"""copy and deepcopy, with __copy__ and __deepcopy__."""


class Error(Exception):
    pass


error = Error
_ATOMS = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type,
    range,
    type(len),
    type(lambda: 0),
    type(...),
)


def copy(thing):
    own = getattr(thing, "__copy__", None)
    if own and not isinstance(thing, type):
        return own()
    if isinstance(thing, _ATOMS) or type(thing) in (tuple, frozenset):
        return thing
    if type(thing) in (list, dict, set, bytearray):
        return thing[:] if isinstance(thing, (list, bytearray)) else thing.copy()
    return _rebuilt(thing, lambda value: value, lambda made: None)


def deepcopy(thing, memo=None):
    memo = {} if memo is None else memo
    known = memo.get(id(thing))
    if known is not None:
        return known
    if isinstance(thing, _ATOMS):
        return thing
    own = getattr(thing, "__deepcopy__", None)
    if own:
        made = own(memo)
        _keep(thing, made, memo)
        return made
    kind = type(thing)
    if kind is list:
        made = []
        _keep(thing, made, memo)
        for value in thing:
            made.append(deepcopy(value, memo))
        return made
    if kind is dict:
        made = {}
        _keep(thing, made, memo)
        for key, value in thing.items():
            made[deepcopy(key, memo)] = deepcopy(value, memo)
        return made
    if kind in (tuple, set, frozenset):
        parts = [deepcopy(value, memo) for value in thing]
        if kind is tuple and all([a is b for a, b in zip(parts, thing)]):
            return thing
        made = kind(parts)
    elif kind is bytearray:
        made = bytearray(thing)
    elif isinstance(thing, tuple) and hasattr(thing, "_fields"):
        made = kind(*[deepcopy(value, memo) for value in thing])
    else:
        return _rebuilt(thing, lambda value: deepcopy(value, memo), lambda made: _keep(thing, made, memo))
    _keep(thing, made, memo)
    return made


def _keep(thing, made, memo):
    memo[id(thing)] = made
    memo.setdefault(id(memo), []).append(thing)  # as long as it lives, nothing else has its id


def _rebuilt(thing, of, keep):
    kind = type(thing)
    if isinstance(thing, dict):
        made = kind.__new__(kind)
        for name, value in getattr(thing, "__dict__", {}).items():
            object.__setattr__(made, name, of(value))
        keep(made)
        for key in thing:
            dict.__setitem__(made, of(key), of(dict.__getitem__(thing, key)))
        return made
    if isinstance(thing, (list, set)):
        made = kind([of(value) for value in thing])
        keep(made)
        return made
    try:
        made = object.__new__(kind)
    except TypeError:
        raise Error(f"cannot copy an object of type {kind.__name__}")
    keep(made)
    for name, value in thing.__dict__.items():
        object.__setattr__(made, name, of(value))
    return made


def replace(thing, **changes):
    own = getattr(thing, "_replace", None)
    if own:
        return own(**changes)
    from dataclasses import replace

    return replace(thing, **changes)

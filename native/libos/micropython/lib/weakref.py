"""ref, proxy, WeakValueDictionary, WeakKeyDictionary, WeakSet, finalize: all of them hold what they refer to."""  # noqa: E501 - one line of words


class ref:
    def __init__(self, thing, callback=None):
        self._thing = thing

    def __call__(self):
        return self._thing

    def __eq__(self, other):
        return isinstance(other, ref) and self._thing == other._thing

    def __hash__(self):
        return hash(self._thing)


def proxy(thing, callback=None):
    return thing


WeakValueDictionary = WeakKeyDictionary = dict
WeakSet = set


class finalize:
    alive = True

    def __init__(self, thing, function, *values, **named):
        self._call = lambda: function(*values, **named)

    def __call__(self):
        if self.alive:
            self.alive = False
            return self._call()

"""Regular expressions as in CPython: an engine of our own, in Python.

compile match fullmatch search findall finditer split sub subn escape purge, Pattern, Match, error
(PatternError), flags A I L M S U X (L does nothing). Groups, named groups, back references, look-ahead and
look-behind, lazy and possessive repeats, atomic groups, conditionals, inline flags. Not here: DEBUG's
output.
"""

from ._parse import ASCII, DOTALL, IGNORECASE, LOCALE, MULTILINE, UNICODE, VERBOSE, error
from ._pattern import Match, Pattern

A, I, L, M, S, U, X = ASCII, IGNORECASE, LOCALE, MULTILINE, DOTALL, UNICODE, VERBOSE
PatternError = error
NOFLAG = 0
RegexFlag = int

_cache = {}


def compile(pattern, flags=0):
    if isinstance(pattern, Pattern):
        if flags:
            raise ValueError("cannot process flags argument with a compiled pattern")
        return pattern
    key = (type(pattern), pattern, flags)
    if key in _cache:
        return _cache[key]
    if not isinstance(pattern, (str, bytes)):
        raise TypeError("first argument must be string or compiled pattern")
    if len(_cache) >= 256:
        _cache.clear()
    made = _cache[key] = Pattern(pattern, int(flags))
    return made


def match(pattern, string, flags=0):
    return compile(pattern, flags).match(string)


def fullmatch(pattern, string, flags=0):
    return compile(pattern, flags).fullmatch(string)


def search(pattern, string, flags=0):
    return compile(pattern, flags).search(string)


def findall(pattern, string, flags=0):
    return compile(pattern, flags).findall(string)


def finditer(pattern, string, flags=0):
    return compile(pattern, flags).finditer(string)


def split(pattern, string, maxsplit=0, flags=0):
    return compile(pattern, flags).split(string, maxsplit)


def sub(pattern, repl, string, count=0, flags=0):
    return compile(pattern, flags).sub(repl, string, count)


def subn(pattern, repl, string, count=0, flags=0):
    return compile(pattern, flags).subn(repl, string, count)


def purge():
    _cache.clear()


def escape(pattern):
    special = "()[]{}?*+-|^$\\.&~# \t\n\r\v\f"
    if isinstance(pattern, str):
        return "".join(["\\" + c if c in special else c for c in pattern])
    special = special.encode()
    return b"".join([b"\\" + bytes((c,)) if c in special else bytes((c,)) for c in pattern])

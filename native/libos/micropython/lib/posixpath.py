"""posixpath, which is os.path: paths as text, and what is there of them."""

from _files import absolute, fspath
from _files import stat as _stat

sep, altsep, pardir, curdir, extsep, pathsep, defpath, devnull = (
    "/",
    None,
    "..",
    ".",
    ".",
    ":",
    "/bin:/usr/bin",
    "/dev/null",
)
supports_unicode_filenames = False


def _marks(path):
    """(path as text or bytes, "/" and "." of its kind, nothing)"""
    path = fspath(path)
    return (path, "/", ".", "") if isinstance(path, str) else (path, b"/", b".", b"")


def join(a, *more):
    path, slash, _, empty = _marks(a)
    for part in more:
        part = fspath(part)
        if type(part) is not type(path):
            raise TypeError("Can't mix strings and bytes in path components")
        if part.startswith(slash):
            path = part
        elif not path or path.endswith(slash):
            path += part
        else:
            path += slash + part
    return path


def split(p):
    path, slash, _, _ = _marks(p)
    at = path.rfind(slash) + 1
    head, tail = path[:at], path[at:]
    if head and head != slash * len(head):
        head = head.rstrip(slash)
    return head, tail


def splitext(p):
    path, slash, dot, empty = _marks(p)
    at = path.rfind(dot)
    start = path.rfind(slash) + 1
    if at > start and path[start:at].strip(dot):
        return path[:at], path[at:]
    return path, empty


def splitdrive(p):
    path = _marks(p)
    return path[3], path[0]


def basename(p):
    path, slash, _, _ = _marks(p)
    return path[path.rfind(slash) + 1 :]


def dirname(p):
    return split(p)[0]


def isabs(s):
    path, slash, _, _ = _marks(s)
    return path.startswith(slash)


def normcase(s):
    return fspath(s)


def normpath(path):
    path, slash, dot, empty = _marks(path)
    if not path:
        return dot
    roots = (
        0
        if not path.startswith(slash)
        else 2
        if path.startswith(slash * 2) and not path.startswith(slash * 3)
        else 1
    )
    parts = []
    for part in path.split(slash):
        if not part or part == dot:
            continue
        if part != dot * 2 or (not roots and not parts) or (parts and parts[-1] == dot * 2):
            parts.append(part)
        elif parts:
            parts.pop()
    return slash * roots + slash.join(parts) or dot


def abspath(path):
    path, slash, _, _ = _marks(path)
    return normpath(path if path.startswith(slash) else slash + path)


def realpath(filename, *, strict=False):
    """As abspath(): links are the host's and not seen."""
    found = abspath(filename)
    if strict:
        _stat(found)
    return found


def expanduser(path):
    return fspath(path)


expandvars = expanduser


def relpath(path, start=None):
    path, slash, dot, _ = _marks(path)
    if not path:
        raise ValueError("no path specified")
    here = [part for part in abspath(dot if start is None else start).split(slash) if part]
    there = [part for part in abspath(path).split(slash) if part]
    same = 0
    while same < len(here) and same < len(there) and here[same] == there[same]:
        same += 1
    return slash.join([dot * 2] * (len(here) - same) + there[same:]) or dot


def commonprefix(m):
    if not m:
        return ""
    low, high = min(m), max(m)
    for i, letter in enumerate(low):
        if letter != high[i]:
            return low[:i]
    return low


def commonpath(paths):
    paths = [fspath(path) for path in paths]
    if not paths:
        raise ValueError("commonpath() arg is an empty sequence")
    _, slash, dot, empty = _marks(paths[0])
    rooted = [path.startswith(slash) for path in paths]
    if any(rooted) and not all(rooted):
        raise ValueError("Can't mix absolute and relative paths")
    split_up = [[part for part in path.split(slash) if part and part != dot] for path in paths]
    same, first = 0, split_up[0]
    while all(len(parts) > same and parts[same] == first[same] for parts in split_up):
        same += 1
        if same == len(first):
            break
    return (slash if rooted[0] else empty) + slash.join(first[:same])


def _seen(path):
    try:
        return _stat(path)
    except (OSError, ValueError):
        return None


def exists(path):
    return _seen(path) is not None


lexists = exists


def isfile(path):
    found = _seen(path)
    return found is not None and not found[2]


def isdir(s):
    found = _seen(s)
    return found is not None and found[2]


def islink(path):
    return False


def ismount(path):
    return absolute(path) == "/"


def getsize(filename):
    return _stat(filename)[0]


def getmtime(filename):
    return _stat(filename)[1] / 1e9


getatime = getctime = getmtime


def samefile(f1, f2):
    _stat(f1), _stat(f2)
    return absolute(f1) == absolute(f2)

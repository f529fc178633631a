"""glob: paths by patterns of * ? [a-z] and, with recursive=True, **.

Names that begin with "." are matched only by patterns that do. Only granted folders and /tmp are seen.
"""

from fnmatch import filter as _filter
from posixpath import isdir, join, lexists, split

from _files import listing


def has_magic(s):
    return "*" in s or "?" in s or "[" in s


def escape(pathname):
    return "".join(["[" + letter + "]" if letter in "*?[" else letter for letter in pathname])


def _names(folder, folders_only=False):
    try:
        found = listing(folder or ".")
    except OSError:
        return []
    return [
        name[:-1] if name.endswith("/") else name for name in found if not folders_only or name.endswith("/")
    ]


def _below(folder, folders_only, hidden):
    for name in _names(folder, folders_only):
        if hidden or not name.startswith("."):
            yield name
            whole = join(folder, name)
            if isdir(whole):
                for rest in _below(whole, folders_only, hidden):
                    yield join(name, rest)


def _in(folder, pattern, recursive, folders_only, hidden):
    if recursive and pattern == "**":
        if isdir(folder or "."):
            yield ""
        yield from _below(folder, folders_only, hidden)
    elif has_magic(pattern):
        for name in _filter(_names(folder, folders_only), pattern):
            if hidden or pattern.startswith(".") or not name.startswith("."):
                yield name
    elif lexists(join(folder, pattern)) if pattern else isdir(folder):
        yield pattern


def _found(pattern, recursive, folders_only, hidden):
    above, last = split(pattern)
    if not has_magic(pattern):
        if last and lexists(pattern) or not last and isdir(above):
            yield pattern
        return
    if above and above != pattern and has_magic(above):
        folders = _found(above, recursive, True, hidden)
    else:
        folders = [above]
    for folder in folders:
        for name in _in(folder, last, recursive, folders_only, hidden):
            yield join(folder, name)


def iglob(pathname, *, root_dir=None, dir_fd=None, recursive=False, include_hidden=False):
    start = "" if root_dir is None else join(root_dir, "")
    for path in _found(start + pathname, recursive, False, include_hidden):
        if path[len(start) :]:
            yield path[len(start) :]


def glob(pathname, *, root_dir=None, dir_fd=None, recursive=False, include_hidden=False):
    return list(iglob(pathname, root_dir=root_dir, recursive=recursive, include_hidden=include_hidden))

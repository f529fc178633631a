"""Files of a guest: those below /tmp, kept in its memory, and what of the host was granted, for reading.

open() is the builtin; io, os, pathlib and others use the rest. Text is UTF-8 (with or without a mark),
ASCII or Latin-1. Lacks: file descriptors, permissions, links, other encodings. Invariant: nothing of the
host is written.
"""

import _host

PIECE = 65536
SEEK_SET, SEEK_CUR, SEEK_END = 0, 1, 2
_TEXTS = {
    1: "Operation not permitted",
    2: "No such file or directory",
    5: "Input/output error",
    13: "Permission denied",
    17: "File exists",
    18: "Invalid cross-device link",
    20: "Not a directory",
    21: "Is a directory",
    22: "Invalid argument",
    39: "Directory not empty",
}


class _Said:
    """What an OSError of ours says: errno, strerror, filename, and CPython's text."""

    def _say(self, number, text, path, other=None):
        self.strerror, self.filename, self.filename2 = text, path, other
        self._text = f"[Errno {number}] {text}"
        if path is not None:
            self._text += f": {path!r}" + ("" if other is None else f" -> {other!r}")

    def __str__(self):
        return self._text


def _classes():
    found = {}
    for number, base in (
        (1, PermissionError),
        (2, FileNotFoundError),
        (17, FileExistsError),
        (20, NotADirectoryError),
        (21, IsADirectoryError),
        (0, OSError),
    ):
        found[number] = type(base.__name__, (base, _Said), {"__str__": _Said.__str__})
    found[13] = found[1]
    return found


_made = {}


def failure(number, path=None, text=None, other=None):
    """The OSError of a number, with a path."""
    if not _made:
        _made.update(_classes())
    error = _made.get(number, _made[0])(number, text or _TEXTS.get(number, f"error {number}"))
    error._say(number, text or _TEXTS.get(number, f"error {number}"), path, other)
    return error


class UnsupportedOperation(OSError):
    """Reading from what is written, or the reverse. (CPython's is a ValueError as well.)"""

    def __str__(self):
        return self.args[0]


def not_granted(path, whole):
    return failure(1, path, f"not granted to this sandbox (grant it with --read {whole})")


def read_only(path, whole):
    why = "granted for reading only" if is_below_tmp(whole) else "a sandbox writes only below /tmp"
    return failure(1, path, f"not granted for writing ({why})")


class Content:
    """Bytes in memory, of a file below /tmp or a BytesIO."""

    def __init__(self, data=b""):
        self._data, self._parts, self.size = data, [], len(data)
        self.modified = _host.now_ns()

    def all(self):
        if self._parts:
            self._parts.insert(0, self._data)
            self._data = b"".join(self._parts)
            self._parts = []
        return self._data

    def read(self, at, count):
        return bytes(self.all()[at : at + count])

    def write(self, at, data):
        self.modified = _host.now_ns()
        if at > self.size:
            self._parts.append(bytes(at - self.size))
            self.size = at
        if at == self.size:
            self._parts.append(data)
            self.size += len(data)
            return
        whole = self.all()
        if not isinstance(whole, bytearray):
            whole = bytearray(whole)
        whole[at : at + len(data)] = data
        self._data, self.size = whole, len(whole)

    def truncate(self, size):
        whole = self.all()
        if size < len(whole):
            self._data = bytes(whole[:size])
        elif size > len(whole):
            self._data = bytes(whole) + bytes(size - len(whole))
        self.size = size


class Granted:
    """A file of the host, for reading."""

    def __init__(self, path, size):
        self._path, self.size = path, size

    def read(self, at, count):
        return _host.file_read(self._path, at, count)


# Below /tmp: path -> Content, or None for a folder.
tree = {"/tmp": None}


def fspath(path):
    if isinstance(path, (str, bytes)):
        return path
    if hasattr(path, "__fspath__"):
        return path.__fspath__()
    raise TypeError(f"expected str, bytes or os.PathLike object, not {type(path).__name__}")


def absolute(path):
    """A path from the root, without ".", ".." and double slashes."""
    path = fspath(path)
    if isinstance(path, bytes):
        path = path.decode()
    if "\0" in path:
        raise ValueError("embedded null byte")
    if not path:
        raise failure(2, path)
    parts = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part and part != ".":
            parts.append(part)
    return "/" + "/".join(parts)


def is_below_tmp(whole):
    return whole == "/tmp" or whole.startswith("/tmp/")


def stat(path):
    """(size, modified_ns, is_folder). Raises FileNotFoundError, PermissionError for what was not granted."""
    whole = absolute(path)
    if whole in tree:
        node = tree[whole]
        return (0, 0, True) if node is None else (node.size, node.modified, False)
    if whole == "/":
        return (0, 0, True)
    try:
        return _host.files_stat(whole)
    except OSError as error:
        number = error.errno
    if number == 1 and is_below_tmp(whole):
        above = whole[: whole.rindex("/")]
        raise failure(20 if tree.get(above) is not None else 2, path)
    raise not_granted(path, whole) if number == 1 else failure(number, path)


def listing(path):
    """Names in a folder, those of folders with "/" behind."""
    whole = absolute(path)
    start = "/" if whole == "/" else whole + "/"
    names = {}
    if whole not in tree or whole == "/tmp":
        try:
            if whole != "/" and not stat(path)[2]:
                raise failure(20, path)
            for name in _host.file_list(whole):
                names[name] = True
        except OSError as error:
            if error.errno != 1 or whole not in ("/", "/tmp"):
                raise
    elif tree[whole] is not None:
        raise failure(20, path)
    for name, node in tree.items():
        if name.startswith(start):
            rest = name[len(start) :]
            if rest and "/" not in rest:
                names[rest + "/" if node is None else rest] = True
    return list(names)


def new_place(path):
    """The path of something to be made, whose folder is there. Raises as CPython, or PermissionError."""
    whole = absolute(path)
    if not is_below_tmp(whole):
        raise read_only(path, whole)
    above = whole[: whole.rindex("/")] or "/"
    if above not in tree:
        try:
            if not stat(above)[2]:
                raise failure(20, path)
        except OSError as error:
            raise failure(error.errno, path)
    elif tree[above] is not None:
        raise failure(20, path)
    return whole


def make_folder(path):
    whole = absolute(path)
    if whole in tree or whole == "/":
        raise failure(17, path)
    tree[new_place(path)] = None


def remove(path, folder=False):
    whole = absolute(path)
    if whole not in tree:
        stat(path)
        raise read_only(path, whole)
    if folder:
        if tree[whole] is not None:
            raise failure(20, path)
        if listing(whole):
            raise failure(39, path)
    elif tree[whole] is None:
        raise failure(21, path)
    if whole == "/tmp":
        raise failure(1, path)
    del tree[whole]


def rename(path, other):
    whole, to = absolute(path), absolute(other)
    try:
        if whole not in tree:
            stat(path)
            raise read_only(path, whole)
        new_place(other)
    except OSError as error:
        raise failure(error.errno, path, error.strerror, other)
    node = tree[whole]
    if to != whole:
        if node is None and to in tree and tree[to] is None and listing(to):
            raise failure(39, path, None, other)
        if to in tree and (tree[to] is None) != (node is None):
            raise failure(20 if node is None else 21, path, None, other)
        moved = [name for name in tree if name == whole or name.startswith(whole + "/")]
        for name in moved:
            tree[to + name[len(whole) :]] = tree.pop(name)


def open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    """The builtin. Reads what was granted and what is below /tmp; writes below /tmp."""
    if not isinstance(mode, str):
        raise TypeError(f"open() argument 'mode' must be str, not {type(mode).__name__}")
    if isinstance(file, int):
        raise failure(9, None, "Bad file descriptor")
    letters = set(mode)
    if len(letters) != len(mode) or letters - set("rwaxbt+"):
        raise ValueError(f"invalid mode: {mode!r}")
    kind = letters & set("rwax")
    if len(kind) != 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    if "b" in letters and "t" in letters:
        raise ValueError("can't have text and binary mode at once")
    if "b" in letters:
        for what, value in (("an encoding", encoding), ("an errors", errors), ("a newline", newline)):
            if value is not None:
                raise ValueError(f"binary mode doesn't take {what} argument")
    elif newline not in (None, "", "\n", "\r", "\r\n"):
        raise ValueError(f"illegal newline value: {newline!r}")
    path = fspath(file)
    reads, writes = "r" in kind or "+" in letters, "r" not in kind or "+" in letters
    from _binary import Binary

    binary = Binary(_content(path, kind, writes), path, mode, reads, writes, "a" in kind)
    if "b" in letters:
        return binary
    from _text import Text

    return Text(binary, encoding, errors, newline, mode)


def _content(path, kind, writes):
    whole = absolute(path)
    if whole in tree:
        content = tree[whole]
        if content is None:
            raise failure(17 if "x" in kind else 21, path)
        if "x" in kind:
            raise failure(17, path)
        if "w" in kind:
            content.truncate(0)
        return content
    if not writes:
        size, _, folder = stat(path)
        if folder:
            raise failure(21, path)
        return Granted(whole, size)
    new_place(path)
    if "r" in kind or "a" in kind or "x" in kind:
        try:
            stat(path)
            raise failure(17, path) if "x" in kind else read_only(path, whole)
        except OSError as error:
            if error.errno != 2 or "r" in kind:
                raise
    content = tree[whole] = Content()
    return content

"""os: folders and files (all below /tmp, and for reading what was granted), path, environ, urandom.

Lacks: processes, descriptors, permissions, links, chdir to another folder than "/".
"""

import posixpath as path

import _host
from _files import absolute, failure, fspath, listing, make_folder, remove, rename
from _files import stat as _stat

name, sep, altsep, linesep, curdir, pardir, extsep, pathsep = "posix", "/", None, "\n", ".", "..", ".", ":"
devnull = "/dev/null"
F_OK, X_OK, W_OK, R_OK = 0, 1, 2, 4
SEEK_SET, SEEK_CUR, SEEK_END = 0, 1, 2
error = OSError
environ = {}


class PathLike:
    """For isinstance() of classes that derive from it."""


class stat_result(tuple):
    """(mode, ino, dev, nlink, uid, gid, size, atime, mtime, ctime), by the names st_*."""

    def __getattr__(self, name):
        names = ("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size")
        if name in names:
            return self[names.index(name)]
        if name in ("st_mtime", "st_atime", "st_ctime"):
            return self.ns / 1e9
        if name in ("st_mtime_ns", "st_atime_ns", "st_ctime_ns"):
            return self.ns
        raise AttributeError(f"'os.stat_result' object has no attribute '{name}'")


def stat(path, *, dir_fd=None, follow_symlinks=True):
    size, modified, folder = _stat(path)
    seconds = modified // 1000000000
    found = stat_result((0o40755 if folder else 0o100644, 0, 0, 1, 0, 0, size, seconds, seconds, seconds))
    found.ns = modified
    return found


lstat = stat


class DirEntry:
    """What scandir() gives: name, path, is_dir(), is_file(), stat()."""

    def __init__(self, folder, name):
        self._folder = name.endswith("/")
        self.name = name[:-1] if self._folder else name
        self.path = path.join(folder, self.name)

    def __repr__(self):
        return f"<DirEntry {self.name!r}>"

    def __fspath__(self):
        return self.path

    def is_dir(self, *, follow_symlinks=True):
        return self._folder

    def is_file(self, *, follow_symlinks=True):
        return not self._folder

    def is_symlink(self):
        return False

    def stat(self, *, follow_symlinks=True):
        return stat(self.path)


class _Entries:
    def __init__(self, folder):
        self._left = iter([DirEntry(folder, name) for name in listing(folder)])

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._left)

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        pass

    def close(self):
        pass


def scandir(path="."):
    return _Entries(fspath(path))


def listdir(path="."):
    return [name[:-1] if name.endswith("/") else name for name in listing(path)]


def walk(top, topdown=True, onerror=None, followlinks=False):
    top = fspath(top)
    try:
        found = listing(top)
    except OSError as problem:
        if onerror is not None:
            onerror(problem)
        return
    folders = [name[:-1] for name in found if name.endswith("/")]
    files = [name for name in found if not name.endswith("/")]
    if topdown:
        yield top, folders, files
    for folder in folders:
        yield from walk(path.join(top, folder), topdown, onerror)
    if not topdown:
        yield top, folders, files


def unlink(path, *, dir_fd=None):
    remove(path)


def mkdir(path, mode=0o777, *, dir_fd=None):
    make_folder(path)


def makedirs(name, mode=0o777, exist_ok=False):
    whole = absolute(name)
    above = path.dirname(whole)
    if not path.exists(above):
        makedirs(above, mode, True)
    if exist_ok and path.isdir(whole):
        return
    make_folder(name)


def rmdir(path, *, dir_fd=None):
    remove(path, True)


def removedirs(name):
    rmdir(name)
    above = path.dirname(absolute(name))
    while above not in ("/", "/tmp"):
        try:
            rmdir(above)
        except OSError:
            break
        above = path.dirname(above)


replace = rename


def renames(old, new):
    makedirs(path.dirname(absolute(new)), exist_ok=True)
    rename(old, new)


def access(path, mode, **keywords):
    whole = absolute(path)
    try:
        _stat(path)
    except OSError:
        return False
    return not mode & W_OK or whole == "/tmp" or whole.startswith("/tmp/")


def getcwd():
    return "/"


def chdir(path):
    whole = absolute(path)
    if not _stat(path)[2]:
        raise failure(20, path)
    if whole != "/":
        raise failure(1, path, "a sandbox's working folder is /")


def getenv(key, default=None):
    return environ.get(key, default)


def putenv(key, value):
    environ[key] = value


def unsetenv(key):
    environ.pop(key, None)


def urandom(size):
    return _host.random(size)


def getpid():
    return 1


def getppid():
    return 0


def cpu_count():
    return 1


def fsencode(filename):
    found = fspath(filename)
    return found.encode() if isinstance(found, str) else found


def fsdecode(filename):
    found = fspath(filename)
    return found.decode() if isinstance(found, bytes) else found


def strerror(code):
    from _files import _TEXTS

    return _TEXTS.get(code, f"Unknown error {code}")


def getuid():
    return 0


getgid = geteuid = getegid = getuid

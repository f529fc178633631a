"""tempfile: NamedTemporaryFile, TemporaryFile, TemporaryDirectory, SpooledTemporaryFile, mkdtemp, mkstemp.

All are below /tmp, in the guest's memory. mkstemp() gives an open binary file in place of a descriptor:
guests have none.
"""

import os

import _files
import _host

tempdir = "/tmp"
template = "tmp"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"


def gettempdir():
    return tempdir


def gettempprefix():
    return template


def mktemp(suffix="", prefix=template, dir=None):
    while True:
        name = "".join([_LETTERS[byte % 37] for byte in _host.random(8)])
        path = os.path.join(os.fspath(dir or tempdir), (prefix or "") + name + (suffix or ""))
        if path not in _files.tree:
            return path


def mkdtemp(suffix=None, prefix=None, dir=None):
    path = mktemp(suffix, template if prefix is None else prefix, dir)
    os.mkdir(path)
    return path


def mkstemp(suffix=None, prefix=None, dir=None, text=False):
    path = mktemp(suffix, template if prefix is None else prefix, dir)
    return open(path, "w+" if text else "w+b"), path


class _Named:
    """A file that is removed when it is closed."""

    def __init__(self, file, path, delete):
        self.file, self.name, self.delete = file, path, delete

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __iter__(self):
        return iter(self.file)

    def close(self):
        if not self.file.closed:
            self.file.close()
            if self.delete:
                os.remove(self.name)

    def __enter__(self):
        self.file.__enter__()
        return self

    def __exit__(self, *raised):
        self.close()


def NamedTemporaryFile(
    mode="w+b",
    buffering=-1,
    encoding=None,
    newline=None,
    suffix=None,
    prefix=None,
    dir=None,
    delete=True,
    *,
    errors=None,
):
    path = mktemp(suffix, template if prefix is None else prefix, dir)
    return _Named(open(path, mode, buffering, encoding, errors, newline), path, delete)


def TemporaryFile(
    mode="w+b", buffering=-1, encoding=None, newline=None, suffix=None, prefix=None, dir=None, *, errors=None
):
    path = mktemp(suffix, template if prefix is None else prefix, dir)
    file = open(path, mode, buffering, encoding, errors, newline)
    os.remove(path)
    return file


def SpooledTemporaryFile(max_size=0, mode="w+b", **keywords):
    return TemporaryFile(mode, **keywords)


class TemporaryDirectory:
    """A folder that is removed with all that is in it."""

    def __init__(self, suffix=None, prefix=None, dir=None, ignore_cleanup_errors=False):
        self.name = mkdtemp(suffix, prefix, dir)
        self._ignore = ignore_cleanup_errors

    def __repr__(self):
        return f"<TemporaryDirectory {self.name!r}>"

    def cleanup(self):
        if os.path.exists(self.name):
            import shutil

            shutil.rmtree(self.name, ignore_errors=self._ignore)

    def __enter__(self):
        return self.name

    def __exit__(self, *raised):
        self.cleanup()

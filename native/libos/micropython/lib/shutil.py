"""shutil: copy, copyfile, copy2, copyfileobj, copytree, move, rmtree; what is written is below /tmp.

Lacks: archives, permissions, disk_usage, which.
"""

import os

from _files import PIECE, absolute, failure


class Error(OSError):
    """Something could not be copied."""


class SameFileError(Error):
    """A file onto itself."""

    def __str__(self):
        return self.args[0]


def copyfileobj(fsrc, fdst, length=PIECE):
    while True:
        piece = fsrc.read(length)
        if not piece:
            return
        fdst.write(piece)


def copyfile(src, dst, *, follow_symlinks=True):
    if absolute(src) == absolute(dst):
        raise SameFileError(f"{src!r} and {dst!r} are the same file")
    with open(src, "rb") as source, open(dst, "wb") as target:
        copyfileobj(source, target)
    return dst


def copy(src, dst, *, follow_symlinks=True):
    if os.path.isdir(dst):
        dst = os.path.join(dst, os.path.basename(src))
    return copyfile(src, dst)


copy2 = copy


def ignore_patterns(*patterns):
    def ignored(path, names):
        from fnmatch import filter as matching

        return {name for pattern in patterns for name in matching(names, pattern)}

    return ignored


def copytree(
    src,
    dst,
    symlinks=False,
    ignore=None,
    copy_function=copy2,
    ignore_dangling_symlinks=False,
    dirs_exist_ok=False,
):
    names = os.listdir(src)
    left_out = ignore(os.fspath(src), names) if ignore else ()
    os.makedirs(dst, exist_ok=dirs_exist_ok)
    for name in names:
        if name not in left_out:
            one, other = os.path.join(src, name), os.path.join(dst, name)
            if os.path.isdir(one):
                copytree(one, other, symlinks, ignore, copy_function, False, dirs_exist_ok)
            else:
                copy_function(one, other)
    return dst


def rmtree(path, ignore_errors=False, onerror=None):
    try:
        if not os.stat(path).st_mode & 0o40000:
            raise failure(20, path)
        for root, folders, files in os.walk(path, False):
            for name in files:
                os.remove(os.path.join(root, name))
            for name in folders:
                os.rmdir(os.path.join(root, name))
        os.rmdir(path)
    except OSError:
        if not ignore_errors:
            raise


def move(src, dst, copy_function=copy2):
    to = dst
    if os.path.isdir(dst):
        to = os.path.join(dst, os.path.basename(os.fspath(src).rstrip("/")))
        if os.path.exists(to):
            raise Error(f"Destination path '{to}' already exists")
    os.rename(src, to)
    return to

"""pathlib: PurePosixPath and Path; PurePath and PosixPath are names of them.

Lacks: Windows paths, owners, permissions, links.
"""

import posixpath

import _files


def _parsed(parts):
    """(root, names)"""
    root, names = "", []
    for part in parts:
        if isinstance(part, PurePosixPath):
            part_root, part_names = part.root, part._names
        else:
            text = _files.fspath(part)
            if not isinstance(text, str):
                raise TypeError(
                    "argument should be a str object or an os.PathLike object returning str, "
                    f"not {type(part)}"
                )
            part_root = (
                ""
                if not text.startswith("/")
                else "//"
                if text.startswith("//") and text[2:3] != "/"
                else "/"
            )
            part_names = [name for name in text.split("/") if name and name != "."]
        if part_root:
            root, names = part_root, list(part_names)
        else:
            names = names + list(part_names)
    return root, names


class _Parents:
    def __init__(self, path):
        self._path = path
        self._count = len(path._names)

    def __len__(self):
        return self._count

    def __getitem__(self, at):
        if isinstance(at, slice):
            return tuple([self[i] for i in range(*at.indices(len(self)))])
        if not -self._count <= at < self._count:
            raise IndexError(at)
        at = at + self._count if at < 0 else at
        return self._path._of(self._path.root, self._path._names[: self._count - at - 1])

    def __iter__(self):
        return iter([self[at] for at in range(self._count)])

    def __repr__(self):
        return f"<{type(self._path).__name__}.parents>"


class PurePosixPath:
    """A path as text."""

    drive = ""

    def __init__(self, *parts):
        self.root, self._names = _parsed(parts)
        self._text = None

    def _of(self, root, names):
        new = type(self)()
        new.root, new._names = root, names
        return new

    def __str__(self):
        if self._text is None:
            self._text = self.root + "/".join(self._names) or "."
        return self._text

    def __fspath__(self):
        return str(self)

    def __repr__(self):
        name = type(self).__name__
        return f"{'PosixPath' if name == 'Path' else name}({str(self)!r})"

    def __bytes__(self):
        return str(self).encode()

    def as_posix(self):
        return str(self)

    def as_uri(self):
        if not self.root:
            raise ValueError("relative path can't be expressed as a file URI")
        from urllib.parse import quote

        return "file://" + quote(str(self))

    def __hash__(self):
        return hash(str(self))

    def __eq__(self, other):
        if not isinstance(other, PurePosixPath):
            return NotImplemented
        return self.root == other.root and self._names == other._names

    def _key(self, other):
        if not isinstance(other, PurePosixPath):
            return None
        return ([self.root] if self.root else []) + self._names, (
            [other.root] if other.root else []
        ) + other._names

    def __lt__(self, other):
        keys = self._key(other)
        return NotImplemented if keys is None else keys[0] < keys[1]

    def __le__(self, other):
        keys = self._key(other)
        return NotImplemented if keys is None else keys[0] <= keys[1]

    def __gt__(self, other):
        keys = self._key(other)
        return NotImplemented if keys is None else keys[0] > keys[1]

    def __ge__(self, other):
        keys = self._key(other)
        return NotImplemented if keys is None else keys[0] >= keys[1]

    def __truediv__(self, other):
        if not isinstance(other, (str, PurePosixPath)) and not hasattr(other, "__fspath__"):
            return NotImplemented
        return self.joinpath(other)

    def __rtruediv__(self, other):
        if not isinstance(other, str):
            return NotImplemented
        root, names = _parsed((other, self))
        return self._of(root, names)

    def joinpath(self, *others):
        root, names = _parsed((self,) + others)
        return self._of(root, names)

    @property
    def anchor(self):
        return self.root

    @property
    def parts(self):
        return tuple(([self.root] if self.root else []) + self._names)

    @property
    def parent(self):
        return self._of(self.root, self._names[:-1])

    @property
    def parents(self):
        return _Parents(self)

    @property
    def name(self):
        return self._names[-1] if self._names else ""

    @property
    def suffix(self):
        name = self.name
        at = name.rfind(".")
        return name[at:] if 0 < at < len(name) - 1 else ""

    @property
    def suffixes(self):
        name = self.name
        if name.endswith("."):
            return []
        return ["." + part for part in name.lstrip(".").split(".")[1:]]

    @property
    def stem(self):
        suffix = self.suffix
        return self.name[: -len(suffix)] if suffix else self.name

    def is_absolute(self):
        return bool(self.root)

    def is_reserved(self):
        return False

    def with_name(self, name):
        if not self.name:
            raise ValueError(f"{self!r} has an empty name")
        if not name or "/" in name or name == ".":
            raise ValueError(f"Invalid name {name!r}")
        return self._of(self.root, self._names[:-1] + [name])

    def with_stem(self, stem):
        return self.with_name(stem + self.suffix)

    def with_suffix(self, suffix):
        if "/" in suffix or (suffix and not suffix.startswith(".")) or suffix == ".":
            raise ValueError(f"Invalid suffix {suffix!r}")
        if not self.name:
            raise ValueError(f"{self!r} has an empty name")
        return self._of(self.root, self._names[:-1] + [self.stem + suffix])

    def is_relative_to(self, *other):
        root, names = _parsed(other)
        return root == self.root and self._names[: len(names)] == names

    def relative_to(self, *other):
        root, names = _parsed(other)
        if not self.is_relative_to(*other):
            shown = str(self._of(root, names))
            raise ValueError(
                f"{str(self)!r} is not in the subpath of {shown!r} "
                "OR one path is relative and the other is absolute."
            )
        return self._of("", self._names[len(names) :])

    def match(self, path_pattern):
        from fnmatch import fnmatchcase

        root, names = _parsed((path_pattern,))
        if not names and not root:
            raise ValueError("empty pattern")
        if root and (root != self.root or len(names) != len(self._names)) or len(names) > len(self._names):
            return False
        return all(
            fnmatchcase(name, pattern)
            for name, pattern in zip(self._names[len(self._names) - len(names) :], names)
        )


class Path(PurePosixPath):
    """A path, and what is there."""

    @classmethod
    def cwd(cls):
        return cls("/")

    @classmethod
    def home(cls):
        return cls("/")

    def stat(self, *, follow_symlinks=True):
        import os

        return os.stat(str(self))

    lstat = stat

    def exists(self):
        return posixpath.exists(self)

    def is_file(self):
        return posixpath.isfile(self)

    def is_dir(self):
        return posixpath.isdir(self)

    def is_symlink(self):
        return False

    def samefile(self, other_path):
        return posixpath.samefile(self, other_path)

    def absolute(self):
        return self if self.root else self._of("/", self._names)

    def resolve(self, strict=False):
        return type(self)(posixpath.realpath(self, strict=strict))

    def expanduser(self):
        return self

    def open(self, mode="r", buffering=-1, encoding=None, errors=None, newline=None):
        return _files.open(str(self), mode, buffering, encoding, errors, newline)

    def read_text(self, encoding=None, errors=None):
        with self.open("r", -1, encoding, errors) as file:
            return file.read()

    def read_bytes(self):
        with self.open("rb") as file:
            return file.read()

    def write_text(self, data, encoding=None, errors=None, newline=None):
        if not isinstance(data, str):
            raise TypeError(f"data must be str, not {type(data).__name__}")
        with self.open("w", -1, encoding, errors, newline) as file:
            return file.write(data)

    def write_bytes(self, data):
        data = memoryview(data)
        with self.open("wb") as file:
            return file.write(data)

    def touch(self, mode=0o666, exist_ok=True):
        if not exist_ok and self.exists():
            raise _files.failure(17, str(self))
        self.open("a").close()

    def mkdir(self, mode=0o777, parents=False, exist_ok=False):
        try:
            _files.make_folder(str(self))
        except OSError as error:
            if error.errno == 2 and parents and self.parent != self:
                self.parent.mkdir(parents=True, exist_ok=True)
                self.mkdir(mode, False, exist_ok)
            elif not exist_ok or not self.is_dir():
                raise

    def unlink(self, missing_ok=False):
        try:
            _files.remove(str(self))
        except OSError as error:
            if error.errno != 2 or not missing_ok:
                raise

    def rmdir(self):
        _files.remove(str(self), True)

    def rename(self, target):
        _files.rename(str(self), str(target))
        return type(self)(target)

    replace = rename

    def iterdir(self):
        for name in _files.listing(str(self)):
            yield self._of(self.root, self._names + [name[:-1] if name.endswith("/") else name])

    def glob(self, pattern):
        if not pattern:
            raise ValueError(f"Unacceptable pattern: {pattern!r}")
        root, names = _parsed((pattern,))
        if root:
            raise NotImplementedError("Non-relative patterns are unsupported")
        seen = set()
        for path in self._glob(names):
            if str(path) not in seen:
                seen.add(str(path))
                yield path

    def rglob(self, pattern):
        if pattern.startswith("/"):
            raise NotImplementedError("Non-relative patterns are unsupported")
        return self.glob("**/" + pattern)

    def _glob(self, names):
        if not names:
            yield self
            return
        first, rest = names[0], names[1:]
        if first == "**":
            yield from self._glob(rest)
            for name in self._inside():
                if name.endswith("/"):
                    yield from self._of(self.root, self._names + [name[:-1]])._glob(names)
        elif "*" in first or "?" in first or "[" in first:
            from fnmatch import filter as matching

            found = [name for name in self._inside() if not rest or name.endswith("/")]
            for name in matching([name[:-1] if name.endswith("/") else name for name in found], first):
                yield from self._of(self.root, self._names + [name])._glob(rest)
        else:
            path = self._of(self.root, self._names + [first])
            if path.exists():
                yield from path._glob(rest)

    def _inside(self):
        try:
            return _files.listing(str(self))
        except OSError:
            return []


PurePath, PosixPath = PurePosixPath, Path

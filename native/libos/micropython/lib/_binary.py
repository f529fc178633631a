"""Files of bytes: what open() gives with "b", and what BytesIO is made of.

Knows nothing of paths. Invariant: what is written is seen at once by all who have the file open.
"""

from _files import PIECE, UnsupportedOperation, failure
from uio import IOBase


class Binary(IOBase):
    """A file of bytes over Content or Granted, read in pieces."""

    def __init__(self, content, name=None, mode="rb", reads=True, writes=False, appends=False):
        self.content, self.name, self.mode = content, name, mode
        self.closed = False
        self._reads, self._writes, self._appends = reads, writes, appends
        self._piece, self._at, self._base = b"", 0, content.size if appends else 0
        self._seek(self._base)

    def __repr__(self):
        kind = "Random" if self._reads and self._writes else "Writer" if self._writes else "Reader"
        return f"<_io.Buffered{kind} name={self.name!r}>"

    def _open(self):
        if self.closed:
            raise ValueError("I/O operation on closed file.")

    def _seek(self, at):
        self._piece, self._at, self._base = b"", 0, at

    def more(self):
        """Put one piece more behind what was not read yet; whether there was one."""
        got = self.content.read(self._base + len(self._piece), PIECE)
        if self._at:
            self._base += self._at
            self._piece, self._at = self._piece[self._at :], 0
        self._piece = self._piece + got if self._piece else got
        return bool(got)

    def _want(self):
        self._open()
        if not self._reads:
            raise UnsupportedOperation("read")

    def read(self, count=-1):
        self._want()
        if count is None or count < 0:
            parts = [self._piece[self._at :]]
            at = self._base + len(self._piece)
            while True:
                got = self.content.read(at, PIECE)
                if not got:
                    break
                parts.append(got)
                at += len(got)
            self._seek(at)
            return parts[0] if len(parts) == 1 else b"".join(parts)
        while len(self._piece) - self._at < count and self.more():
            pass
        found = self._piece[self._at : self._at + count]
        self._at += len(found)
        return found

    read1 = read

    def peek(self, count=0):
        self._want()
        if self._at == len(self._piece):
            self.more()
        return self._piece[self._at :]

    def readinto(self, buffer):
        got = self.read(len(buffer))
        buffer[: len(got)] = got
        return len(got)

    def readline(self, most=-1):
        self._want()
        look = self._at
        while True:
            end = self._piece.find(b"\n", look)
            if end >= 0:
                end += 1
                break
            seen = len(self._piece) - self._at
            if (most is not None and 0 <= most <= seen) or not self.more():
                end = len(self._piece)
                break
            look = self._at + seen
        if most is not None and 0 <= most < end - self._at:
            end = self._at + most
        line = self._piece[self._at : end]
        self._at = end
        return line

    def readlines(self, hint=-1):
        return lines_of(self, hint)

    def __iter__(self):
        self._open()
        return self

    def __next__(self):
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def write(self, data):
        self._open()
        if not self._writes:
            raise UnsupportedOperation("write")
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        data = bytes(memoryview(data))
        at = self.content.size if self._appends else self._base + self._at
        self.content.write(at, data)
        self._seek(at + len(data))
        return len(data)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def tell(self):
        self._open()
        return self._base + self._at

    def seek(self, to, whence=0):
        self._open()
        if whence == 0 and to < 0:
            raise ValueError(f"negative seek value {to}") if self.name is None else failure(22)
        if whence == 1:
            to += self.tell()
        elif whence == 2:
            to += self.content.size
        elif whence:
            raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
        self._seek(max(to, 0))
        return self._base

    def truncate(self, size=None):
        self._open()
        if not self._writes:
            raise UnsupportedOperation("truncate")
        at = self.tell()
        size = at if size is None else size
        if self.name is not None or size < self.content.size:
            self.content.truncate(size)
        self._seek(at)
        return size

    def readable(self):
        self._open()
        return self._reads

    def writable(self):
        self._open()
        return self._writes

    def seekable(self):
        self._open()
        return True

    def isatty(self):
        self._open()
        return False

    def flush(self):
        self._open()

    def fileno(self):
        raise UnsupportedOperation("fileno")

    def close(self):
        self.closed = True

    def __enter__(self):
        self._open()
        return self

    def __exit__(self, *raised):
        self.close()


def lines_of(file, hint):
    """What readlines() gives."""
    lines, size = [], 0
    for line in file:
        lines.append(line)
        size += len(line)
        if hint is not None and 0 < hint <= size:
            break
    return lines

"""io: StringIO, BytesIO, TextIOWrapper, open, UnsupportedOperation, SEEK_*.

Lacks: the abstract base classes but IOBase (the others are names of it), raw files, encodings as in
open().
"""

from _binary import Binary, lines_of
from _files import SEEK_CUR, SEEK_END, SEEK_SET, Content, UnsupportedOperation, open  # noqa: F401 - names of this module
from uio import IOBase

DEFAULT_BUFFER_SIZE = 8192
RawIOBase = BufferedIOBase = TextIOBase = IOBase
BufferedReader = BufferedWriter = BufferedRandom = Binary


def __getattr__(name):
    if name == "TextIOWrapper":
        from _text import Text

        return Text
    raise AttributeError(name)


class BytesIO(Binary):
    """Bytes in memory."""

    def __init__(self, initial_bytes=b""):
        if isinstance(initial_bytes, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        Binary.__init__(self, Content(bytes(initial_bytes or b"")), None, "rb+", True, True)

    def __repr__(self):
        return f"<_io.BytesIO object at {hex(id(self))}>"

    def getvalue(self):
        self._open()
        return bytes(self.content.all())

    def getbuffer(self):
        self._open()
        whole = self.content.all()
        if not isinstance(whole, bytearray):
            whole = self.content._data = bytearray(whole)
        return memoryview(whole)


class StringIO(IOBase):
    """Text in memory."""

    def __init__(self, initial_value="", newline="\n"):
        if initial_value is not None and not isinstance(initial_value, str):
            raise TypeError(f"initial_value must be str or None, not {type(initial_value).__name__}")
        if newline not in (None, "", "\n", "\r", "\r\n"):
            raise ValueError(f"illegal newline value: {newline!r}")
        self._newline = newline
        self._text = self._changed(initial_value or "")
        self._parts, self._size, self._at = [], len(self._text), 0
        self.closed = False

    def __repr__(self):
        return f"<_io.StringIO object at {hex(id(self))}>"

    def _changed(self, text):
        if self._newline is None:
            return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
        if self._newline in ("\r", "\r\n"):
            return text.replace("\n", self._newline)
        return text

    def _all(self):
        self._open()
        if self._parts:
            self._text += "".join(self._parts)
            self._parts = []
        return self._text

    def _open(self):
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def getvalue(self):
        return self._all()

    def read(self, size=-1):
        text, at = self._all(), self._at
        end = self._size if size is None or size < 0 else min(self._size, at + size)
        self._at = max(at, end)
        return text if at == 0 and end == self._size else text[at:end]

    def readline(self, size=-1):
        text, at = self._all(), self._at
        if self._newline == "":
            end = text.find("\n", at)
            back = text.find("\r", at)
            if back >= 0 and (end < 0 or back < end):
                end = back + 1 if end == back + 1 else back
            end += 1
        else:
            mark = self._newline or "\n"
            end = text.find(mark, at)
            end += len(mark) if end >= 0 else 1
        if end <= 0:
            end = self._size
        if size is not None and size >= 0:
            end = min(end, at + size)
        self._at = max(at, end)
        return text[at:end]

    def readlines(self, hint=-1):
        return lines_of(self, hint)

    def __iter__(self):
        self._open()
        if self._newline == "\n":  # all at once: to find places in long text is slow
            return self._lines()
        return self

    def _lines(self):
        rest = self._all()[self._at :].split("\n")
        last = rest.pop()
        before = None
        for line in rest:
            if before is not None and self._at != before:  # it was moved meanwhile
                break
            self._at += len(line) + 1
            before = self._at
            yield line + "\n"
        else:
            if before is None or self._at == before:
                self._at += len(last)
                if last:
                    yield last
        while True:
            line = self.readline()
            if not line:
                return
            yield line

    def __next__(self):
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def write(self, text):
        self._open()
        if isinstance(text, bytearray):  # print() gives these
            self.write(bytes(text).decode())
            return len(text)
        if not isinstance(text, str):
            raise TypeError(f"string argument expected, got {type(text).__name__!r}")
        count, text = len(text), self._changed(text)
        size = len(text)
        if self._at > self._size:
            self._parts.append("\0" * (self._at - self._size))
            self._size = self._at
        if self._at == self._size:
            self._parts.append(text)
            self._size += size
        else:
            whole = self._all()
            self._text = whole[: self._at] + text + whole[self._at + size :]
            self._size = max(self._size, self._at + size)
        self._at += size
        return count

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def seek(self, to, whence=0):
        self._open()
        if whence not in (0, 1, 2):
            raise ValueError(f"Invalid whence ({whence}, should be 0, 1 or 2)")
        if whence == 0 and to < 0:
            raise ValueError(f"Negative seek position {to}")
        if whence and to:
            raise OSError("Can't do nonzero cur-relative seeks")
        self._at = to if whence == 0 else self._at if whence == 1 else self._size
        return self._at

    def tell(self):
        self._open()
        return self._at

    def truncate(self, size=None):
        text = self._all()
        size = self._at if size is None else size
        if size < 0:
            raise ValueError(f"Negative size value {size}")
        if size < self._size:
            self._text, self._size = text[:size], size
        return size

    def readable(self):
        self._open()
        return True

    writable = seekable = readable

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

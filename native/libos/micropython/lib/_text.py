"""Text over files of bytes: what open() gives without "b", and io.TextIOWrapper.

Lacks: encodings but UTF-8 (with or without a mark), ASCII and Latin-1; errors but strict, replace and
ignore. Invariant: tell() is the place in the bytes of what was not read yet.
"""

from _binary import lines_of
from _files import UnsupportedOperation
from uio import IOBase

_NAMES = {
    "utf8": "utf-8",
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8-sig",
    "ascii": "ascii",
    "us-ascii": "ascii",
    "latin-1": "latin-1",
    "latin1": "latin-1",
    "iso-8859-1": "latin-1",
    "locale": "utf-8",
}


def _fault(data, at):
    """(end, reason) of what is no UTF-8 at a place of bytes."""
    first, size = data[at], len(data)
    if first < 0xC2 or first > 0xF4:
        return at + 1, "invalid start byte"
    low, high = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}.get(
        first, (0x80, 0xBF)
    )
    need = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
    for i in range(1, need + 1):
        if at + i == size:
            return size, "unexpected end of data"
        if not low <= data[at + i] <= high:
            return at + i, "invalid continuation byte"
        low, high = 0x80, 0xBF
    return 0, ""


def decoded(data, encoding="utf-8", errors="strict"):
    """Text of bytes. Raises UnicodeDecodeError in CPython's words."""
    if encoding == "latin-1":
        return "".join([chr(byte) for byte in data])
    if encoding != "ascii":
        try:
            return str(data, "utf-8")
        except UnicodeError:
            pass
    found, at, start, size = [], 0, 0, len(data)
    while at < size:
        if data[at] < 0x80:
            at += 1
            continue
        if encoding == "ascii":
            end, reason = at + 1, "ordinal not in range(128)"
        else:
            end, reason = _fault(data, at)
        if not reason:
            at += 2 if data[at] < 0xE0 else 3 if data[at] < 0xF0 else 4
            continue
        if errors == "strict":
            codec = encoding if encoding == "ascii" else "utf-8"
            place = (
                f"byte 0x{data[at]:02x} in position {at}"
                if end == at + 1
                else f"bytes in position {at}-{end - 1}"
            )
            raise UnicodeDecodeError(f"'{codec}' codec can't decode {place}: {reason}")
        found.append(str(data[start:at], "utf-8"))
        if errors == "replace":
            found.append("\ufffd")
        elif errors == "backslashreplace":
            found.append("".join([f"\\x{byte:02x}" for byte in data[at:end]]))
        elif errors != "ignore":
            raise LookupError(f"unknown error handler name {errors!r}")
        at = start = end
    found.append(str(data[start:], "utf-8"))
    return "".join(found)


def encoded(text, encoding="utf-8", errors="strict"):
    if encoding in ("utf-8", "utf-8-sig"):
        return text.encode()
    most = 128 if encoding == "ascii" else 256
    found = bytearray()
    for at, letter in enumerate(text):
        if ord(letter) < most:
            found.append(ord(letter))
        elif errors == "replace":
            found.append(63)
        elif errors != "ignore":
            code = ord(letter)
            shown = f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
            raise UnicodeEncodeError(
                f"'{encoding}' codec can't encode character '{shown}' in position {at}: "
                f"ordinal not in range({most})"
            )
    return bytes(found)


class Text(IOBase):
    """Text over a Binary."""

    def __init__(self, buffer, encoding=None, errors=None, newline=None, mode=None):
        self.encoding = "UTF-8" if encoding is None else encoding
        self._codec = _NAMES.get(self.encoding.lower().replace("_", "-"))
        if self._codec is None:
            raise LookupError(f"unknown encoding: {encoding}")
        self.buffer, self.errors, self.mode = buffer, errors or "strict", mode or buffer.mode
        self.newlines, self._newline = None, newline
        self.line_buffering = False

    def __repr__(self):
        return f"<_io.TextIOWrapper name={self.name!r} mode={self.mode!r} encoding={self.encoding!r}>"

    @property
    def name(self):
        return self.buffer.name

    @property
    def closed(self):
        return self.buffer.closed

    def _want(self):
        buffer = self.buffer
        buffer._open()
        if not buffer._reads:
            raise UnsupportedOperation("not readable")
        if self._codec == "utf-8-sig" and buffer.tell() == 0 and buffer.peek()[:3] == b"\xef\xbb\xbf":
            buffer.seek(3)

    def _text(self, data):
        if self._newline is None and b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return decoded(data, self._codec, self.errors)

    def read(self, count=-1):
        self._want()
        buffer = self.buffer
        if count is None or count < 0:
            return self._text(buffer.read())
        parts = []
        while count > 0:
            data = buffer.read(count)
            if not data:
                break
            while self._codec[0] == "u" and buffer.peek()[:1] and 0x80 <= buffer.peek()[0] < 0xC0:
                data += buffer.read(1)
            if self._newline is None and data[-1] == 13 and buffer.peek()[:1] == b"\n":
                data += buffer.read(1)
            parts.append(self._text(data))
            count -= len(parts[-1])
        return "".join(parts)

    def readline(self, most=-1):
        self._want()
        if most is not None and most >= 0:
            start = self.tell()
            line = self._line()
            if len(line) > most:
                self.seek(start)
                line = self.read(most)
            return line
        return self._line()

    def _line(self):
        buffer, mark = self.buffer, self._newline
        if mark == "\n" or (mark is None and self._codec == ""):
            return self._text(buffer.readline())
        look = buffer._at
        while True:
            piece = buffer._piece
            if mark in ("\r", "\r\n"):
                end = piece.find(mark.encode(), look)
                if end >= 0:
                    end += len(mark)
            else:
                end = piece.find(b"\n", look)
                back = piece.find(b"\r", look, end if end >= 0 else len(piece))
                end += 1 if end >= 0 else 0
                if back >= 0:
                    if back + 1 == len(piece) and buffer.more():
                        look = buffer._at
                        continue
                    end = back + (2 if piece[back + 1 : back + 2] == b"\n" else 1)
            if end >= 0:
                break
            seen = len(piece) - buffer._at
            if not buffer.more():
                end = len(buffer._piece)
                break
            look = buffer._at + max(seen - 1, 0)
        line = buffer._piece[buffer._at : end]
        buffer._at = end
        return self._text(line)

    def readlines(self, hint=-1):
        return lines_of(self, hint)

    def __iter__(self):
        self.buffer._open()
        return self

    def __next__(self):
        self._want()
        line = self._line()
        if not line:
            raise StopIteration
        return line

    def write(self, text):
        self.buffer._open()
        if not self.buffer._writes:
            raise UnsupportedOperation("not writable")
        if isinstance(text, bytearray):  # print() gives these
            self.write(bytes(text).decode())
            return len(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        data = encoded(text, self._codec, self.errors)
        if self._newline in ("\r", "\r\n"):
            data = data.replace(b"\n", self._newline.encode())
        if self._codec == "utf-8-sig" and self.buffer.tell() == 0:
            data = b"\xef\xbb\xbf" + data
        self.buffer.write(data)
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def seek(self, to, whence=0):
        self.buffer._open()
        if whence and to:
            raise UnsupportedOperation(
                "can't do nonzero %s-relative seeks" % ("cur" if whence == 1 else "end")
            )
        if to < 0:
            raise ValueError(f"negative seek position {to}")
        return self.buffer.seek(to, whence)

    def tell(self):
        return self.buffer.tell()

    def truncate(self, size=None):
        return self.buffer.truncate(size)

    def readable(self):
        return self.buffer.readable()

    def writable(self):
        return self.buffer.writable()

    def seekable(self):
        return self.buffer.seekable()

    def isatty(self):
        return self.buffer.isatty()

    def flush(self):
        self.buffer.flush()

    def fileno(self):
        return self.buffer.fileno()

    def detach(self):
        return self.buffer

    def close(self):
        self.buffer.close()

    def __enter__(self):
        self.buffer._open()
        return self

    def __exit__(self, *raised):
        self.close()

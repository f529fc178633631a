"""gzip: compress, decompress, BadGzipFile.

Lacks: open(), GzipFile, levels, several members in one file.
"""

import zlib


class BadGzipFile(OSError):
    """What is not gzip."""

    def __str__(self):
        return self.args[0]


def compress(data, compresslevel=9, *, mtime=None):
    return zlib.compress(data, compresslevel, 31)


def decompress(data):
    if not data:
        return b""
    if bytes(data[:2]) != b"\x1f\x8b":
        raise BadGzipFile(f"Not a gzipped file ({bytes(data[:2])!r})")
    try:
        return zlib.decompress(data, 31)
    except zlib.error:
        raise EOFError("Compressed file ended before the end-of-stream marker was reached")

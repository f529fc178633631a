"""zlib: crc32, adler32, compress, decompress; error.

Lacks: compressobj and decompressobj; levels and dictionaries are taken and not used.
"""

from binascii import crc32  # noqa: F401 - names of this module

MAX_WBITS, DEFLATED, DEF_MEM_LEVEL = 15, 8, 8
Z_DEFAULT_COMPRESSION, Z_NO_COMPRESSION, Z_BEST_SPEED, Z_BEST_COMPRESSION = -1, 0, 1, 9


class error(Exception):
    """What is no compressed data."""


def adler32(data, value=1):
    low, high = value & 0xFFFF, value >> 16
    data = memoryview(data)
    for start in range(0, len(data), 5552):
        for byte in data[start : start + 5552]:
            low += byte
            high += low
        low %= 65521
        high %= 65521
    return high << 16 | low


def _form(wbits):
    import deflate

    return deflate.GZIP if wbits > 15 else deflate.RAW if wbits < 0 else deflate.ZLIB


def compress(data, level=-1, wbits=15):
    import deflate
    import uio

    if not len(data):  # deflate writes nothing at all then
        if wbits > 15:
            return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\x03\0" + bytes(8)
        return b"\x03\0" if wbits < 0 else b"x\x9c\x03\0\0\0\0\x01"
    to = uio.BytesIO()
    with deflate.DeflateIO(to, _form(wbits), 15) as packer:
        packer.write(data)
    return to.getvalue()


def decompress(data, wbits=15, bufsize=16384):
    import deflate
    import uio

    try:
        return deflate.DeflateIO(uio.BytesIO(bytes(data)), _form(wbits), 15).read()
    except EOFError:
        raise error("Error -5 while decompressing data: incomplete or truncated stream")
    except (OSError, ValueError):
        if not data:
            raise error("Error -5 while decompressing data: incomplete or truncated stream")
        raise error("Error -3 while decompressing data: incorrect header check")

"""The builtin module, with Error, b2a_hex, a2b_hex and options of CPython."""

from ubinascii import a2b_base64, b2a_base64, crc32  # noqa: F401 - names of this module
from ubinascii import hexlify as _hexlify
from ubinascii import unhexlify as _unhexlify


class Error(ValueError):
    pass


class Incomplete(Exception):
    pass


def hexlify(data, sep=None, bytes_per_sep=1):
    if sep is None:
        return _hexlify(data)
    return bytes(data).hex(sep if isinstance(sep, str) else sep.decode(), bytes_per_sep).encode()


def unhexlify(text):
    if len(text) % 2:
        raise Error("Odd-length string")
    try:
        return _unhexlify(text)
    except ValueError:
        raise Error("Non-hexadecimal digit found")


b2a_hex, a2b_hex = hexlify, unhexlify

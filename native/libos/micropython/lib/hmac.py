"""new, HMAC, digest, compare_digest."""

import hashlib


class HMAC:
    def __init__(self, key, msg=None, digestmod=""):
        if not digestmod:
            raise TypeError("Missing required parameter 'digestmod'.")
        make = digestmod if callable(digestmod) else lambda data=b"": hashlib.new(digestmod, data)
        self._make, self._inner = make, make()
        size = self._inner.block_size
        key = bytes(key)
        key = make(key).digest() if len(key) > size else key
        key = key + b"\0" * (size - len(key))
        self._outer = bytes([byte ^ 0x5C for byte in key])
        self._inner.update(bytes([byte ^ 0x36 for byte in key]))
        self.digest_size, self.block_size = self._inner.digest_size, size
        self.name = "hmac-" + self._inner.name
        if msg is not None:
            self.update(msg)

    def update(self, msg):
        self._inner.update(msg)

    def digest(self):
        return self._make(self._outer + self._inner.digest()).digest()

    def hexdigest(self):
        return self.digest().hex()

    def copy(self):
        made = object.__new__(HMAC)
        made._make, made._outer, made._inner = self._make, self._outer, self._inner.copy()
        made.digest_size, made.block_size, made.name = self.digest_size, self.block_size, self.name
        return made


def new(key, msg=None, digestmod=""):
    return HMAC(key, msg, digestmod)


def digest(key, msg, digest):
    return HMAC(key, msg, digest).digest()


def compare_digest(a, b):
    a = a.encode() if isinstance(a, str) else bytes(a)
    b = b.encode() if isinstance(b, str) else bytes(b)
    differ = len(a) ^ len(b)
    for x, y in zip(a, b):
        differ |= x ^ y
    return differ == 0

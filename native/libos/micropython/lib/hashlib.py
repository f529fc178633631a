"""md5, sha1, sha256, sha384, sha512, new, pbkdf2_hmac, file_digest. Lacks: blake2, sha3, sha224, scrypt."""

import binascii

import _hashes
from uhashlib import sha256 as _sha256

algorithms_available = algorithms_guaranteed = {"md5", "sha1", "sha256", "sha384", "sha512"}
_SIZES = {"md5": (16, 64), "sha1": (20, 64), "sha256": (32, 64), "sha384": (48, 128), "sha512": (64, 128)}


class _Hash:
    def __init__(self, name, data=b""):
        self.name = name
        self.digest_size, self.block_size = _SIZES[name]
        self._data = bytearray()
        self.update(data)

    def update(self, data):
        if isinstance(data, str):
            raise TypeError("Strings must be encoded before hashing")
        self._data.extend(data)

    def digest(self):
        if self.name == "sha256":
            return _sha256(self._data).digest()
        return getattr(_hashes, self.name)(self._data)

    def hexdigest(self):
        return binascii.hexlify(self.digest()).decode()

    def copy(self):
        return _Hash(self.name, self._data)

    def __repr__(self):
        return f"<{self.name} _hashlib.HASH object>"


def new(name, data=b"", *, usedforsecurity=True):
    name = name.lower().replace("-", "")
    if name not in _SIZES:
        raise ValueError(f"unsupported hash type {name}")
    return _Hash(name, data)


def md5(data=b"", *, usedforsecurity=True):
    return _Hash("md5", data)


def sha1(data=b"", *, usedforsecurity=True):
    return _Hash("sha1", data)


def sha256(data=b"", *, usedforsecurity=True):
    return _Hash("sha256", data)


def sha384(data=b"", *, usedforsecurity=True):
    return _Hash("sha384", data)


def sha512(data=b"", *, usedforsecurity=True):
    return _Hash("sha512", data)


def file_digest(file, digest):
    made = digest() if callable(digest) else new(digest)
    while True:
        piece = file.read(65536)
        if not piece:
            return made
        made.update(piece)


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    import hmac

    size, done, number = new(hash_name).digest_size, b"", 0
    dklen = size if dklen is None else dklen
    while len(done) < dklen:
        number += 1
        step = hmac.new(password, bytes(salt) + number.to_bytes(4, "big"), hash_name).digest()
        total = int.from_bytes(step, "big")
        for _ in range(iterations - 1):
            step = hmac.new(password, step, hash_name).digest()
            total ^= int.from_bytes(step, "big")
        done += total.to_bytes(size, "big")
    return done[:dklen]

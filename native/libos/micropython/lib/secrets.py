"""token_bytes, token_hex, token_urlsafe, choice, randbelow, randbits, compare_digest, from the host's
generator.
"""

from hmac import compare_digest  # noqa: F401 - names of this module

import _host


def token_bytes(nbytes=None):
    return _host.random(32 if nbytes is None else nbytes)


def token_hex(nbytes=None):
    return token_bytes(nbytes).hex()


def token_urlsafe(nbytes=None):
    import base64

    return base64.urlsafe_b64encode(token_bytes(nbytes)).rstrip(b"=").decode()


def randbits(k):
    return int.from_bytes(_host.random((k + 7) // 8), "big") >> (-k % 8)


def randbelow(exclusive_upper_bound):
    if exclusive_upper_bound <= 0:
        raise ValueError("Upper bound must be positive.")
    bits, value = 0, exclusive_upper_bound
    while value:
        bits, value = bits + 1, value >> 1
    while True:
        found = randbits(bits)
        if found < exclusive_upper_bound:
            return found


def choice(sequence):
    if not sequence:
        raise IndexError("Cannot choose from an empty sequence")
    return sequence[randbelow(len(sequence))]

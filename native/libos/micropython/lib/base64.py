"""b64encode, b64decode and their urlsafe forms, b32, b16, encodebytes, decodebytes. Lacks: b85 and a85."""

import binascii

_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def _bytes(data):
    if isinstance(data, str):
        try:
            return data.encode("ascii")
        except UnicodeError:
            raise ValueError("string argument should contain only ASCII characters")
    return bytes(data)


def _given(data):
    if isinstance(data, str):
        raise TypeError("a bytes-like object is required, not 'str'")
    return bytes(data)


def b64encode(s, altchars=None):
    told = binascii.b2a_base64(_given(s), newline=False)
    return told if altchars is None else told.replace(b"+", altchars[:1]).replace(b"/", altchars[1:2])


def b64decode(s, altchars=None, validate=False):
    s = _bytes(s)
    if altchars is not None:
        altchars = _bytes(altchars)
        s = s.replace(altchars[:1], b"+").replace(altchars[1:2], b"/")
    if b"=" in s:
        before, after = s[: s.find(b"=")], s[s.find(b"=") :]
        if len(before) % 4 + len(after) - len(after.lstrip(b"=")) >= 4:
            s = before + b"=" * (-len(before) % 4)  # what follows the padding is not read
    kept = bytes([c for c in s if 48 <= c < 58 or 65 <= c < 91 or 97 <= c < 123 or c in b"+/"])
    letters = s.rstrip(b"=")
    if validate and len(kept) != len(letters):
        raise binascii.Error("Only base64 data is allowed")
    left = len(kept) % 4
    if left == 1:
        raise binascii.Error(
            f"Invalid base64-encoded string: number of data characters ({len(kept)}) cannot be 1 more than a multiple of 4"  # noqa: E501 - one line of words
        )
    if left and s.count(b"=") < 4 - left:
        raise binascii.Error("Incorrect padding")
    return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


standard_b64encode, standard_b64decode = b64encode, b64decode


def urlsafe_b64encode(s):
    return b64encode(s, b"-_")


def urlsafe_b64decode(s):
    return b64decode(s, b"-_")


def b16encode(s):
    return _given(s).hex().upper().encode()


def b16decode(s, casefold=False):
    s = _bytes(s)
    if casefold:
        s = s.upper()
    if len(s) % 2 or any([not (48 <= c < 58 or 65 <= c < 71) for c in s]):
        raise binascii.Error("Non-base16 digit found")
    return bytes.fromhex(s.decode())


def b32encode(s):
    s = _given(s)
    left = len(s) % 5
    number = s + b"\0" * (-len(s) % 5)
    done = bytearray()
    for at in range(0, len(number), 5):
        value = int.from_bytes(number[at : at + 5], "big")
        for shift in range(35, -1, -5):
            done.append(_BASE32[value >> shift & 31])
    if left:
        empty = {1: 6, 2: 4, 3: 3, 4: 1}[left]
        done[-empty:] = b"=" * empty
    return bytes(done)


def b32decode(s, casefold=False, map01=None):
    s = _bytes(s)
    if len(s) % 8:
        raise binascii.Error("Incorrect padding")
    s = s.upper() if casefold else s
    kept = s.rstrip(b"=")
    empty = len(s) - len(kept)
    done = b""
    for at in range(0, len(kept), 8):
        value = 0
        piece = kept[at : at + 8]
        for c in piece:
            place = _BASE32.find(bytes([c]))
            if place < 0:
                raise binascii.Error("Non-base32 digit found")
            value = value << 5 | place
        done += (value << 5 * (8 - len(piece))).to_bytes(5, "big")
    if empty:
        if empty not in (1, 3, 4, 6):
            raise binascii.Error("Incorrect padding")
        done = done[: -{1: 1, 3: 2, 4: 3, 6: 4}[empty]]
    return done


def encodebytes(s):
    s = _given(s)
    return b"".join([binascii.b2a_base64(s[at : at + 57]) for at in range(0, len(s), 57)])


def decodebytes(s):
    return b64decode(_given(s))

"""MT19937, the generator behind random, with CPython's seeding. Invariant: `_i` is the next word of state."""

_UPPER = 0x80000000
_MASK = 0xFFFFFFFF
_FRESH = None  # the state that every seeding starts from


def _fresh():
    global _FRESH
    if _FRESH is None:
        value, state = 19650218, [19650218]
        for i in range(1, 624):
            value ^= value >> 30
            # 1812433253 * value, in two parts that are small integers
            value = (((value * 27655 & 0xFFFF) << 16) + value * 35173 + i) & _MASK
            state.append(value)
        _FRESH = state
    return _FRESH[:]


def _float_hash(value):
    """hash() of CPython for a float, modulo 2**64."""
    if value != value:
        raise ValueError("NaN seeds nothing")
    if value - value != 0:
        return 314159 if value > 0 else -314159 & 0xFFFFFFFFFFFFFFFF
    sign = -1 if value < 0 else 1
    value, down, prime = abs(value), 0, (1 << 61) - 1
    while value != int(value):
        value *= 2
        down += 1
    found = int(value) % prime * pow(2, -down % 61) % prime * sign
    return (-2 if found == -1 else found) & 0xFFFFFFFFFFFFFFFF


def _size(value):
    """bit_length of an int >= 0."""
    return 0 if value == 0 else len(bin(value)) - 2


class Twister:
    VERSION = 3

    def __init__(self, x=None):
        self._mt = None
        self._out = [0] * 624
        self.gauss_next = None
        self.seed(x)

    def seed(self, a=None, version=2):
        self.gauss_next = None
        self._i = 624
        if a is None:
            self._mt = None  # filled where it is first needed
            return
        if isinstance(a, (str, bytes, bytearray)):
            if version == 1:
                a = a.decode("latin-1") if isinstance(a, bytes) else a
                found = ord(a[0]) << 7 if a else 0
                for c in a:
                    found = (1000003 * found ^ ord(c)) & 0xFFFFFFFFFFFFFFFF
                a = found ^ len(a)
            else:
                from hashlib import sha512

                a = a.encode() if isinstance(a, str) else bytes(a)
                a = int.from_bytes(a + sha512(a).digest(), "big")
        elif isinstance(a, float):
            a = _float_hash(a)
        elif isinstance(a, bool):
            a = int(a)
        elif not isinstance(a, int):
            raise TypeError(
                "The only supported seed types are: None,\nint, float, str, bytes, and bytearray."
            )
        a = abs(a)
        key = []
        while True:
            key.append(a & _MASK)
            a >>= 32
            if not a:
                break
        mt, count = _fresh(), len(key)
        before, i, j = mt[0], 1, 0
        for _ in range(max(624, count)):
            before = ((mt[i] ^ (before ^ before >> 30) * 1664525) + key[j] + j) & _MASK
            mt[i] = before
            i += 1
            j += 1
            if i == 624:
                mt[0] = before
                i = 1
            if j == count:
                j = 0
        for _ in range(623):
            before = ((mt[i] ^ (before ^ before >> 30) * 1566083941) - i) & _MASK
            mt[i] = before
            i += 1
            if i == 624:
                mt[0] = before
                i = 1
        mt[0] = _UPPER
        self._mt = mt

    def _refill(self):
        """The next 624 numbers, and in `_out` what they look like outside."""
        mt = self._mt
        if mt is None:
            from _host import random as noise

            noise, mt = noise(2496), []
            for i in range(0, 2496, 4):
                mt.append(int.from_bytes(noise[i : i + 4], "little"))
            self._mt = mt
        out, high, i = self._out, mt[0], 0
        for start, end in ((397, 624), (0, 227), (227, 397)):
            for y in mt[start:end]:
                low = mt[i + 1] if i < 623 else mt[0]
                if low & 1:
                    y ^= 0x9908B0DF
                mt[i] = y = y ^ ((high & 0x80000000) | (low & 0x7FFFFFFF)) >> 1
                high = low
                y ^= y >> 11
                y ^= y << 7 & 0x9D2C5680
                y ^= y << 15 & 0xEFC60000
                out[i] = y ^ y >> 18
                i += 1
        self._i = 0

    def _temper(self):
        """`_out` of a state that was set."""
        out = []
        add = out.append
        for y in self._mt:
            y ^= y >> 11
            y ^= y << 7 & 0x9D2C5680
            y ^= y << 15 & 0xEFC60000
            add(y ^ y >> 18)
        self._out = out

    def _word(self):
        i = self._i
        if i >= 624:
            self._refill()
            i = 0
        self._i = i + 1
        return self._out[i]

    def random(self):
        i = self._i
        if i < 623:
            self._i = i + 2
            out = self._out
            return ((out[i] >> 5) * 67108864 + (out[i + 1] >> 6)) * 1.1102230246251565e-16
        high = self._word() >> 5
        return (high * 67108864 + (self._word() >> 6)) * 1.1102230246251565e-16

    def getrandbits(self, k):
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        if k <= 32:
            if k == 0:
                return 0
            i = self._i
            if i >= 624:
                self._refill()
                i = 0
            self._i = i + 1
            return self._out[i] >> 32 - k
        if k <= 4096:
            value, place = 0, 0
            while k > 0:
                word = self._word()
                value |= (word if k >= 32 else word >> 32 - k) << place
                place += 32
                k -= 32
            return value
        return int.from_bytes(self._bytes(k), "little")

    def _bytes(self, k):
        parts, size = [], (k + 7) // 8
        while k > 0:
            word = self._word()
            parts.append((word if k >= 32 else word >> 32 - k).to_bytes(4, "little"))
            k -= 32
        return b"".join(parts)[:size]

    def randbytes(self, n):
        if n < 0:
            raise ValueError("number of bits must be non-negative")
        return self._bytes(n * 8)

    def getstate(self):
        if self._mt is None:
            self._refill()
            self._i = 624
        return self.VERSION, tuple(self._mt) + (self._i,), self.gauss_next

    def setstate(self, state):
        version = state[0]
        if version not in (2, 3):
            raise ValueError(
                "state with version %s passed to Random.setstate() of version %s" % (version, self.VERSION)
            )
        words = state[1]
        if len(words) != 625:
            raise ValueError("state vector is the wrong size")
        if not 0 <= words[624] <= 624:
            raise ValueError("invalid state")
        words = list(words)
        self._i, self.gauss_next = words.pop(), state[2]
        self._mt = words
        self._temper()
